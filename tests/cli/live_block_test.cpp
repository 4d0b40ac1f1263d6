// What is drawn over at the bottom of a terminal, and what is printed of it elsewhere.
#include "cli/live_block.hpp"

#include <boost/test/unit_test.hpp>

#include "cli/unfinished_lines.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

// As much of a terminal as the block uses: rows of text, a cursor, and the sequences that move it and clear.
struct Screen {
  Lines rows = {""};
  std::size_t row = 0, column = 0;
  void show(const std::string& text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '\r') {
        column = 0;
      } else if (text[at] == '\n') {
        if (++row == rows.size()) rows.emplace_back();
      } else if (text[at] == '\x1b') {
        const std::size_t letter = text.find_first_not_of("[0123456789", at + 1);
        if (text[letter] == 'K') rows[row].resize(column);
        if (text[letter] == 'A') row -= std::stoul(text.substr(at + 2));
        if (text[letter] == 'J') {
          rows.resize(row + 1);
          rows[row].resize(column);
        }
        at = letter;
      } else {
        rows[row].resize(std::max(rows[row].size(), column + 1), ' ');
        rows[row][column++] = text[at];
      }
    }
  }
};

BOOST_AUTO_TEST_SUITE(live_block)

BOOST_AUTO_TEST_CASE(a_block_is_drawn_over_and_taken_away) {
  Screen screen;
  LiveBlock block;
  const auto draw = [&](const Lines& lines) {
    screen.show(block.drawing(lines));
    block.stands(lines.size());
  };
  screen.show("before\r\n");
  BOOST_TEST(!block.shown());
  const Lines drawings[] = {{"one"}, {"one and more", "two"}, {"1", "2", "3"}, {"long again"}, {"a", "b"}};
  for (const Lines& lines : drawings) {
    draw(lines);
    Lines expected = {"before"};
    expected.insert(expected.end(), lines.begin(), lines.end());
    BOOST_TEST(screen.rows == expected, boost::test_tools::per_element());
  }
  screen.show(block.erasing());
  block.stands(0);
  screen.show("after\r\n");
  draw({"x"});
  BOOST_TEST(screen.rows == (Lines{"before", "after", "x"}), boost::test_tools::per_element());
  screen.show(block.erasing());
  BOOST_TEST(screen.rows == (Lines{"before", "after", ""}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_state_is_printed_now_and_then_while_its_line_is_redrawn) {
  UnfinishedLines lines;
  const UnfinishedLines::Clock::time_point begin{1000s};
  std::size_t printed = 0;
  for (int i = 0; i <= 250; ++i) printed += lines.set(0, 0, std::to_string(i), true, begin + i * 100ms);
  BOOST_TEST(printed == 2u);
  // A new line begins anew.
  lines.end(0);
  BOOST_TEST(!lines.set(0, 0, "1", true, begin + 60s));
  BOOST_TEST(!lines.set(0, 0, "2", true, begin + 69s));
  BOOST_TEST(lines.set(0, 0, "3", true, begin + 70s));
  // Half a line has its other half to come.
  BOOST_TEST(!lines.set(0, 1, "half", false, begin));
  BOOST_TEST(!lines.set(0, 1, "half a", false, begin + 60s));
}

BOOST_AUTO_TEST_CASE(the_line_of_the_lowest_rank_that_moves_is_drawn) {
  UnfinishedLines lines;
  const UnfinishedLines::Clock::time_point begin{1000s};
  BOOST_TEST(lines.drawn(begin) == nullptr);
  lines.set(0, 3, "c", true, begin);
  lines.set(0, 1, "a", true, begin);
  BOOST_TEST(lines.drawn(begin)->second.text == "a");
  lines.set(0, 3, "d", true, begin + 8s);
  BOOST_TEST(lines.drawn(begin + 8s)->second.text == "a");
  BOOST_TEST(lines.drawn(begin + 11s)->second.text == "d");
  lines.end(3);
  BOOST_TEST(lines.drawn(begin + 11s) == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
