// What must hold whoever dies first: the command ends, says who it was, with the right code, and nothing of the run is left.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <filesystem>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "launch_backends/keeper.hpp"
#include "launch_backends/lost_run.hpp"
#include "launch_backends/process.hpp"
#include "schema/json.hpp"
#include "tests/launch_backends/expected_end.hpp"

namespace fabric::test {

// ---- the ranks themselves

struct RankFault {
  const char* name;
  std::vector<std::string> actions;
  Expected expected;
};
std::ostream& operator<<(std::ostream& out, const RankFault& fault) { return out << fault.name; }

const RankFault rank_faults[] = {
    {"all finish", {"exit:0", "exit:0"}, {0, "finished", ""}},
    {"one finishes before the other", {"exit:0", "ms:300,exit:0"}, {0, "finished", ""}},
    {"one exits 3", {"sleep", "exit:3"}, {3, "failed", "rank 1 exited with code 3"}},
    {"one exits 1", {"exit:1", "sleep"}, {1, "failed", "rank 0 exited with code 1"}},
    {"one segfaults", {"sleep", "segfault"}, {139, "failed", "rank 1 was killed by signal 11 (SEGV)"}},
    {"one aborts", {"sleep", "abort"}, {134, "failed", "rank 1 was killed by signal 6 (ABRT)"}},
    {"the other is deaf to TERM", {"deaf,sleep", "exit:3"}, {3, "failed", "rank 1 exited with code 3"}},
    {"each has left a daemon", {"daemon,sleep", "daemon,exit:3"}, {3, "failed", "rank 1 exited with code 3"}},
    {"a daemon is left at a good end", {"daemon,exit:0"}, {0, "finished", ""}},
    {"the other answers TERM with 0", {"orderly,sleep", "ms:50,exit:3"}, {3, "failed", "rank 1 exited with code 3"}},
    {"a victim ends before its culprit",
     {"await-ready:1,communication,exit:1", "deaf,ready,ms:50,segfault"},
     {139, "failed", "rank 1 was killed by signal 11"}},
    {"only a failure of communication",
     {"communication,exit:1", "exit:0"},
     {1, "failed", "rank 0 exited with code 1: connection closed by peer"}},
    {"many ranks", {"sleep", "sleep", "sleep", "exit:7", "sleep", "sleep"}, {7, "failed", "rank 3 exited with code 7"}},
};

BOOST_DATA_TEST_CASE(a_rank_ends, rank_faults, fault) {
  RunUnderTest run(fault.actions);
  check(run, run.run(), fault.expected);
}

BOOST_AUTO_TEST_CASE(a_rank_is_killed) {
  RunUnderTest run({"ready,sleep", "ready,sleep"});
  run.start();
  run.await_ready();
  run.fault();
  kill(run.rank(1), SIGKILL);
  const FinishedRun finished = run.finish();
  check(run, finished, {137, "failed", "rank 1 was killed by signal 9 (KILL)"});
  BOOST_TEST(finished.outcome->culprit.value_or(-1) == 1);
}

BOOST_AUTO_TEST_CASE(a_daemon_that_hides_is_found) {
  RunUnderTest run({"naked-daemon,ready,sleep", "ready,ms:50,exit:3"});
  check(run, run.run(), {3, "failed", "rank 1 exited with code 3"});
  check_gone(run.directory() + "/naked-0");
}

// ---- those that watch over them

BOOST_AUTO_TEST_CASE(the_agent_is_killed) {
  RunUnderTest run({"naked-daemon,deaf,ready,sleep", "daemon,deaf,ready,sleep"});
  run.start();
  run.await_ready();
  run.fault();
  kill(run.agent(), SIGKILL);
  check(run, run.finish(), {125, "lost", "the agent of node 0 was killed by signal 9"});
  check_gone(run.directory() + "/naked-0");
}

BOOST_AUTO_TEST_CASE(the_keeper_is_killed) {
  RunUnderTest run({"naked-daemon,deaf,ready,sleep", "daemon,deaf,ready,sleep"});
  run.start();
  run.await_ready();
  run.fault();
  kill(run.keeper(), SIGKILL);
  check(run, run.finish(), {125, "lost", "the keeper of node 0 was killed by signal 9"});
  check_gone(run.directory() + "/naked-0");
}

// What they leave falls to the controller.
BOOST_AUTO_TEST_CASE(keeper_and_agent_are_killed_at_once) {
  RunUnderTest run({"naked-daemon,deaf,ready,sleep", "daemon,deaf,ready,sleep"});
  run.start();
  run.await_ready();
  const pid_t keeper = run.keeper(), agent = run.agent();
  run.fault();
  kill(keeper, SIGKILL);
  kill(agent, SIGKILL);
  const FinishedRun finished = run.finish();
  check(run, finished, {125, "lost", "of node 0 was killed by signal 9"});
  check_gone(run.directory() + "/naked-0");
}

// As where a shell has become `fabric apply` by exec, with something in the background: that, and what falls from it, is not the run's.
BOOST_AUTO_TEST_CASE(what_the_controller_had_before_is_left_alone) {
  RunUnderTest run({"daemon,deaf,ready,sleep"});
  int ends[2];
  BOOST_REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  FileDescriptor told(ends[0]), telling(ends[1]);
  run.before = [&] {
    if (fork() != 0) return;
    // Its child falls to the controller.
    const pid_t child = fork();
    if (child != 0) usleep(100'000), _exit(0);
    const pid_t own = getpid();
    [[maybe_unused]] const ssize_t n = write(telling.get(), &own, sizeof own);
    char name[] = "sleep", time[] = "1000";
    char* const argv[] = {name, time, nullptr};
    char* const env[] = {nullptr};
    execve("/bin/sleep", argv, env);
    _exit(1);
  };
  run.start();
  pid_t bystander = 0;
  BOOST_REQUIRE(read(told.get(), &bystander, sizeof bystander) == static_cast<ssize_t>(sizeof bystander));
  run.await_ready();
  BOOST_TEST(wait_until([&] { return process_entry(bystander)->parent == run.controller(); }));
  const pid_t keeper = run.keeper(), agent = run.agent();
  run.fault();
  kill(keeper, SIGKILL);
  kill(agent, SIGKILL);
  check(run, run.finish(), {125, "lost", "of node 0 was killed by signal 9"});
  const std::optional<ProcessEntry> after = process_entry(bystander);
  BOOST_REQUIRE(after.has_value());
  BOOST_TEST(!after->ended);
  kill(bystander, SIGKILL);
}

BOOST_AUTO_TEST_CASE(the_controller_is_killed) {
  RunUnderTest run({"naked-daemon,deaf,ready,sleep", "daemon,deaf,ready,sleep"});
  run.start();
  run.await_ready();
  run.fault();
  kill(run.controller(), SIGKILL);
  check_lost(run, run.finish(), "the controller was lost");
  check_gone(run.directory() + "/naked-0");
}

BOOST_AUTO_TEST_CASE(controller_and_agent_are_killed_at_once) {
  RunUnderTest run({"naked-daemon,deaf,ready,sleep", "daemon,deaf,ready,sleep"});
  run.start();
  run.await_ready();
  const pid_t agent = run.agent();
  run.fault();
  kill(run.controller(), SIGKILL);
  kill(agent, SIGKILL);
  check_lost(run, run.finish(), "the agent of node 0 was killed by signal 9 (KILL), and the controller is gone");
  check_gone(run.directory() + "/naked-0");
}

// Of a run whose controller and agent are killed. The death of a controller lets its keeper go on, and so it is stopped after that;
// meanwhile the agent waits for ranks that are deaf.
pid_t leave_a_stopped_keeper(const RunUnderTest& run) {
  const pid_t agent = run.agent(), keeper = run.keeper();
  kill(run.controller(), SIGKILL);
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(run.controller()), &info, WEXITED | WNOWAIT);
  kill(keeper, SIGSTOP);
  kill(agent, SIGKILL);
  return keeper;
}

// The keeper of the first attempt, held up, wakes when the second would be running: it ends what has the run's id.
BOOST_AUTO_TEST_CASE(a_keeper_that_clears_up_late_ends_no_rank_of_the_next_attempt) {
  RunUnderTest run({"deaf,ready,sleep", "deaf,ready,sleep"});
  run.start();
  run.await_ready();
  const pid_t keeper = leave_a_stopped_keeper(run);
  run.options.attempt = 2;
  std::thread waker([keeper] {
    usleep(800'000);
    kill(keeper, SIGCONT);
  });
  run.plan.groups = plan_of({"ms:500,exit:0", "ms:500,exit:0"}).groups;
  run.start();
  const FinishedRun finished = run.finish();
  waker.join();
  check(run, finished, {0, "finished", ""});
  BOOST_TEST(run.status().state == "finished");
  BOOST_TEST(run.status().attempt == 2);
}

// The part of a node that was started by hand is a run of its own folder: its agent closes it, whatever its number.
BOOST_AUTO_TEST_CASE(a_lost_part_of_a_node_started_by_hand_is_closed) {
  RunUnderTest run({"ready,sleep", "ready,sleep"});
  run.plan.groups[0].nodes = 2;
  run.plan.groups[0].ranks_per_node = 1;
  run.plan.job.main_address = "127.0.0.1";
  run.plan.job.main_port = 29501;
  run.options.node_rank = 1;
  run.start();
  BOOST_TEST(wait_until([&] { return !read_file(run.directory() + "/ready-1").empty(); }));
  kill(run.controller(), SIGKILL);
  BOOST_TEST(wait_until([&] { return run.status().state == "lost"; }));
  BOOST_TEST(run.status().exit_code.value_or(0) == 125);
  BOOST_TEST(run.status().message.find("the controller was lost") != std::string::npos, run.status().message);
  run.finish();
  BOOST_TEST(run.left().empty());
}

bool tells_of_an_earlier_attempt(const Event& event) {
  const Value* message = event.detail.find("message");
  return event.kind == "note" && message &&
         message->as_string().find("earlier attempt of this run are still on node 0") != std::string::npos;
}

// A keeper of the first attempt that does not wake: the second waits for it, and its user may give up the wait.
BOOST_AUTO_TEST_CASE(ctrl_c_ends_the_wait_for_an_earlier_attempt) {
  RunUnderTest run({"deaf,ready,sleep"});
  run.start();
  run.await_ready();
  const pid_t keeper = leave_a_stopped_keeper(run);
  run.options.attempt = 2;
  run.start();
  // That it waits is told; that variables were scrubbed is a note too.
  BOOST_TEST(wait_until([&] {
    const std::vector<Event> events = run.events();
    return std::any_of(events.begin(), events.end(), tells_of_an_earlier_attempt);
  }));
  run.fault();
  kill(run.controller(), SIGINT);
  wait_until([&] { return run.status().ended.has_value(); }, 5);
  kill(keeper, SIGKILL);
  const FinishedRun finished = run.finish();
  check(run, finished, {130, "stopped", "SIGINT"});
  BOOST_TEST(std::any_of(finished.observed.begin(), finished.observed.end(), tells_of_an_earlier_attempt));
}

BOOST_AUTO_TEST_CASE(whoever_holds_the_node_too_long_is_named) {
  RunUnderTest run({"deaf,ready,sleep"});
  run.start();
  run.await_ready();
  const pid_t keeper = leave_a_stopped_keeper(run);
  run.options.attempt = 2;
  run.start();
  wait_until([&] { return run.status().ended.has_value(); }, 40);
  run.fault();
  kill(keeper, SIGKILL);
  check(run, run.finish(), {125, "refused", "end them with `kill -9 " + std::to_string(keeper) + "` there and resume again"});
}

// That the lock cannot be handed on says nothing of the keeper: whoever takes it for a loss ends a run for no reason that it can tell.
BOOST_AUTO_TEST_CASE(only_a_keeper_that_is_gone_counts_as_lost) {
  int pair[2];
  BOOST_REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
  FileDescriptor agent(pair[0]), keeper(pair[1]);
  const FileDescriptor lock(open("/dev/null", O_RDWR | O_CLOEXEC));
  BOOST_TEST(tell_keeper(agent.get(), "job/1", "/run", lock.get()));
  BOOST_CHECK_THROW(tell_keeper(agent.get(), "job/1", "/run", -1), std::system_error);
  keeper.reset();
  BOOST_TEST(!tell_keeper(agent.get(), "job/1", "/run", lock.get()));
}

// It speaks for its own attempt only.
BOOST_AUTO_TEST_CASE(a_late_word_about_an_earlier_attempt_changes_nothing) {
  RunUnderTest run({"exit:0"});
  run.options.attempt = 2;
  check(run, run.run(), {0, "finished", ""});
  for (const std::int64_t attempt : {1, 2, 3}) close_lost_run(run.directory(), attempt, "the agent was lost");
  BOOST_TEST(run.status().state == "finished");
  RunStatus unfinished = run.status();
  unfinished.ended.reset();
  RunDirectory::open(run.directory()).write_status(unfinished);
  close_lost_run(run.directory(), 1, "the agent was lost");
  BOOST_TEST(run.status().state == "finished");
  close_lost_run(run.directory(), 2, "the agent was lost");
  BOOST_TEST(run.status().state == "lost");
}

BOOST_AUTO_TEST_CASE(controller_and_keeper_are_killed_at_once) {
  RunUnderTest run({"naked-daemon,deaf,ready,sleep", "daemon,deaf,ready,sleep"});
  run.start();
  run.await_ready();
  const pid_t keeper = run.keeper();
  run.fault();
  kill(run.controller(), SIGKILL);
  kill(keeper, SIGKILL);
  const FinishedRun finished = run.finish();
  BOOST_TEST(finished.seconds_to_clear < in_time);
  BOOST_TEST(run.status().state == "lost");
  check_gone(run.directory() + "/naked-0");
}

BOOST_AUTO_TEST_CASE(a_stopped_controller_stops_nobody) {
  RunUnderTest run({"ready,ms:700,exit:0", "ready,ms:700,lines:20000,exit:0"});
  run.start();
  run.await_ready();
  kill(run.controller(), SIGSTOP);
  usleep(1'500'000);
  run.fault();
  kill(run.controller(), SIGCONT);
  check(run, run.finish(), {0, "finished", ""});
}

// ---- the user

BOOST_AUTO_TEST_CASE(ctrl_c_stops_in_order) {
  RunUnderTest run({"orderly,ready,sleep", "orderly,ready,sleep"});
  run.start();
  run.await_ready();
  run.fault();
  kill(-run.controller(), SIGINT);
  check(run, run.finish(), {130, "stopped", "SIGINT"});
  BOOST_TEST(std::filesystem::exists(run.directory() + "/nodes/0/stop"));
  bool stopping = false;
  for (const Event& event : run.events()) stopping |= event.kind == "stopping";
  BOOST_TEST(stopping);
}

struct Ending {
  int signal;
  int exit_code;
};
std::ostream& operator<<(std::ostream& out, const Ending& ending) { return out << signal_name(ending.signal); }
const Ending endings[] = {{SIGTERM, 143}, {SIGHUP, 129}, {SIGINT, 130}};

BOOST_DATA_TEST_CASE(a_signal_stops, endings, ending) {
  RunUnderTest run({"ready,sleep", "daemon,ready,sleep"});
  run.start();
  run.await_ready();
  run.fault();
  kill(run.controller(), ending.signal);
  check(run, run.finish(), {ending.exit_code, "stopped", "SIG" + signal_name(ending.signal)});
}

BOOST_AUTO_TEST_CASE(a_second_ctrl_c_kills_at_once) {
  RunUnderTest run({"deaf,daemon,ready,sleep", "deaf,ready,sleep"});
  run.start();
  run.await_ready();
  kill(run.controller(), SIGINT);
  BOOST_TEST(wait_until([&] { return run.status().state == "stopping"; }));
  usleep(300'000);
  BOOST_TEST(run.left().size() >= 4u);
  run.fault();
  kill(run.controller(), SIGINT);
  check(run, run.finish(), {130, "stopped", "SIGINT, and 2 of 2 ranks were killed"});
}

BOOST_AUTO_TEST_CASE(the_grace_of_the_job_ends) {
  RunUnderTest run({"deaf,ready,sleep", "orderly,ready,sleep"});
  run.plan.job.stop.grace.seconds = 0.7;
  run.start();
  run.await_ready();
  run.fault();
  kill(run.controller(), SIGINT);
  const FinishedRun finished = run.finish();
  check(run, finished, {130, "stopped", "SIGINT, and 1 of 2 ranks did not leave within the grace and was killed"});
  BOOST_TEST(finished.seconds > 0.6);
}

BOOST_AUTO_TEST_CASE(a_program_that_takes_no_signal_sees_the_stop_file) {
  RunUnderTest run({"deaf,ready,await-stop-file,exit:0"});
  run.start();
  run.await_ready();
  run.fault();
  kill(run.controller(), SIGINT);
  check(run, run.finish(), {130, "stopped", "SIGINT"});
}

BOOST_AUTO_TEST_CASE(a_signal_to_the_agent_stops_in_order) {
  RunUnderTest run({"orderly,ready,sleep", "orderly,ready,sleep"});
  run.start();
  run.await_ready();
  run.fault();
  kill(run.agent(), SIGTERM);
  check(run, run.finish(), {143, "stopped", "SIGTERM"});
}

}  // namespace fabric::test
