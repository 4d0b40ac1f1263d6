// One command that carries several agents, as srun does: each hears what is said to any, and their lines come in one stream.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {
namespace {

// As many agents as nodes behind one tee. The carrier ends when its stdin does and the agents have.
Carrier tee_of(std::int64_t nodes) {
  const std::string agent = std::string(FABRIC_BINARY_DIR) + "/tests/agent_under_test";
  std::string script = "exec 3>&1; (exec tee -p";
  for (std::int64_t i = 0; i < nodes; ++i) script += " >(WHICH=" + std::to_string(i) + " exec \"$0\" agent \"$@\" >&3)";
  script += " > /dev/null); wait";
  return {.argv = {"bash", "-c", script, agent}, .nodes = nodes, .node_variable = "WHICH"};
}

// So many nodes of two ranks each, whose actions are given for all ranks.
void spread_over(RunUnderTest& run, std::int64_t nodes) {
  run.plan.job.num_nodes = run.plan.groups[0].nodes = nodes;
  run.plan.groups[0].ranks_per_node = run.plan.world_size / nodes;
  run.carriers = {tee_of(nodes)};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(one_carrier_of_several_agents)

BOOST_AUTO_TEST_CASE(starts_each_rank_once_on_its_node) {
  RunUnderTest run({"env:RANK,env:LOCAL_RANK,env:WORLD_SIZE", "", "", "", "", ""});
  run.plan.groups[0].rank.argv.resize(2);
  spread_over(run, 3);
  const FinishedRun finished = run.run();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->verdict == "finished", finished.outcome->message);
  std::set<std::string> expected;
  for (int rank = 0; rank < 6; ++rank) {
    const std::string number = std::to_string(rank);
    expected.insert(number + ": RANK=" + number);
    expected.insert(number + ": LOCAL_RANK=" + std::to_string(rank % 2));
    expected.insert(number + ": WORLD_SIZE=6");
    BOOST_TEST(read_file(run.directory() + "/nodes/" + std::to_string(rank / 2) + "/rank-" + number + ".log")
                   .starts_with("RANK=" + number + "\n"));
  }
  BOOST_TEST((std::set<std::string>(finished.lines.begin(), finished.lines.end()) == expected));
}

BOOST_AUTO_TEST_CASE(a_failure_on_one_node_ends_the_others) {
  RunUnderTest run({"ready,sleep", "ready,sleep", "ready,sleep", "ready,sleep"});
  spread_over(run, 2);
  run.start();
  run.await_ready();
  run.fault();
  kill(run.rank(3), SIGKILL);
  const FinishedRun finished = run.finish();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->exit_code == 128 + SIGKILL);
  BOOST_TEST(finished.outcome->culprit.value_or(-1) == 3);
  BOOST_TEST(finished.seconds < 5);
  BOOST_TEST(run.left().empty());
}

// The carrier lives on with the others, and so nothing else tells it.
BOOST_AUTO_TEST_CASE(a_node_of_which_nothing_is_heard_ends_the_run_after_the_lease) {
  RunUnderTest run({"ready,sleep", "ready,sleep", "ready,sleep"});
  spread_over(run, 3);
  run.options.lease = 1;
  run.start();
  run.await_ready();
  std::vector<pid_t> wardens;
  for (const Event& event : run.events())
    if (event.kind == "node_ready" && event.node == 1)
      for (const char* who : {"keeper_pid", "agent_pid"}) wardens.push_back(static_cast<pid_t>(event.detail.find(who)->as_integer()));
  BOOST_REQUIRE(wardens.size() == 2u);
  run.fault();
  for (const pid_t pid : wardens) kill(pid, SIGKILL);
  const FinishedRun finished = run.finish();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->exit_code == 125);
  BOOST_TEST(finished.outcome->message.find("nothing was heard of the agent of node 1") != std::string::npos, finished.outcome->message);
  BOOST_TEST(finished.seconds < 10);
  BOOST_TEST(run.left().empty());
}

BOOST_AUTO_TEST_CASE(the_death_of_the_carrier_ends_all) {
  RunUnderTest run({"ready,sleep", "ready,sleep", "ready,sleep", "ready,sleep"});
  spread_over(run, 2);
  run.start();
  run.await_ready();
  run.fault();
  for (const ProcessEntry& process : run.left())
    if (process.name == "tee" || process.name == "bash") signal_process(process, SIGKILL);
  const FinishedRun finished = run.finish();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->exit_code == 125);
  BOOST_TEST(run.left().empty());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(carriers_of_other_machines)

// As ssh does it: the words are joined, and a shell cuts them again.
BOOST_AUTO_TEST_CASE(a_command_for_a_shell_takes_our_words_to_its_end) {
  RunUnderTest run({"say:up", "say:up"});
  run.plan.groups[0].rank.argv.resize(2);
  run.carriers = {{.argv = {"sh", "-c", "exec '" + std::string(FABRIC_BINARY_DIR) + "/tests/agent_under_test' agent"}, .by_shell = true}};
  const FinishedRun finished = run.run();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->verdict == "finished", finished.outcome->message);
  BOOST_TEST(finished.lines.size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_a_command_said_before_it_failed_is_told) {
  RunUnderTest run({"sleep"});
  const std::string errors = temporary_folder() + "/errors";
  Carrier carrier{.argv = {"bash", "-c", "echo 'No route to host' >&2; exit 255"}};
  carrier.errors = errors;
  carrier.explain = [errors](const ExitStatus& exit) { return "way to gpu1 " + exit.str() + ": " + read_file(errors); };
  run.carriers = {carrier};
  const FinishedRun finished = run.run();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->exit_code == 125);
  BOOST_TEST(finished.outcome->message == "way to gpu1 exited with code 255: No route to host\n");
  std::filesystem::remove_all(std::filesystem::path(errors).parent_path());
}

// One end of two is gone before its agent has said a word: the other is not waited for.
BOOST_AUTO_TEST_CASE(a_node_that_is_lost_ends_those_that_are_not) {
  RunUnderTest run({"ready,sleep", "ready,sleep"});
  spread_over(run, 2);
  const std::string agent = std::string(FABRIC_BINARY_DIR) + "/tests/agent_under_test";
  run.carriers = {{.argv = {agent, "agent"}}, {.argv = {"bash", "-c", "sleep 1; exit 255"}}};
  const FinishedRun finished = run.run();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->exit_code == 125);
  BOOST_TEST(finished.seconds < 10);
  BOOST_TEST(run.left().empty());
}

BOOST_AUTO_TEST_CASE(an_agent_that_is_silent_for_the_lease_is_given_up) {
  RunUnderTest run({"ready,sleep"});
  run.options.lease = 1;
  run.options.nodes = {{.host = "gpu1", .device_ids = {}, .network_interface = {}}};
  run.start();
  run.await_ready();
  const pid_t agent = run.agent();
  run.fault();
  kill(agent, SIGSTOP);
  const FinishedRun finished = run.finish();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->exit_code == 125);
  BOOST_TEST(finished.outcome->message == "nothing was heard of the agent of node 0 (gpu1) for 1s: its host or the way to it is gone");
  BOOST_TEST(finished.seconds < 8);
  BOOST_TEST(run.left().empty());
}

// The folder is not there on the node: what its rank prints is kept by the controller too.
BOOST_AUTO_TEST_CASE(logs_of_a_node_with_a_disk_of_its_own_are_kept_twice) {
  RunUnderTest run({"say:one,say:two"});
  run.plan.groups[0].rank.argv.resize(2);
  run.options.nodes = {{.host = "gpu1", .device_ids = {}, .network_interface = {}, .own_disk = true}};
  const FinishedRun finished = run.run();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->verdict == "finished", finished.outcome->message);
  // Here both write to one place, and the agent may take what the controller writes for the rank's.
  const std::string log = read_file(run.directory() + "/nodes/0/rank-0.log");
  BOOST_TEST(std::count(log.begin(), log.end(), '\n') >= 4);
}

BOOST_AUTO_TEST_SUITE_END()

// As ssh does where the process of its connection, which holds the pipe, is stopped.
BOOST_AUTO_TEST_CASE(a_carrier_whose_pipe_stays_open_does_not_hold_up_an_end) {
  RunUnderTest run({"exit:0"});
  const std::string agent = std::string(FABRIC_BINARY_DIR) + "/tests/agent_under_test";
  run.carriers = {{.argv = {"bash", "-c", "(sleep 8 &); exec \"$0\" agent \"$@\"", agent}}};
  run.options.lease = 1;
  const FinishedRun finished = run.run();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->verdict == "finished", finished.outcome->message);
  BOOST_TEST(finished.seconds < 6);
}

}  // namespace fabric::test
