#include "schema/units.hpp"

#include <boost/test/unit_test.hpp>

#include "schema/binding.hpp"
#include "schema/json.hpp"

using namespace fabric;

BOOST_AUTO_TEST_SUITE(units)

BOOST_AUTO_TEST_CASE(durations) {
  const std::pair<const char*, double> good[] = {{"90s", 90},       {"10m", 600},      {"36h", 129600},    {"2d", 172800},  {"1h30m", 5400},
                                                 {"500ms", 0.5},    {"1.5h", 5400},    {"45", 45},         {"4:00:00", 14400},
                                                 {"1-12:00:00", 129600}, {" 5s ", 5}};
  for (const auto& [text, seconds] : good) {
    const auto d = Duration::parse(text);
    BOOST_REQUIRE_MESSAGE(d, text);
    BOOST_CHECK_EQUAL(d->seconds, seconds);
  }
  for (const char* text : {"", "s", "5x", "-5s", "5 s", "1h30", "4:00", "4:60:00", "1-4:00", "1-", "1:00:00s", "1e3s", "5ss", "soon"})
    BOOST_CHECK_MESSAGE(!Duration::parse(text), text);
  BOOST_CHECK_EQUAL(Duration{5400}.str(), "1h30m");
  BOOST_CHECK_EQUAL(Duration{0.5}.str(), "0.5s");
}

BOOST_AUTO_TEST_CASE(intervals) {
  BOOST_CHECK(Interval::parse("500 steps") == (Interval{500, Interval::Unit::steps}));
  BOOST_CHECK(Interval::parse("1 epoch") == (Interval{1, Interval::Unit::epochs}));
  BOOST_CHECK(Interval::parse("7") == (Interval{7, Interval::Unit::steps}));
  for (const char* text : {"", "0", "0 steps", "-1 steps", "1 hour", "steps", "1.5 epochs", "99999999999999999999 steps"})
    BOOST_CHECK_MESSAGE(!Interval::parse(text), text);
}

BOOST_AUTO_TEST_CASE(spellings_of_devices) {
  struct Row {
    const char* json;
    bool all;
    std::int64_t count;
    std::vector<std::int64_t> ids;
  };
  const Row good[] = {{"1", false, 1, {}},          {"3", false, 3, {}},           {"\"3\"", false, 3, {}},      {"-1", true, 0, {}},
                      {"\"-1\"", true, 0, {}},      {"[0]", false, 1, {0}},        {"[1, 3]", false, 2, {1, 3}}, {"\"1, 3\"", false, 2, {1, 3}},
                      {"\"2,\"", false, 1, {2}},    {"{\"ids\": [3, 1]}", false, 2, {3, 1}}, {"{\"count\": 2}", false, 2, {}},
                      {"{\"count\": \"all\"}", true, 0, {}}};
  for (const Row& row : good) {
    Devices d;
    const auto why = Devices::parse(*read_json(row.json), d);
    BOOST_REQUIRE_MESSAGE(!why, row.json << ": " << why.value_or(""));
    BOOST_CHECK(d == (Devices{row.all, row.count, row.ids}));
    BOOST_CHECK(from_value<Devices>(to_value(d)) == d);
  }
  for (const char* json : {"0", "\"0\"", "[]", "0.1", "-2", "false", "[-1]", "[null]", "[\"0\"]", "[0, 0]", "\"\"", "\"GPU\"", "\"1,,2\"", "{}"}) {
    Devices d;
    BOOST_CHECK_MESSAGE(Devices::parse(*read_json(json), d), json << " was taken");
  }
}

BOOST_AUTO_TEST_SUITE_END()
