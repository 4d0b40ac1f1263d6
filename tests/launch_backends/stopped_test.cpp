// What must hold where a process of a run is stopped (SIGSTOP) and not killed: by itself that ends nothing, and whatever ends the run
// ends the stopped ones with it.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "launch_backends/process.hpp"
#include "launch_backends/stall.hpp"
#include "tests/launch_backends/expected_end.hpp"

namespace fabric::test {
namespace {

// Returns once it stands.
void stop(pid_t pid) {
  kill(pid, SIGSTOP);
  BOOST_REQUIRE(wait_until([pid] { return sample_process(pid).state == 'T'; }));
}

enum class Who { controller, keeper, agent, rank };

pid_t pid_of(const RunUnderTest& run, Who who) {
  switch (who) {
    case Who::controller: return run.controller();
    case Who::keeper: return run.keeper();
    case Who::agent: return run.agent();
    case Who::rank: break;
  }
  return run.rank(1);
}

struct Stopped {
  const char* name;
  std::vector<Who> stopped;
  Who then;  // gets the signal
  int signal;
  Expected expected;
};
std::ostream& operator<<(std::ostream& out, const Stopped& stopped) { return out << stopped.name; }

const Stopped user_ends[] = {
    {"a rank", {Who::rank}, Who::controller, SIGINT, {130, "stopped", "stopped by SIGINT"}},
    {"the agent", {Who::agent}, Who::controller, SIGINT, {130, "stopped", "stopped by SIGINT"}},
    {"the agent, and TERM", {Who::agent}, Who::controller, SIGTERM, {143, "stopped", "stopped by SIGTERM"}},
    {"the keeper", {Who::keeper}, Who::controller, SIGINT, {130, "stopped", "stopped by SIGINT"}},
    {"agent and rank", {Who::agent, Who::rank}, Who::controller, SIGINT, {130, "stopped", "stopped by SIGINT"}},
    {"agent and keeper", {Who::agent, Who::keeper}, Who::controller, SIGINT, {130, "stopped", "stopped by SIGINT"}},
};

// The ranks take the stop signal, those that were stopped too: nobody is killed.
BOOST_DATA_TEST_CASE(the_user_ends_a_run_with_stopped_processes_in_order, user_ends, fault) {
  RunUnderTest run({"naked-daemon,orderly,ready,sleep", "daemon,orderly,ready,sleep"});
  run.start();
  run.await_ready();
  for (const Who who : fault.stopped) stop(pid_of(run, who));
  usleep(300'000);
  BOOST_TEST(!run.status().ended.has_value(), "a run whose only fault is a stopped process has ended");
  run.fault();
  kill(run.controller(), fault.signal);
  const FinishedRun finished = run.finish();
  check(run, finished, fault.expected);
  BOOST_TEST(finished.outcome->message == fault.expected.message);
  check_gone(run.directory() + "/naked-0");
}

const Stopped one_is_killed[] = {
    {"the agent, keeper killed", {Who::agent}, Who::keeper, SIGKILL, {125, "lost", "the keeper of node 0 was killed by signal 9 (KILL)"}},
    {"the keeper, agent killed", {Who::keeper}, Who::agent, SIGKILL, {125, "lost", "the agent of node 0 was killed by signal 9 (KILL)"}},
    {"the keeper, a rank killed", {Who::keeper}, Who::rank, SIGKILL, {137, "failed", "rank 1 was killed by signal 9 (KILL)"}},
    {"the agent, killed itself", {Who::agent}, Who::agent, SIGKILL, {125, "lost", "the agent of node 0 was killed by signal 9 (KILL)"}},
    {"the keeper, killed itself", {Who::keeper}, Who::keeper, SIGKILL, {125, "lost", "the keeper of node 0 was killed by signal 9 (KILL)"}},
    {"a rank, killed itself", {Who::rank}, Who::rank, SIGKILL, {137, "failed", "rank 1 was killed by signal 9 (KILL)"}},
};

BOOST_DATA_TEST_CASE(a_death_beside_a_stopped_process_ends_the_run, one_is_killed, fault) {
  RunUnderTest run({"naked-daemon,deaf,ready,sleep", "daemon,ready,sleep"});
  run.start();
  run.await_ready();
  for (const Who who : fault.stopped) stop(pid_of(run, who));
  const pid_t victim = pid_of(run, fault.then);
  run.fault();
  kill(victim, fault.signal);
  check(run, run.finish(), fault.expected);
  check_gone(run.directory() + "/naked-0");
}

const std::vector<Who> beside_the_controller[] = {{Who::rank},
                                                  {Who::agent},
                                                  {Who::keeper},
                                                  {Who::controller},
                                                  {Who::controller, Who::agent},
                                                  {Who::controller, Who::keeper},
                                                  {Who::agent, Who::keeper},  // the kernel lets the keeper go on then
                                                  {Who::controller, Who::agent, Who::keeper}};

BOOST_AUTO_TEST_CASE(the_controller_is_killed_beside_stopped_processes) {
  for (const std::vector<Who>& stopped : beside_the_controller) {
    RunUnderTest run({"naked-daemon,deaf,ready,sleep", "daemon,ready,sleep"});
    run.start();
    run.await_ready();
    for (const Who who : stopped) stop(pid_of(run, who));
    run.fault();
    kill(run.controller(), SIGKILL);
    BOOST_TEST_CONTEXT("stopped: " << static_cast<int>(stopped.back())) {
      check_lost(run, run.finish(), "the controller was lost");
      check_gone(run.directory() + "/naked-0");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_stopped_keeper_holds_up_no_good_end) {
  RunUnderTest run({"ready,await-ready:go,exit:0", "ready,await-ready:go,exit:0"});
  run.start();
  run.await_ready();
  stop(run.keeper());
  run.fault();
  const FileDescriptor go(open((run.directory() + "/ready-go").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  check(run, run.finish(), {0, "finished", ""});
}

// As one that a debugger holds: it does not go on when it is told to.
BOOST_AUTO_TEST_CASE(an_agent_that_cannot_go_on_does_not_outlive_its_controller_for_long) {
  RunUnderTest run({"naked-daemon,deaf,ready,sleep", "daemon,ready,sleep"});
  run.start();
  run.await_ready();
  const pid_t agent = run.agent();
  BOOST_REQUIRE(ptrace(PTRACE_SEIZE, agent, nullptr, nullptr) == 0);
  BOOST_REQUIRE(ptrace(PTRACE_INTERRUPT, agent, nullptr, nullptr) == 0);
  BOOST_REQUIRE(wait_until([agent] { return sample_process(agent).state == 't'; }));
  kill(run.controller(), SIGKILL);
  // Whoever traces it is told of its death before its parent is.
  BOOST_REQUIRE(
      wait_until([agent] { return waitpid(agent, nullptr, WNOHANG | __WALL) == agent && sample_process(agent).state != 't'; }, 30));
  run.fault();
  const FinishedRun finished = run.finish();
  BOOST_TEST(finished.seconds_to_clear < in_time);
  BOOST_TEST(run.left().empty());
  BOOST_TEST(run.status().state == "lost");
  BOOST_TEST(run.status().message == "the agent of node 0 was killed by signal 9 (KILL), and the controller is gone");
  check_gone(run.directory() + "/naked-0");
}

}  // namespace
}  // namespace fabric::test
