#include "schema/value.hpp"

#include <limits>

#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"

using namespace fabric;

BOOST_AUTO_TEST_SUITE(value)

BOOST_AUTO_TEST_CASE(equality_is_of_data) {
  const auto equal = [](const char* a, const char* b) { return *read_json(a) == *read_json(b); };
  BOOST_CHECK(equal(R"({"a": 1, "b": [1, {"c": null}]})", R"({"b": [1, {"c": null}], "a": 1})"));
  BOOST_CHECK(!equal(R"({"a": 1})", R"({"a": 1, "b": 2})"));
  BOOST_CHECK(!equal(R"({"a": 1, "b": 2})", R"({"a": 1, "c": 2})"));
  BOOST_CHECK(!equal("1", "1.0"));
  BOOST_CHECK(!equal("1", "true"));
  BOOST_CHECK(!equal("[]", "{}"));
  BOOST_CHECK(!equal("[1, 2]", "[2, 1]"));
  BOOST_CHECK(!equal("null", "false"));
}

BOOST_AUTO_TEST_CASE(members_are_found_set_and_erased) {
  Value v = Value::object();
  v.set("a", 1);
  v.set("b", "x");
  v.set("a", 2);
  BOOST_CHECK_EQUAL(canonical_json(v), R"({"a":2,"b":"x"})");
  BOOST_CHECK(!v.find("c"));
  BOOST_CHECK(!Value(1).find("a"));
  BOOST_CHECK(!Value(Value::Array{1}).find("0"));
  BOOST_CHECK(v.erase("a"));
  BOOST_CHECK(!v.erase("a"));
  BOOST_CHECK(!Value("a").erase("a"));
  BOOST_CHECK_EQUAL(canonical_json(v), R"({"b":"x"})");
}

BOOST_AUTO_TEST_CASE(literals_become_the_kind_that_they_look_like) {
  BOOST_CHECK(Value("text").is_string());
  BOOST_CHECK(Value(true).is_bool());
  BOOST_CHECK(Value(7).is_integer());
  BOOST_CHECK(Value(7.0).is_real());
  BOOST_CHECK(Value().is_null());
  BOOST_CHECK_EQUAL(Value(7).as_real(), 7.0);
}

BOOST_AUTO_TEST_CASE(a_whole_number_may_be_written_as_a_real) {
  BOOST_CHECK(Value(7).whole() == 7);
  BOOST_CHECK(Value(7.0).whole() == 7);
  BOOST_CHECK(Value(-0.0).whole() == 0);
  BOOST_CHECK(Value(-9223372036854775808.0).whole() == std::numeric_limits<std::int64_t>::min());
  for (const Value& v : {Value(7.5), Value(9223372036854775808.0), Value(-1e19), Value(1e300), Value("7"), Value(true), Value()})
    BOOST_CHECK(!v.whole());
}

BOOST_AUTO_TEST_SUITE_END()
