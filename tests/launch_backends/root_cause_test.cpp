#include "launch_backends/root_cause.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

namespace fabric::test {

RankEnd code(std::int64_t rank, double time, int number, const std::string& error_class = "") {
  RankEnd end;
  end.rank = rank;
  end.time = time;
  end.status = {false, number};
  end.error_class = error_class;
  return end;
}

RankEnd killed(std::int64_t rank, double time, int signal) {
  RankEnd end = code(rank, time, signal);
  end.status.by_signal = true;
  return end;
}

RankEnd by_us(RankEnd end) {
  end.by_us = true;
  return end;
}

RankEnd of_memory(RankEnd end) {
  end.out_of_memory = true;
  return end;
}

RankEnd unsure(RankEnd end, double seconds) {
  end.uncertainty = seconds;
  return end;
}

struct Case {
  const char* name;
  std::vector<RankEnd> ends;
  std::optional<std::int64_t> culprit;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

const Case cases[] = {
    {"nobody", {}, std::nullopt},
    {"all good", {code(0, 1, 0), code(1, 2, 0)}, std::nullopt},
    {"one", {code(0, 1, 0), code(1, 2, 3)}, 1},
    {"the first of two", {code(0, 2, 4), code(1, 1, 3)}, 1},
    {"the first, whatever the order of arrival", {code(1, 1, 3), code(0, 2, 4)}, 1},
    {"an exception first, a signal long after", {code(0, 1, 1), killed(1, 1.2, 6)}, 0},
    {"an exception and a signal at once", {code(0, 1, 1), killed(1, 1.01, 11)}, 1},
    {"an own code before an exception at once", {code(0, 1, 1), code(1, 1.005, 3)}, 1},
    {"a stated class is an exception", {code(0, 1, 7, "data"), killed(1, 1.01, 11)}, 1},
    {"a stated class alone", {code(0, 1, 7, "data"), by_us(killed(1, 2, 15))}, 0},
    {"communication, then its cause", {code(0, 1, 1, "communication"), killed(1, 1.9, 9)}, 1},
    {"communication of many, then its cause",
     {code(0, 1, 1, "communication"), code(2, 1.1, 1, "communication"), code(3, 1.2, 1, "communication"), killed(1, 1.5, 9)},
     1},
    {"communication, a late cause is none", {code(0, 1, 1, "communication"), killed(1, 3.5, 9)}, 0},
    {"communication only", {code(0, 1, 1, "communication"), by_us(killed(1, 1.2, 15))}, 0},
    {"communication, two causes: the earlier", {code(0, 1, 1, "communication"), code(1, 1.8, 3), code(2, 1.5, 4)}, 2},
    {"victims of ours are never it", {by_us(killed(0, 1.0, 15)), code(1, 1.01, 3)}, 1},
    {"victims of ours are never it, with codes", {by_us(code(0, 1.0, 1)), code(1, 1.015, 1, "data")}, 1},
    {"out of memory", {code(0, 1, 1), of_memory(killed(1, 1.01, 9))}, 1},
    {"clocks that differ: the kind decides", {unsure(code(0, 1, 1), 0.5), unsure(killed(1, 1.8, 9), 0.5)}, 1},
    {"clocks that differ too little for that", {unsure(code(0, 1, 1), 0.1), unsure(killed(1, 1.8, 9), 0.1)}, 0},
    {"alike in all: the lower rank", {code(3, 1, 3), code(2, 1, 3)}, 2},
};

BOOST_DATA_TEST_CASE(the_culprit_is_found, cases, c) {
  const std::optional<RootCause> cause = root_cause(c.ends);
  BOOST_REQUIRE(cause.has_value() == c.culprit.has_value());
  if (cause) BOOST_TEST(cause->end.rank == *c.culprit);
}

BOOST_AUTO_TEST_CASE(the_rule_is_told_where_it_was_not_plainly_the_first) {
  BOOST_TEST(root_cause({code(0, 1, 3), code(1, 2, 3)})->rule == "");
  BOOST_TEST(root_cause({code(0, 1, 1), killed(1, 1.01, 11)})->rule != "");
  BOOST_TEST(root_cause({code(0, 1, 1, "communication"), killed(1, 1.9, 9)})->rule != "");
}

BOOST_AUTO_TEST_CASE(ends_in_words) {
  BOOST_TEST(describe(code(1, 0, 3)) == "rank 1 exited with code 3");
  BOOST_TEST(describe(killed(0, 0, 9)) == "rank 0 was killed by signal 9 (KILL)");
  BOOST_TEST(describe(of_memory(killed(0, 0, 9))) == "rank 0 was killed by signal 9 (KILL), out of memory");
  RankEnd dumped = killed(0, 0, 11);
  dumped.core = "core in /x/core.7";
  BOOST_TEST(describe(dumped) == "rank 0 was killed by signal 11 (SEGV), core in /x/core.7");
  RankEnd end = code(2, 0, 1, "data");
  end.error_message = "no such file";
  BOOST_TEST(describe(end) == "rank 2 exited with code 1: no such file");
}

}  // namespace fabric::test
