// What a reader should not meet: files too long, blanks that nobody sees, things put off, names that say nothing.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <regex>
#include <set>

#include "tests/layering/source_tree.hpp"

namespace {

namespace fs = std::filesystem;
using fabric::layering::read_lines;

const fs::path root = FABRIC_SOURCE_DIR;

// Files that people write, by their path from the root. Recorded input and output of tests is as it is.
std::vector<std::string> written_files() {
  static const std::set<std::string> folders = {".ci",  "benchmarks",      "cli",     "cmake",  "compiler", "configs",
                                                "docs", "launch_backends", "runtime", "schema", "scripts",  "tests"};
  static const std::set<std::string> recorded = {"golden", "machines", "pictures", "recorded"};
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(root))
    if (entry.is_regular_file()) files.push_back(entry.path().filename().string());
  for (const auto& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (auto at = fs::recursive_directory_iterator(root / folder); at != fs::recursive_directory_iterator(); ++at) {
      const auto name = at->path().filename().string();
      if (at->is_directory() && (recorded.contains(name) || name == "__pycache__")) at.disable_recursion_pending();
      if (at->is_regular_file()) files.push_back(at->path().lexically_relative(root).generic_string());
    }
  }
  return files;
}

bool is_source(const std::string& path) { return path.ends_with(".cpp") || path.ends_with(".hpp"); }

// Images, weights and the like.
bool is_text(const fs::path& file) {
  for (const auto& line : read_lines(file))
    if (line.find('\0') != std::string::npos) return false;
  return true;
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_source_is_too_long) {
  for (const auto& path : written_files())
    if (is_source(path)) BOOST_TEST(read_lines(root / path).size() <= 600u, path << " is asking to be split");
}

BOOST_AUTO_TEST_CASE(nothing_is_put_off) {
  // In two parts each, so that this file does not find itself.
  const std::string words[] = {
      "TO"
      "DO",
      "FIX"
      "ME"};
  for (const auto& path : written_files()) {
    if (!is_text(root / path)) continue;
    for (int number = 1; const auto& line : read_lines(root / path)) {
      for (const auto& word : words)
        if (line.find(word) != std::string::npos) BOOST_ERROR(path << ":" << number << ": do it, or leave it out");
      ++number;
    }
  }
}

BOOST_AUTO_TEST_CASE(no_tabs_and_no_trailing_blanks) {
  for (const auto& path : written_files()) {
    if (!is_text(root / path)) continue;
    for (int number = 1; const auto& line : read_lines(root / path)) {
      if (line.find('\t') != std::string::npos) BOOST_ERROR(path << ":" << number << ": a tab");
      if (line.ends_with(' ') || line.ends_with('\r')) BOOST_ERROR(path << ":" << number << ": a blank at the end");
      ++number;
    }
  }
}

BOOST_AUTO_TEST_CASE(names_say_something) {
  const std::regex empty_word("(^|_)(utils?|commons?|helpers?|managers?|base|impl|misc|stuff)(_|$)");
  const std::regex snake_case("[a-z0-9_]+");
  for (const auto& path : written_files()) {
    if (!is_source(path)) continue;
    const auto name = fs::path(path).stem().string();
    BOOST_TEST(!std::regex_search(name, empty_word), path << " says nothing about what is in it");
    BOOST_TEST((std::regex_match(name, snake_case) || path.starts_with("runtime/gloo_stubs/")), path << " is not snake_case");
  }
}

BOOST_AUTO_TEST_CASE(headers_are_guarded_and_begin_with_a_promise) {
  for (const auto& path : written_files()) {
    if (!path.ends_with(".hpp")) continue;
    const auto lines = read_lines(root / path);
    BOOST_TEST_REQUIRE(!lines.empty(), path);
    BOOST_TEST(lines[0].starts_with("//"), path << " begins without a word on what it is for");
    BOOST_TEST((std::ranges::find(lines, "#pragma once") != lines.end()), path << " has no #pragma once");
  }
}

// scripts/test shows what a test leaves out by the words in front of it, and by no others.
BOOST_AUTO_TEST_CASE(what_a_test_leaves_out_it_says_in_the_one_way) {
  // In two parts, so that this file does not find itself.
  const std::string begin =
      "BOOST_TEST_"
      "MESSAGE(";
  std::size_t said = 0;
  for (const auto& path : written_files()) {
    if (!path.starts_with("tests/") || !is_source(path)) continue;
    const auto lines = read_lines(root / path);
    for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
      const std::size_t at = lines[i].find(begin);
      if (at == std::string::npos) continue;
      const std::string message = lines[i].substr(at + begin.size());
      const bool in_the_one_way = message.starts_with("\"left out: ");
      said += in_the_one_way;
      const bool ends_here = message.starts_with('"') && (lines[i + 1].ends_with(" return;") || lines[i + 1].ends_with(" return true;"));
      if ((ends_here || message.find("skipped") != std::string::npos) && !in_the_one_way)
        BOOST_ERROR(path << ":" << i + 1 << ": what is left out begins with `left out: `");
    }
  }
  BOOST_TEST(said > 0u);
  const auto script = read_lines(root / "scripts/test");
  BOOST_TEST(std::ranges::any_of(script, [](const std::string& line) { return line.find("s/^left out: /") != std::string::npos; }));
}

BOOST_AUTO_TEST_CASE(every_golden_folder_expects_something) {
  std::string silent;
  for (const auto& entry : fs::directory_iterator(root / "tests/golden")) {
    if (!entry.is_directory()) continue;
    bool expects = false;
    for (const auto& file : fs::directory_iterator(entry)) expects = expects || file.path().filename().string().starts_with("expected");
    if (!expects) silent += " " + entry.path().filename().string();
  }
  BOOST_TEST(silent.empty(), "these have no expected output; FABRIC_ACCEPT=1 writes it:" << silent);
}
