#include "cli/plan_diff.hpp"

#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"

namespace fabric {
namespace {

std::vector<std::string> diff(std::string_view saved, std::string_view now) {
  const std::optional<Value> a = read_json(saved);
  const std::optional<Value> b = read_json(now);
  BOOST_REQUIRE(a);
  BOOST_REQUIRE(b);
  std::vector<std::string> lines;
  for (const Difference& d : differences(*a, *b)) lines.push_back(d.str());
  return lines;
}

void check(std::string_view saved, std::string_view now, const std::vector<std::string>& expected) {
  const std::vector<std::string> found = diff(saved, now);
  BOOST_TEST(found == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(equal_plans_differ_in_nothing) {
  check("{}", "{}", {});
  check(R"({"a":1,"b":[1,2]})", R"({"b":[1,2],"a":1})", {});
}

BOOST_AUTO_TEST_CASE(a_changed_value_is_named_by_its_path) {
  check(R"({"job":{"devices":2,"seed":1}})", R"({"job":{"devices":4,"seed":1}})", {"job.devices: 2 -> 4"});
  check(R"({"a":1})", R"({"a":"1"})", {"a: 1 -> \"1\""});
  check(R"({"a":1})", R"({"a":1.0})", {"a: 1 -> 1"});
  check(R"({"a":{"b":1}})", R"({"a":[1]})", {R"(a: {"b":1} -> [1])"});
}

BOOST_AUTO_TEST_CASE(what_one_side_lacks_is_absent) {
  check(R"({"a":1})", R"({"b":2})", {"b: (absent) -> 2", "a: 1 -> (absent)"});
  check(R"({"a":null})", R"({})", {"a: null -> (absent)"});
  check(R"([1,2])", R"([1])", {"[1]: 2 -> (absent)"});
}

BOOST_AUTO_TEST_CASE(elements_with_a_name_are_compared_by_it) {
  check(R"({"decisions":[{"field":"devices","value":1},{"field":"threads","value":2}]})",
        R"({"decisions":[{"field":"num_nodes","value":1},{"field":"devices","value":3},{"field":"threads","value":2}]})",
        {R"(decisions[num_nodes]: (absent) -> {"field":"num_nodes","value":1})", "decisions[devices].value: 1 -> 3"});
}

BOOST_AUTO_TEST_CASE(names_that_are_not_unique_do_not_count) {
  check(R"([{"name":"a","v":1},{"name":"a","v":2}])", R"([{"name":"a","v":1},{"name":"a","v":3}])", {"[1].v: 2 -> 3"});
}

BOOST_AUTO_TEST_CASE(another_order_is_a_difference) {
  check(R"({"x":[{"name":"a"},{"name":"b"}]})", R"({"x":[{"name":"b"},{"name":"a"}]})",
        {R"(x: [{"name":"a"},{"name":"b"}] -> [{"name":"b"},{"name":"a"}])"});
  check(R"({"s":1,"x":[{"name":"a"},{"name":"b"}]})", R"({"s":2,"x":[{"name":"b"},{"name":"a"}]})",
        {"s: 1 -> 2", R"(x: [{"name":"a"},{"name":"b"}] -> [{"name":"b"},{"name":"a"}])"});
}

BOOST_AUTO_TEST_CASE(long_values_are_cut) {
  const std::string longer(500, 'x');
  const std::vector<std::string> lines = diff("{\"a\":1}", "{\"a\":\"" + longer + "\"}");
  BOOST_REQUIRE(lines.size() == 1u);
  BOOST_TEST(lines[0].size() < 100u);
}

}  // namespace
}  // namespace fabric
