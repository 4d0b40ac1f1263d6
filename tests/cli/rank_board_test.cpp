#include "cli/rank_board.hpp"

#include <boost/test/unit_test.hpp>

namespace fabric {
namespace {

using namespace std::chrono_literals;

const RankBoard::Telling everything{.between = " | "};
const RankBoard::Clock::time_point begin{1000s};

RankBoard board_of(std::int64_t ranks) {
  RankBoard board;
  for (std::int64_t rank = 0; rank < ranks; ++rank) board.started(rank, begin);
  return board;
}

BOOST_AUTO_TEST_SUITE(rank_board)

BOOST_AUTO_TEST_CASE(nothing_is_said_while_nobody_lives) {
  RankBoard board;
  BOOST_TEST(board.line(everything, begin) == "");
  board.heard(0, begin);
  board.stepped(0, 3);
  board.ended(0);
  BOOST_TEST(board.line(everything, begin) == "");
  board = board_of(2);
  board.ended(0);
  board.ended(1);
  BOOST_TEST(board.line(everything, begin) == "");
}

BOOST_AUTO_TEST_CASE(who_lives_and_who_has_ended) {
  RankBoard board = board_of(1);
  BOOST_TEST(board.line(everything, begin) == "1 rank lives");
  board = board_of(64);
  BOOST_TEST(board.line(everything, begin) == "64 of 64 ranks live");
  board.ended(3);
  for (std::int64_t rank = 8; rank < 16; ++rank) board.ended(rank);
  BOOST_TEST(board.line(everything, begin) == "55 of 64 ranks live (ended: 3,8-15)");
  // Too many to be named in one line.
  for (std::int64_t rank = 16; rank < 64; rank += 3) board.ended(rank);
  BOOST_TEST(board.line(everything, begin) == "39 of 64 ranks live");
  board.clear();
  BOOST_TEST(board.line(everything, begin) == "");
}

BOOST_AUTO_TEST_CASE(the_step_of_those_that_tell_it) {
  RankBoard board = board_of(3);
  board.stepped(0, 1200);
  BOOST_TEST(board.line(everything, begin) == "3 of 3 ranks live | step 1,200");
  board.stepped(1, 1198);
  BOOST_TEST(board.line(everything, begin) == "3 of 3 ranks live | step 1,198 to 1,200");
  BOOST_TEST(board.line({.steps = false, .between = " | "}, begin) == "3 of 3 ranks live");
  // Where one that has ended stood does not matter.
  board.ended(1);
  BOOST_TEST(board.line(everything, begin) == "2 of 3 ranks live (ended: 1) | step 1,200");
}

BOOST_AUTO_TEST_CASE(who_is_silent_and_for_how_long) {
  RankBoard board = board_of(4);
  BOOST_TEST(board.line(everything, begin + 4s) == "4 of 4 ranks live");
  for (std::int64_t rank : {0, 2, 3}) board.heard(rank, begin + 38s);
  BOOST_TEST(board.line(everything, begin + 40s) == "4 of 4 ranks live | rank 1 silent for 40 s");
  board.heard(2, begin + 70s);
  BOOST_TEST(board.line(everything, begin + 72s) == "4 of 4 ranks live | 3 silent, rank 1 for 1 min 12 s");
  BOOST_TEST(board.line({.one_by_one = false, .between = " | "}, begin + 72s) == "4 of 4 ranks live");
  // Since the last of them said a word.
  BOOST_TEST(board.line(everything, begin + 80s) == "4 of 4 ranks live | all silent for 10 s");
  BOOST_TEST(board.line({.one_by_one = false, .between = " | "}, begin + 80s) == "4 of 4 ranks live | all silent for 10 s");
  for (std::int64_t rank : {1, 2, 3}) board.ended(rank);
  BOOST_TEST(board.line(everything, begin + 80s) == "1 of 4 ranks live (ended: 1-3) | silent for 42 s");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
