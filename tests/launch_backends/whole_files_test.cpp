// Nothing that a rank has written is lost: not among many ranks, and not when what follows its file is killed.
#include <boost/test/unit_test.hpp>

#include <signal.h>

#include <cstdio>
#include <cstring>

#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {
namespace {

constexpr std::int64_t ranks = 64;

// As rank_program writes it.
std::string numbered_line(std::int64_t rank, std::int64_t number) {
  const std::string text = "rank " + std::to_string(rank) + " line " + std::to_string(number);
  std::uint32_t sum = 2166136261;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619;
  char hexadecimal[16];
  std::snprintf(hexadecimal, sizeof hexadecimal, " %08x\n", sum);
  return text + hexadecimal;
}

// How many whole lines the file of a rank has; all of it is as it was written.
std::int64_t check_file(const RunUnderTest& run, std::int64_t rank) {
  const std::string text = read_file(run.directory() + "/nodes/0/rank-" + std::to_string(rank) + ".log");
  std::int64_t lines = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::string expected = numbered_line(rank, lines);
    const std::string found = text.substr(at, expected.size());
    if (found != expected) {
      // The last write may have been cut short by the kill.
      const bool is_cut = at + found.size() == text.size() && expected.starts_with(found);
      BOOST_TEST(is_cut, "rank " << rank << " has " << found << " and not " << expected);
      return lines;
    }
    at += expected.size();
    ++lines;
  }
  return lines;
}

// The last line that the rank says it has written.
std::int64_t written_by(const RunUnderTest& run, std::int64_t rank) {
  const std::string counter = read_file(run.directory() + "/wrote-" + std::to_string(rank));
  std::int64_t count = 0;
  if (counter.size() == sizeof count) std::memcpy(&count, counter.data(), sizeof count);
  return count;
}

BOOST_AUTO_TEST_CASE(the_files_of_many_ranks_are_whole) {
  RunUnderTest run(std::vector<std::string>(ranks, "numbered:500"));
  const FinishedRun finished = run.run();
  BOOST_TEST_REQUIRE(finished.outcome.has_value());
  BOOST_TEST(finished.outcome->verdict == "finished", finished.outcome->message);
  for (std::int64_t rank = 0; rank < ranks; ++rank) BOOST_TEST(check_file(run, rank) == 500);
}

BOOST_AUTO_TEST_CASE(they_are_whole_to_the_last_line_that_was_written_when_the_agent_is_killed) {
  RunUnderTest run(std::vector<std::string>(ranks, "ready,numbered:500000"));
  run.start();
  run.await_ready();
  BOOST_TEST(wait_until([&] {
    std::int64_t all = 0;
    for (std::int64_t rank = 0; rank < ranks; ++rank) all += written_by(run, rank);
    return all > ranks * 250;
  }));
  kill(run.agent(), SIGKILL);
  const FinishedRun finished = run.finish();
  BOOST_TEST_REQUIRE(finished.outcome.has_value());
  BOOST_TEST(finished.outcome->verdict == "lost");
  BOOST_TEST(run.left().empty());
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const std::int64_t lines = check_file(run, rank), written = written_by(run, rank);
    // A rank may be killed between its write and its word.
    BOOST_TEST((lines == written || lines == written + 1), "rank " << rank << " has " << lines << " lines and wrote " << written);
    BOOST_TEST(lines < 500000);
  }
}

}  // namespace
}  // namespace fabric::test
