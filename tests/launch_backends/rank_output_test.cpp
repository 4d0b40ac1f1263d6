#include "launch_backends/rank_output.hpp"

#include <boost/test/unit_test.hpp>

#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "launch_backends/file_watch.hpp"
#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {
namespace {

using Lines = std::vector<std::string>;

// What is made of text that comes in pieces of so many bytes.
Lines cut(const std::string& text, std::size_t piece, std::size_t longest = 4096) {
  Lines lines;
  LineCutter cutter(longest);
  const auto keep = [&lines](std::string_view line) { lines.emplace_back(line); };
  for (std::size_t at = 0; at < text.size(); at += piece) cutter.feed(std::string_view(text).substr(at, piece), keep);
  cutter.finish(keep);
  return lines;
}

struct Cut {
  std::string text;
  Lines lines;
};

BOOST_AUTO_TEST_CASE(output_is_cut_into_lines_that_show_their_last_state) {
  const Cut cases[] = {
      {"", {}},
      {"a\nb\n", {"a", "b"}},
      {"a\n\nb", {"a", "", "b"}},
      {"dos\r\nlines\r\n", {"dos", "lines"}},
      {"\r10%\r20%\r30%\nnext\n", {"30%", "next"}},
      {"10%\r20%\r", {"20%"}},
      {"done\r\r\n", {"done"}},
      {"old\r\n\rnew\n", {"old", "new"}},
      {"\r\n", {""}},
      {"\r", {}},
  };
  for (const Cut& c : cases)
    for (const std::size_t piece : {1, 2, 3, 100}) BOOST_TEST(cut(c.text, piece) == c.lines, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(of_a_long_line_the_beginning_is_shown) {
  const Cut cases[] = {
      {"12345678\n", {"12345678"}},
      {"123456789\nnext\n", {"12345678 [1 byte more in the log file]", "next"}},
      {"123456789", {"12345678 [1 byte more in the log file]"}},
      {"a long state\rshort\n", {"short"}},
      {"a long state\r", {"a long s [4 bytes more in the log file]"}},
      // No character is cut in two, nor what may be one.
      {"1234567\u00e9\n", {"1234567 [2 bytes more in the log file]"}},
      {"123456\u00e9\n", {"123456\u00e9"}},
      {"123456\u00e99\n", {"123456\u00e9 [1 byte more in the log file]"}},
      {"12345\U0001f680\n", {"12345 [4 bytes more in the log file]"}},
      {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\n", {"\x80\x80\x80\x80 [5 bytes more in the log file]"}},
  };
  for (const Cut& c : cases)
    for (const std::size_t piece : {1, 5, 100}) BOOST_TEST(cut(c.text, piece, 8) == c.lines, boost::test_tools::per_element());
}

// A log that is written to and followed.
struct Followed {
  const std::string folder = temporary_folder();
  const std::string path = folder + "/rank-0.log";
  LogTail tail{path};
  ~Followed() { std::filesystem::remove_all(folder); }
  void write(const std::string& text) const { std::ofstream(path, std::ios::app | std::ios::binary) << text; }
};

BOOST_AUTO_TEST_CASE(an_unfinished_line_is_told_as_it_changes) {
  Followed log;
  log.write("\r 1%\r 2%");
  LogTail::Lines lines = log.tail.read(1 << 16, false);
  BOOST_TEST(lines.lines.empty());
  BOOST_TEST_REQUIRE(lines.unfinished.has_value());
  BOOST_TEST(lines.unfinished->text == " 2%");
  BOOST_TEST(lines.unfinished->redraws);
  // A thousand redrawings in a moment are not a thousand messages.
  std::size_t told = 0;
  for (int i = 0; i < 1000; ++i) {
    log.write("\r" + std::to_string(i));
    told += log.tail.read(1 << 16, false).unfinished.has_value();
  }
  BOOST_TEST(told < 20u);
  log.write("\rall\nmore");
  lines = log.tail.read(1 << 16, false);
  BOOST_TEST(lines.lines == Lines{"all"}, boost::test_tools::per_element());
  BOOST_TEST(wait_until([&] {
    lines = log.tail.read(1 << 16, false);
    return lines.unfinished.has_value();
  }));
  BOOST_TEST(lines.unfinished->text == "more");
  BOOST_TEST(!lines.unfinished->redraws);
  usleep(300'000);
  BOOST_TEST(!log.tail.read(1 << 16, false).unfinished.has_value());
  BOOST_TEST(log.tail.read(1 << 16, true).lines == Lines{"more"}, boost::test_tools::per_element());
}

// Every line is shown or counted, and none is shown that has lost its beginning.
BOOST_AUTO_TEST_CASE(what_lies_too_far_back_is_passed_over_and_counted) {
  for (const std::string& before : {std::string(), std::string("begun ")}) {
    Followed log;
    log.write(before);
    std::int64_t shown = 0, dropped = 0, wrong = 0, long_ones = 0;
    const auto look = [&](bool last) {
      const LogTail::Lines lines = log.tail.read(1 << 16, last);
      dropped += lines.dropped;
      for (const std::string& line : lines.lines) {
        ++shown;
        long_ones += line.starts_with("xxx") && line.ends_with(" bytes more in the log file]");
        wrong += !line.starts_with("line ") && !line.starts_with("begun line 0") && !line.starts_with("xxx");
      }
    };
    look(false);
    std::int64_t written = 0;
    for (int round = 0; round < 3; ++round) {
      std::string text;
      for (; text.size() < 2'000'000; ++written) text += "line " + std::to_string(written) + '\n';
      text += std::string(1'500'000, 'x') + '\n';
      ++written;
      log.write(text);
      look(false);
    }
    while (log.tail.offset() < log.tail.size()) look(true);
    look(true);
    BOOST_TEST(wrong == 0);
    BOOST_TEST(long_ones == 3);
    BOOST_TEST(dropped > written / 2);
    BOOST_TEST(shown + dropped == written);
  }
}

BOOST_AUTO_TEST_CASE(a_very_long_line_is_one_line) {
  Followed log;
  Lines all;
  log.write("head ");
  log.tail.read(1 << 16, false);
  for (int i = 0; i < 20; ++i) {
    log.write(std::string(1 << 20, 'x'));
    for (std::string& line : log.tail.read(1 << 16, false).lines) all.push_back(std::move(line));
  }
  log.write("\nlast\n");
  while (log.tail.offset() < log.tail.size())
    for (std::string& line : log.tail.read(1 << 16, true).lines) all.push_back(std::move(line));
  BOOST_TEST_REQUIRE(all.size() == 2u);
  BOOST_TEST(all[0] == "head " + std::string(4091, 'x') + " [" + std::to_string((20 << 20) - 4091) + " bytes more in the log file]");
  BOOST_TEST(all[1] == "last");
}

BOOST_AUTO_TEST_CASE(a_watch_hears_each_file_again_and_again) {
  const std::string folder = temporary_folder();
  FileWatch watch;
  for (const char* name : {"/a", "/b"}) {
    std::ofstream(folder + name) << "before";
    watch.add(folder + name);
  }
  BOOST_TEST(watch.hears_all());
  const auto hears = [&watch](int milliseconds) {
    pollfd watched{watch.descriptor(), POLLIN, 0};
    return poll(&watched, 1, milliseconds) == 1;
  };
  BOOST_TEST(!hears(0));
  for (int round = 0; round < 3; ++round)
    for (const char* name : {"/a", "/b"}) {
      std::ofstream(folder + name, std::ios::app) << "more";
      BOOST_TEST(hears(1000));
      BOOST_TEST(watch.take());
      while (hears(20)) watch.take();
      BOOST_TEST(!watch.take());
    }
  watch.add(folder + "/none");
  BOOST_TEST(!watch.hears_all());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fabric::test
