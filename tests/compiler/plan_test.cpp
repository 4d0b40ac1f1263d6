// A plan is closed, canonical and deterministic.
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <sstream>

#include "schema/json.hpp"
#include "tests/compiler/compile_text.hpp"

using namespace fabric;
using test::codes;
using test::compile_yaml;
using test::machine;

BOOST_AUTO_TEST_SUITE(plan)

BOOST_AUTO_TEST_CASE(equal_input_gives_equal_bytes) {
  const Compilation a = compile_yaml(test::train_job);
  const Compilation b = compile_yaml(test::train_job);
  BOOST_REQUIRE(a.plan && b.plan);
  BOOST_CHECK_EQUAL(save_plan(*a.plan), save_plan(*b.plan));
  BOOST_CHECK_EQUAL(plan_id(*a.plan).size(), 64u);
}

BOOST_AUTO_TEST_CASE(a_plan_survives_its_saved_form) {
  const Compilation c = compile_yaml(test::train_job + "devices: 4\naccelerator: cpu\nenv: {A: \"\\u00e9 $x\"}\n");
  BOOST_REQUIRE_EQUAL(codes(c), "");
  const Value saved = *read_json(save_plan(*c.plan));
  const Plan read = from_value<Plan>(*saved.find("plan"));
  BOOST_CHECK(read == *c.plan);
  BOOST_CHECK_EQUAL(saved.find("plan_id")->as_string(), plan_id(read));
}

BOOST_AUTO_TEST_CASE(facts_that_no_decision_read_do_not_enter) {
  Hardware busy = machine(4);
  busy.groups[0].host.hostname = "other";
  busy.groups[0].host.memory_bytes /= 2;
  busy.groups[0].host.interfaces.push_back({"eth7", "10.1.1.1", false});
  busy.source = "a file";
  BOOST_CHECK_EQUAL(plan_id(*compile_yaml(test::train_job).plan), plan_id(*compile_yaml(test::train_job, {}, busy).plan));
  BOOST_CHECK_NE(plan_id(*compile_yaml(test::train_job).plan), plan_id(*compile_yaml(test::train_job, {}, machine(8)).plan));
}

BOOST_AUTO_TEST_CASE(a_comment_changes_the_input_hash_and_so_the_plan) {
  BOOST_CHECK_NE(plan_id(*compile_yaml(test::train_job).plan), plan_id(*compile_yaml(test::train_job + "# note\n").plan));
}

// docs/decisions/0003-inherited-variables.md
BOOST_AUTO_TEST_CASE(inherited_variables_enter_where_patterns_name_them) {
  const auto plan_with = [](const std::string& inherit, std::vector<std::string> environment) {
    test::Files files;
    files.texts["/job.yaml"] = "fabric: 1\naccelerator: cpu\nprogram: {command: [train], inherit: " + inherit + "}\n";
    Outside outside = files.outside();
    outside.variables = [environment] { return environment; };
    return *compile({.job = "/job.yaml"}, outside, [](const JobSpec&, Diagnostics&) { return machine(2); }).plan;
  };
  const std::vector<std::string> shell = {"HOME=/h", "NCCL_DEBUG=INFO", "PATH=/bin", "RANK=7", "NCCL_A=b=c", "oddity"};
  const Plan named = plan_with("[\"NCCL_*\", PATH, RANK]", shell);
  BOOST_REQUIRE(named.groups[0].rank.inherited);
  BOOST_TEST(named.groups[0].rank.inherited->names == (std::vector<std::string>{"NCCL_A", "NCCL_DEBUG", "PATH"}),
             boost::test_tools::per_element());
  // printf 'NCCL_A=b=c\0NCCL_DEBUG=INFO\0PATH=/bin\0' | sha256sum
  BOOST_TEST(named.groups[0].rank.inherited->sha256 == "c49e380de0dc97347691b6b945a46402e0a3804066320dd9cc56f2e1b2f1ca2e");
  std::vector<std::string> other = shell;
  other[0] = "HOME=/elsewhere";
  BOOST_TEST(plan_id(plan_with("[\"NCCL_*\", PATH, RANK]", other)) == plan_id(named));
  BOOST_TEST(plan_id(plan_with("all", other)) == plan_id(plan_with("all", shell)));
  other[1] = "NCCL_DEBUG=WARN";
  BOOST_TEST(plan_id(plan_with("[\"NCCL_*\", PATH, RANK]", other)) != plan_id(named));
  BOOST_TEST(plan_with("none", shell).groups[0].rank.inherited->names.empty());
}

BOOST_AUTO_TEST_CASE(a_plan_for_many_ranks_stays_small) {
  const Compilation c = compile_yaml("fabric: 1\naccelerator: cpu\ndevices: 8\nnum_nodes: 10000\nprogram: [train]\n");
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_CHECK_EQUAL(c.plan->world_size, 80000);
  BOOST_CHECK_LT(save_plan(*c.plan).size(), 16384u);
}

// What fabric sets for each rank cannot be chosen in env, and stands on the page of variables.
BOOST_AUTO_TEST_CASE(each_variable_of_a_rank_is_refused_in_env_and_documented) {
  std::stringstream page;
  page << std::ifstream(FABRIC_SOURCE_DIR "/docs/variables.md").rdbuf();
  const Compilation c = compile_yaml(test::train_job + "accelerator: cuda\ndevices: 2\n", {}, machine(4, 2));
  BOOST_REQUIRE_EQUAL(codes(c), "");
  const auto& variables = c.plan->groups[0].rank.env;
  BOOST_CHECK_GE(variables.size(), 25u);
  for (const auto& [name, value] : variables) {
    BOOST_CHECK_EQUAL(
        codes(compile_yaml(test::train_job + "accelerator: cuda\ndevices: 2\nenv: {" + name + ": \"1\"}\n", {}, machine(4, 2))), "FAB3030");
    BOOST_CHECK_MESSAGE(page.str().find('`' + name + '`') != std::string::npos, name << " is not in docs/variables.md");
  }
}

BOOST_AUTO_TEST_CASE(ranks_get_the_variables_of_torchrun) {
  const Compilation c = compile_yaml("fabric: 1\naccelerator: cpu\ndevices: 2\nprogram: [train, \"$HOME\", \"a b\"]\nenv: {MINE: \"1\"}\n");
  BOOST_REQUIRE_EQUAL(codes(c), "");
  const RankTemplate& rank = c.plan->groups[0].rank;
  for (const char* name : {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK",
                           "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT",
                           "TORCHELASTIC_MAX_RESTARTS", "OMP_NUM_THREADS", "FABRIC_EVENTS", "FABRIC_STOP_FILE", "MINE"})
    BOOST_CHECK_MESSAGE(rank.env.contains(name), name << " is missing");
  // torchrun sets it and then must host the store; rank 0 hosts ours.
  BOOST_CHECK(!rank.env.contains("TORCHELASTIC_USE_AGENT_STORE"));
  BOOST_CHECK(!rank.env.contains("FABRIC_STORE_FD"));
  BOOST_CHECK(rank.env.at("WORLD_SIZE") == Text("2"));
  BOOST_CHECK(rank.env.at("RANK") == Text(Binding::rank));
  BOOST_CHECK(rank.argv[1] == Text("$HOME"));
}

BOOST_AUTO_TEST_SUITE_END()
