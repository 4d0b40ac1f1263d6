// Who holds up the others: by made-up accounts of ranks, and in real runs.
#include "launch_backends/stall.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <ostream>

#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {

struct StallCase {
  const char* name;
  std::vector<RankActivity> ranks;
  Accelerator accelerator;
  std::string says;  // rank and why; empty: nobody
};
std::ostream& operator<<(std::ostream& out, const StallCase& c) { return out << c.name; }

RankActivity doing(std::int64_t rank, char state, double cpu, long call = SYS_futex, std::optional<std::int64_t> step = {}) {
  return {rank, static_cast<pid_t>(1000 + rank), state, cpu, call, step};
}

const StallCase stall_cases[] = {
    {"one is stopped", {doing(0, 'S', 0), doing(1, 'T', 0)}, Accelerator::cpu, "1 is stopped"},
    {"one is in a debugger", {doing(0, 't', 0), doing(1, 'R', 1)}, Accelerator::cpu, "0 is stopped"},
    {"one is behind",
     {doing(0, 'S', 0, SYS_futex, 9), doing(1, 'S', 0, SYS_futex, 8)},
     Accelerator::cpu,
     "1 stands at step 8 while others are at 9"},
    {"one computes",
     {doing(0, 'S', 0), doing(1, 'R', 0.99, -1), doing(2, 'S', 0.01)},
     Accelerator::cpu,
     "1 computes while the others wait"},
    {"one of two computes on a CPU", {doing(0, 'S', 0), doing(1, 'R', 1, -1)}, Accelerator::cpu, "1 computes"},
    {"one of two rests on GPUs, where waiting spins", {doing(0, 'R', 1, -1), doing(1, 'S', 0)}, Accelerator::cuda, "1 does nothing"},
    {"one of many rests", {doing(0, 'R', 1, -1), doing(1, 'R', 1, -1), doing(2, 'S', 0)}, Accelerator::cpu, "2 does nothing"},
    {"one sleeps", {doing(0, 'S', 0), doing(1, 'S', 0, SYS_clock_nanosleep)}, Accelerator::cpu, "1 sleeps while the others wait"},
    {"all wait", {doing(0, 'S', 0), doing(1, 'S', 0)}, Accelerator::cpu, ""},
    {"all compute", {doing(0, 'R', 1, -1), doing(1, 'R', 1, -1)}, Accelerator::cpu, ""},
    {"all sleep", {doing(0, 'S', 0, SYS_nanosleep), doing(1, 'S', 0, SYS_nanosleep)}, Accelerator::cpu, ""},
    {"alone", {doing(0, 'S', 0)}, Accelerator::cpu, ""},
    {"nobody", {}, Accelerator::cpu, ""},
};

BOOST_AUTO_TEST_SUITE(stalls)

BOOST_DATA_TEST_CASE(the_odd_one_is_named, stall_cases, c) {
  const std::optional<Suspect> suspect = find_suspect(c.ranks, c.accelerator);
  BOOST_TEST_REQUIRE(suspect.has_value() == !c.says.empty());
  if (suspect) BOOST_TEST((std::to_string(suspect->rank) + ' ' + suspect->why).starts_with(c.says), suspect->why);
  const std::string message = stall_message(600, c.ranks, {}, c.accelerator);
  BOOST_TEST(message.starts_with("no rank has said anything for 10m: "), message);
  BOOST_TEST(message.find("py-spy dump --pid") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_rank_that_has_ended_is_named) {
  const std::string message = stall_message(600, {doing(0, 'S', 0)}, {1}, Accelerator::cpu);
  BOOST_TEST(message.starts_with("no rank has said anything for 10m: rank 1 has ended well already, and rank 0 "), message);
}

BOOST_AUTO_TEST_CASE(a_process_is_sampled) {
  const ProcessSample own = sample_process(getpid());
  BOOST_TEST(own.state == 'R');
  BOOST_TEST(own.cpu_seconds >= 0);
  BOOST_TEST(sample_process(0x3fffffff).state == '?');
}

namespace {

// The first event `stalled` of a run of two ranks, of which the second does this.
Event stalled_with(const std::string& second, int signal = 0, bool to_agent = false, const std::vector<std::string>& wrapper = {}) {
  RunUnderTest run({"ready,sleep", "ready," + second});
  run.plan.job.stall = Duration{0.6};
  std::vector<Text>& argv = run.plan.groups.front().rank.argv;
  argv.insert(argv.begin(), wrapper.begin(), wrapper.end());
  run.start();
  run.await_ready();
  BOOST_TEST(wait_until([&] {
    const std::vector<Event> events = run.events();
    return std::count_if(events.begin(), events.end(), [](const Event& event) { return event.kind == "rank_started"; }) == 2;
  }));
  const pid_t victim = to_agent ? run.agent() : run.rank(1);
  if (signal) kill(to_agent ? victim : -victim, signal);
  Event found;
  BOOST_TEST(wait_until([&] {
    for (const Event& event : run.events())
      if (event.kind == "stalled") found = event;
    return !found.kind.empty();
  }));
  if (signal) kill(to_agent ? victim : -victim, SIGCONT);
  kill(run.controller(), SIGTERM);
  BOOST_TEST(run.finish().outcome->verdict == "stopped");
  return found;
}

void names_rank_1(const Event& event, const std::string& why) {
  BOOST_REQUIRE(event.kind == "stalled");
  const std::string message = event.detail.find("message")->as_string();
  BOOST_TEST((*event.detail.find("suspect") == Value(1)), message);
  BOOST_TEST(message.find("look at rank 1 ") != std::string::npos, message);
  BOOST_TEST(message.find(why) != std::string::npos, message);
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_would_compute_counts_as_one_that_does) {
  const auto sample = [](char state, double seconds) {
    ProcessSample s;
    s.state = state;
    s.cpu_seconds = seconds;
    return s;
  };
  BOOST_TEST(cpus_between(sample('R', 1), sample('R', 1.1), 0.5) == 1);
  BOOST_TEST(cpus_between(sample('R', 1), sample('R', 3), 0.5) == 4);
  BOOST_TEST(cpus_between(sample('S', 1), sample('R', 1.25), 0.5) == 0.5);
  BOOST_TEST(cpus_between(sample('S', 1), sample('S', 1), 0.5) == 0);
}

// The other waits in pause(), as for a peer in a collective.
BOOST_AUTO_TEST_CASE(a_rank_that_sleeps) { names_rank_1(stalled_with("doze"), "sleeps while the others wait"); }
BOOST_AUTO_TEST_CASE(a_rank_that_is_stopped) { names_rank_1(stalled_with("sleep", SIGSTOP), "is stopped"); }
BOOST_AUTO_TEST_CASE(a_rank_in_a_busy_loop) { names_rank_1(stalled_with("spin"), "computes while the others wait"); }

// A shell that waits for its program, and one that does so beside another.
BOOST_AUTO_TEST_CASE(behind_a_wrapper_it_is_the_program_that_counts) {
  for (const std::string shell : {"\"$@\"; exit $?", "\"$@\" | cat; exit $?"}) {
    const std::vector<std::string> wrapper = {"sh", "-c", shell, "sh"};
    names_rank_1(stalled_with("doze", 0, false, wrapper), "sleeps while the others wait");
    names_rank_1(stalled_with("sleep", SIGSTOP, false, wrapper), "is stopped");
    names_rank_1(stalled_with("spin", 0, false, wrapper), "computes while the others wait");
  }
}

BOOST_AUTO_TEST_CASE(an_agent_that_is_stopped) {
  const Event event = stalled_with("sleep", SIGSTOP, true);
  BOOST_REQUIRE(event.kind == "stalled");
  const std::string message = event.detail.find("message")->as_string();
  BOOST_TEST(message.starts_with("the agent of node 0 (process "), message);
  BOOST_TEST(message.find("it is stopped") != std::string::npos, message);
}

BOOST_AUTO_TEST_CASE(a_run_that_speaks_is_not_stalled) {
  RunUnderTest run({"lines:3,ms:300,say:x,ms:300,say:y,ms:300,say:z,exit:0", "sleep"});
  run.plan.job.stall = Duration{0.6};
  run.plan.job.time_limit = Duration{1.1};
  run.start();
  run.finish();
  for (const Event& event : run.events()) BOOST_TEST(event.kind != "stalled");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace fabric::test
