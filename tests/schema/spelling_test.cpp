#include "schema/spelling.hpp"

#include <boost/test/unit_test.hpp>

using namespace fabric;

BOOST_AUTO_TEST_SUITE(spelling)

BOOST_AUTO_TEST_CASE(distance_counts_edits_and_swaps) {
  const std::tuple<const char*, const char*, std::size_t> rows[] = {
      {"", "", 0},         {"abc", "abc", 0},        {"abc", "ABC", 0},        {"", "abc", 3},  {"precison", "precision", 1},
      {"sede", "seed", 1}, {"devices", "device", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"epcohs", "epochs", 1},
  };
  for (const auto& [a, b, distance] : rows) {
    BOOST_CHECK_EQUAL(spelling_distance(a, b), distance);
    BOOST_CHECK_EQUAL(spelling_distance(b, a), distance);
  }
}

BOOST_AUTO_TEST_CASE(closest_suggests_what_is_near_and_nothing_else) {
  const std::vector<std::string> words{"devices", "strategy", "precision", "seed", "env"};
  BOOST_CHECK_EQUAL(closest("devces", words).value_or(""), "devices");
  BOOST_CHECK_EQUAL(closest("stratgey", words).value_or(""), "strategy");
  BOOST_CHECK_EQUAL(closest("sed", words).value_or(""), "seed");
  BOOST_CHECK(!closest("gpu", words));
  BOOST_CHECK(!closest("learning_rate", words));
  BOOST_CHECK(!closest("x", words));
  BOOST_CHECK(!closest(std::string(10000, 'a'), words));
}

BOOST_AUTO_TEST_SUITE_END()
