#include "schema/units.hpp"

#include <random>

#include <re2/re2.h>
#include <boost/test/unit_test.hpp>

#include "schema/binding.hpp"
#include "schema/job_schema.hpp"
#include "schema/json.hpp"
#include "schema/json_schema.hpp"

using namespace fabric;

namespace {

// A text that pattern may match: random pieces of what quantities are written with.
std::string random_text(std::mt19937& random, const std::vector<std::string>& pieces) {
  std::string text;
  for (std::size_t n = 1 + random() % 6; n > 0; --n) text += pieces[random() % pieces.size()];
  return text;
}

JsonSchema schema_of(const char* reference) {
  Value schema = job_schema();
  schema.erase("allOf");
  schema.set("$ref", reference);
  return JsonSchema(std::move(schema));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(units)

BOOST_AUTO_TEST_CASE(durations) {
  // clang-format off
  const std::pair<const char*, double> good[] = {
      {"90s", 90},       {"10m", 600},      {"36h", 129600},  {"2d", 172800},     {"1h30m", 5400},          {"500ms", 0.5},
      {"1.5h", 5400},    {"45", 45},        {"0", 0},         {"0s", 0},          {"4:00:00", 14400},       {"1-12:00:00", 129600},
      {" 5s ", 5},       {"1m1m", 120},     {"0.25s", 0.25},  {"1d2h3m4s5ms", 93784.005}, {"100:00:01", 360001}, {"007s", 7},
      {"999999999d", 999999999.0 * 86400}};
  // clang-format on
  for (const auto& [text, seconds] : good) {
    const auto d = Duration::parse(text);
    BOOST_REQUIRE_MESSAGE(d, text);
    BOOST_CHECK_EQUAL(d->seconds, seconds);
  }
  const std::string endless(400, '9');
  // clang-format off
  for (const std::string& text : {std::string(), std::string(" "), std::string("s"), std::string("5x"), std::string("-5s"), std::string("+5s"),
                                  std::string("5 s"), std::string("1h30"), std::string("1h 30m"), std::string("4:00"), std::string("4:60:00"),
                                  std::string("4:00:60"), std::string("1-4:00"), std::string("1-"), std::string("-4:00:00"), std::string("1--4:00:00"),
                                  std::string("1-4-4:00:00"), std::string("1:00:00s"), std::string("1:00:00:00"), std::string(":00:00"),
                                  std::string("1e3s"), std::string("5ss"), std::string("soon"), std::string(".5s"), std::string("5.s"),
                                  std::string("1.2.3s"), std::string("5S"), std::string("5 seconds"), std::string("inf"), std::string("nan"),
                                  std::string("1,5s"), std::string("0x5s"), std::string("5s\n"), endless, endless + "s", endless + ":00:00", endless + "-1:00:00",
                                  std::string("99999999999999999d"), std::string("9999999999999999")})
    BOOST_CHECK_MESSAGE(!Duration::parse(text), text << " was taken");
  // clang-format on
  for (const Value& v : {Value(-1), Value(-0.5), Value(1e300), Value(true), Value(), Value(Value::Array{}), Value("later")})
    BOOST_CHECK_THROW(from_value<Duration>(v), BindingError);
  BOOST_CHECK_EQUAL(from_value<Duration>(Value(90)).seconds, 90);
  BOOST_CHECK_EQUAL(from_value<Duration>(Value(0.5)).seconds, 0.5);
}

BOOST_AUTO_TEST_CASE(a_duration_is_read_back_from_its_text) {
  const std::pair<double, const char*> rows[] = {
      {0, "0s"},           {1, "1s"},     {60, "1m"},        {5400, "1h30m"},      {86400, "1d"},
      {90061, "1d1h1m1s"}, {0.5, "0.5s"}, {90.25, "90.25s"}, {1e-7, "0.0000001s"}, {1800, "30m"}};
  for (const auto& [seconds, text] : rows) BOOST_CHECK_EQUAL(Duration{seconds}.str(), text);
  std::mt19937_64 random(4);
  for (int i = 0; i < 2000; ++i) {
    const double seconds = i % 2 ? static_cast<double>(random() % 1000000000000) : static_cast<double>(random() % 1000000) / 997.0;
    const auto back = Duration::parse(Duration{seconds}.str());
    BOOST_REQUIRE(back);
    BOOST_REQUIRE_EQUAL(back->seconds, seconds);
  }
}

BOOST_AUTO_TEST_CASE(intervals) {
  BOOST_CHECK(Interval::parse("500 steps") == (Interval{500, Interval::Unit::steps}));
  BOOST_CHECK(Interval::parse("1 step") == (Interval{1, Interval::Unit::steps}));
  BOOST_CHECK(Interval::parse("1 epoch") == (Interval{1, Interval::Unit::epochs}));
  BOOST_CHECK(Interval::parse(" 3epochs ") == (Interval{3, Interval::Unit::epochs}));
  BOOST_CHECK(Interval::parse("7") == (Interval{7, Interval::Unit::steps}));
  for (const char* text : {"", " ", "0", "0 steps", "-1 steps", "+1 steps", "1 hour", "10m", "steps", "1.5 epochs", "1 Step", "1 steps 2",
                           "1,000 steps", "1e3 steps", "1 stepss", "99999999999999999999 steps", "every step"})
    BOOST_CHECK_MESSAGE(!Interval::parse(text), text << " was taken");
  for (const Value& v : {Value(0), Value(-1), Value(1.5), Value(1e300), Value(true), Value()})
    BOOST_CHECK_THROW(from_value<Interval>(v), BindingError);
  BOOST_CHECK(from_value<Interval>(Value(3.0)) == (Interval{3, Interval::Unit::steps}));
  for (const Interval& i : {Interval{1, Interval::Unit::steps}, Interval{2, Interval::Unit::steps}, Interval{1, Interval::Unit::epochs},
                            Interval{12, Interval::Unit::epochs}})
    BOOST_CHECK(from_value<Interval>(to_value(i)) == i);
  BOOST_CHECK_EQUAL((Interval{1, Interval::Unit::steps}.str()), "1 step");
}

BOOST_AUTO_TEST_CASE(spellings_of_devices) {
  struct Row {
    const char* json;
    bool all;
    std::int64_t count;
    std::vector<std::int64_t> ids;
  };
  // Lightning's device parser, less its tuples; 0 and empty lists, which mean no device there, are refused.
  // clang-format off
  const Row good[] = {{"1", false, 1, {}},          {"3", false, 3, {}},           {"\"3\"", false, 3, {}},      {"-1", true, 0, {}},
                      {"\"-1\"", true, 0, {}},      {"[0]", false, 1, {0}},        {"[1, 3]", false, 2, {1, 3}}, {"\"1, 3\"", false, 2, {1, 3}},
                      {"\"2,\"", false, 1, {2}},    {"\"0,\"", false, 1, {0}},     {"[3, 1]", false, 2, {3, 1}}, {"\" 4 \"", false, 4, {}},
                      {"\"0,2,\"", false, 2, {0, 2}}, {"2.0", false, 2, {}},       {"[1.0]", false, 1, {1}},     {"{\"ids\": [3, 1]}", false, 2, {3, 1}},
                      {"{\"count\": 2}", false, 2, {}}, {"{\"count\": \"all\"}", true, 0, {}}};
  // clang-format on
  for (const Row& row : good) {
    Devices d;
    const auto why = Devices::parse(*read_json(row.json), d);
    BOOST_REQUIRE_MESSAGE(!why, row.json << ": " << why.value_or(""));
    BOOST_CHECK_MESSAGE(d == (Devices{row.all, row.count, row.ids}), row.json);
    BOOST_CHECK(from_value<Devices>(to_value(d)) == d);
    if (!d.all) BOOST_CHECK(from_value<Devices>(*read_json(d.str())) == d);
  }
  // clang-format off
  for (const char* json : {"0", "\"0\"", "[]", "0.1", "-2", "\"-2\"", "-1.5", "1e300", "true", "false", "null", "[-1]", "[null]", "[\"0\"]", "[0, 0]", "[0.5]", "[[0]]",
                           "\"0,0\"", "\"\"", "\" \"", "\",\"", "\",2\"", "\"1,,2\"", "\"GPU\"", "\"cuda:0\"", "\"1-3\"", "\"0 1\"", "\"1.0\"", "\"99999999999999999999\"",
                           "{}", "{\"ids\": []}", "{\"ids\": 2}", "{\"ids\": \"0,1\"}", "{\"ids\": null}", "{\"count\": 0}", "{\"count\": null}"}) {
    // clang-format on
    Devices d;
    const auto why = Devices::parse(*read_json(json), d);
    BOOST_CHECK_MESSAGE(why && !why->empty(), json << " was taken");
    BOOST_CHECK_THROW(from_value<Devices>(*read_json(json)), BindingError);
  }
}

// What the job schema lets through the types take: a user's mistake has its place by then.
BOOST_AUTO_TEST_CASE(the_schema_admits_only_what_can_be_read) {
  const JsonSchema duration = schema_of("#/definitions/duration"), interval = schema_of("#/definitions/interval"),
                   devices = schema_of("#/definitions/job/properties/devices");
  std::mt19937 random(5);
  int durations = 0, intervals = 0, counts = 0;
  for (int i = 0; i < 30000; ++i) {
    const Value d(
        random_text(random, {" ", "1", "59", "60", "999999999", ".5", "ms", "s", "m", "h", "d", "-", ":", ":00", "0", "5m", ":30:00"}));
    if (duration.validate(d).empty() && ++durations) BOOST_REQUIRE_MESSAGE(Duration::parse(d.as_string()), d.as_string());
    const Value t(random_text(random, {" ", "1", "0", "999999", "999999", "step", "s", "epoch", "epochs", "."}));
    if (interval.validate(t).empty() && ++intervals) BOOST_REQUIRE_MESSAGE(Interval::parse(t.as_string()), t.as_string());
    const Value n(random_text(random, {" ", "-1", "0", "2", "13", "99999", ",", ", "}));
    Devices read;
    // That a text names a device twice, no pattern can tell.
    if (devices.validate(n).empty() && ++counts) {
      const auto why = Devices::parse(n, read);
      BOOST_REQUIRE_MESSAGE(!why || why->find("twice") != std::string::npos, n.as_string());
    }
  }
  BOOST_CHECK_GT(std::min({durations, intervals, counts}), 500);
  for (const Value& v : {Value(0), Value(1e15), Value(0.001)}) {
    BOOST_CHECK(duration.validate(v).empty());
    BOOST_CHECK_NO_THROW(from_value<Duration>(v));
  }
  for (const Value& v : {Value(-1), Value(1.1e15), Value("1e3"), Value(std::string(80, '1'))}) BOOST_CHECK(!duration.validate(v).empty());
  for (const Value& v : {Value(0), Value(1e19), Value(1.5), Value("0 steps")}) BOOST_CHECK(!interval.validate(v).empty());
  for (const Value& v :
       {Value(0), Value(-2), Value(1e19), Value(1.5), Value("0"), Value("99999999999999999999"), Value(Value::Array{1, 1.0})})
    BOOST_CHECK(!devices.validate(v).empty());
}

BOOST_AUTO_TEST_SUITE_END()
