// What a rank is told, and what it refuses to believe.
#include <map>

#include <boost/test/unit_test.hpp>

#include "runtime/failure.hpp"
#include "runtime/rank_environment.hpp"
#include "tests/runtime/temporary_folder.hpp"

using namespace fabric;

namespace {

std::map<std::string, std::string> second_of_two() {
  return {{"RANK", "1"},
          {"LOCAL_RANK", "1"},
          {"WORLD_SIZE", "2"},
          {"MASTER_ADDR", "127.0.0.1"},
          {"MASTER_PORT", "4711"},
          {"FABRIC_PLAN", "/run/plan.json"},
          {"FABRIC_RUN_DIR", "/run"}};
}

RankEnvironment read(const std::map<std::string, std::string>& variables) {
  return read_rank_environment([&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

std::string complaint(std::map<std::string, std::string> variables) {
  try {
    read(variables);
  } catch (const Failure& failure) {
    BOOST_CHECK(failure.failure_class == FailureClass::usage);
    const std::string text = failure.what();
    return text.substr(0, text.find(';'));
  }
  return "";
}

std::string plan_complaint(const std::string& text) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "plan.json", text);
  try {
    load_plan(folder / "plan.json");
  } catch (const Failure& failure) {
    BOOST_CHECK(failure.failure_class == FailureClass::plan);
    return std::string(failure.what()).substr((folder / "plan.json: ").size());
  }
  return "";
}

Plan small_plan() {
  Plan plan;
  plan.name = "small";
  plan.job.devices.count = 1;
  return plan;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rank_environment)

BOOST_AUTO_TEST_CASE(a_rank_of_two) {
  auto variables = second_of_two();
  variables["FABRIC_RESUME_FROM"] = "";
  variables["FABRIC_STORE_FD"] = "7";
  const RankEnvironment place = read(variables);
  BOOST_CHECK_EQUAL(place.rank, 1);
  BOOST_CHECK_EQUAL(place.world_size, 2);
  BOOST_CHECK_EQUAL(place.main_port, 4711);
  BOOST_CHECK(!place.resume_from);
  BOOST_CHECK(!place.store_fd);  // rank 0's alone
  variables["RANK"] = variables["LOCAL_RANK"] = "0";
  BOOST_CHECK(read(variables).store_fd == 7);
}

BOOST_AUTO_TEST_CASE(a_rank_alone_needs_no_meeting_point) {
  auto variables = second_of_two();
  variables["RANK"] = variables["LOCAL_RANK"] = "0";
  variables["WORLD_SIZE"] = "1";
  variables.erase("MASTER_ADDR");
  variables.erase("MASTER_PORT");
  BOOST_CHECK_EQUAL(read(variables).world_size, 1);
}

BOOST_AUTO_TEST_CASE(each_missing_variable_is_named) {
  for (const auto& [name, value] : second_of_two()) {
    auto variables = second_of_two();
    variables.erase(name);
    BOOST_CHECK_EQUAL(complaint(variables), name + " is not set");
    variables[name] = "";
    BOOST_CHECK_EQUAL(complaint(variables), name + " is not set");
  }
}

BOOST_AUTO_TEST_CASE(numbers_that_are_none_or_out_of_range) {
  const std::pair<const char*, const char*> wrong[] = {{"RANK", "2"},
                                                       {"RANK", "-1"},
                                                       {"RANK", "1x"},
                                                       {"RANK", " 1"},
                                                       {"WORLD_SIZE", "0"},
                                                       {"WORLD_SIZE", "two"},
                                                       {"LOCAL_RANK", "2"},
                                                       {"MASTER_PORT", "0"},
                                                       {"MASTER_PORT", "65536"},
                                                       {"FABRIC_ATTEMPT", "first"},
                                                       {"WORLD_SIZE", "99999999999999999999"}};
  for (const auto& [name, value] : wrong) {
    auto variables = second_of_two();
    variables[name] = value;
    BOOST_CHECK_MESSAGE(complaint(variables).starts_with(std::string(name) + " is '" + value + "', not an integer from "),
                        name << "=" << value);
  }
}

BOOST_AUTO_TEST_CASE(a_saved_plan_is_read) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "plan.json", save_plan(small_plan()));
  BOOST_CHECK(load_plan(folder / "plan.json") == small_plan());
}

BOOST_AUTO_TEST_CASE(an_edited_plan_is_refused) {
  std::string text = save_plan(small_plan());
  text.replace(text.find("small"), 5, "smell");
  BOOST_CHECK_EQUAL(plan_complaint(text), "the plan was edited: its content does not have the id that it states; plan again");
}

BOOST_AUTO_TEST_CASE(what_is_no_plan) {
  BOOST_CHECK(plan_complaint("").starts_with("not a plan: "));
  BOOST_CHECK(plan_complaint("{\"plan\": {").starts_with("not a plan: "));
  BOOST_CHECK_EQUAL(plan_complaint("[]"), "not a saved plan: it needs plan_id and plan");
  BOOST_CHECK_EQUAL(plan_complaint("{\"plan_id\": 1, \"plan\": {}}"), "not a saved plan: it needs plan_id and plan");
  BOOST_CHECK(plan_complaint("{\"plan_id\": \"x\", \"plan\": {\"plan_version\": \"one\"}}")
                  .starts_with("not a plan that this version runs: plan_version"));
  BOOST_CHECK_THROW(load_plan("/nonexistent/plan.json"), Failure);
}

BOOST_AUTO_TEST_SUITE_END()
