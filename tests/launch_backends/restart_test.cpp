// What follows the failure of a rank: the rules, and real runs that start again.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>

#include "launch_backends/restart_policy.hpp"
#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {

namespace {

Outcome failed(std::vector<std::string> last_lines = {}) {
  Outcome outcome;
  outcome.verdict = "failed";
  outcome.exit_code = 3;
  outcome.message = "rank 1 exited with code 3";
  outcome.last_lines = std::move(last_lines);
  return outcome;
}

const ExitStatus code_3{false, 3}, killed{true, SIGKILL};

}  // namespace

BOOST_AUTO_TEST_SUITE(restarts)

BOOST_AUTO_TEST_CASE(only_a_failed_rank_starts_anew_and_only_so_often) {
  Restart rules{.max = 2, .on = {}, .backoff = {1}, .no_progress = 3};
  RestartPolicy policy(rules);
  for (const char* verdict : {"finished", "stopped", "lost", "refused"}) {
    Outcome outcome = failed();
    outcome.verdict = verdict;
    BOOST_TEST(!policy.judge(outcome, code_3, {}).restart);
  }
  BOOST_TEST(!policy.judge(failed(), std::nullopt, {}).restart);
  BOOST_TEST(policy.judge(failed(), code_3, {}).wait == 1);
  BOOST_TEST(policy.judge(failed(), code_3, {}).wait == 2);
  const RestartPolicy::Verdict last = policy.judge(failed(), code_3, {});
  BOOST_TEST(!last.restart);
  BOOST_TEST(last.why == "it was started again 2 times already");
  rules.max = 0;
  RestartPolicy none(rules);
  BOOST_TEST(none.judge(failed(), code_3, {}).why == "");
}

BOOST_AUTO_TEST_CASE(the_first_rule_that_fits_decides) {
  Restart rules{.max = 100, .on = {}, .backoff = {0}, .no_progress = 3};
  const auto starts = [&](const ExitStatus& status, std::vector<std::string> lines = {}) {
    return RestartPolicy(rules).judge(failed(std::move(lines)), status, {}).restart;
  };
  rules.on = {{.exit_code = 3, .signal = {}, .log = {}, .then = AfterFailure::stop}};
  BOOST_TEST(!starts(code_3));
  BOOST_TEST(starts({false, 4}));
  BOOST_TEST(starts({true, 3}));
  rules.on = {{.exit_code = {}, .signal = "KILL", .log = {}, .then = AfterFailure::restart},
              {.exit_code = {}, .signal = {}, .log = {}, .then = AfterFailure::stop}};
  BOOST_TEST(starts(killed));
  BOOST_TEST(!starts(code_3));
  rules.on = {{.exit_code = 3, .signal = {}, .log = "(?i)nan loss", .then = AfterFailure::stop}};
  BOOST_TEST(!starts(code_3, {"step 3", "NaN loss at 4"}));
  BOOST_TEST(starts(code_3, {"step 3"}));
  BOOST_TEST(starts(killed, {"NaN loss"}));
}

BOOST_AUTO_TEST_CASE(without_progress_it_ends_before_its_time) {
  const Restart rules{.max = 100, .on = {}, .backoff = {10}, .no_progress = 2};
  RestartPolicy policy(rules);
  BOOST_TEST(policy.judge(failed(), code_3, {.step = 5, .checkpoint = ""}).wait == 10);
  BOOST_TEST(policy.judge(failed(), code_3, {.step = 9, .checkpoint = ""}).wait == 10);
  BOOST_TEST(policy.judge(failed(), code_3, {.step = 9, .checkpoint = ""}).restart);
  BOOST_TEST(policy.judge(failed(), code_3, {.step = 9, .checkpoint = "/c/1"}).wait == 10);
  BOOST_TEST(policy.judge(failed(), code_3, {.step = 7, .checkpoint = "/c/1"}).restart);
  const RestartPolicy::Verdict last = policy.judge(failed(), code_3, {});
  BOOST_TEST(!last.restart);
  BOOST_TEST(last.why == "2 failures in a row without progress");
  // One that tells nothing is held to max alone.
  RestartPolicy silent(rules);
  double longest = 0;
  for (int i = 0; i < 20; ++i) longest = std::max(longest, silent.judge(failed(), code_3, {}).wait);
  BOOST_TEST(longest == 300);
}

namespace {

void let_restart(RunUnderTest& run, std::int64_t max) {
  run.plan.job.restart = {.max = max, .on = {}, .backoff = {0.05}, .no_progress = 3};
}

std::vector<Event> of_kind(const std::vector<Event>& events, const std::string& kind) {
  std::vector<Event> found;
  std::copy_if(events.begin(), events.end(), std::back_inserter(found), [&](const Event& e) { return e.kind == kind; });
  return found;
}

}  // namespace

BOOST_AUTO_TEST_CASE(all_ranks_start_again_with_a_new_attempt_and_port) {
  RunUnderTest run({"daemon,fail-before:2,exit:0", "deaf,fail-before:1,ms:100,exit:0"});
  let_restart(run, 3);
  const FinishedRun finished = run.run();
  BOOST_REQUIRE(finished.outcome.has_value());
  BOOST_TEST(finished.outcome->verdict == "finished");
  BOOST_TEST(finished.outcome->exit_code == 0);
  BOOST_TEST(run.left().empty());
  const std::vector<Event> events = run.events();
  BOOST_TEST(of_kind(events, "run_started").size() == 3u);
  BOOST_TEST(of_kind(events, "restarting").size() == 2u);
  BOOST_TEST(of_kind(events, "run_finished").size() == 1u);
  const std::vector<Event> bound = of_kind(events, "bound");
  BOOST_TEST_REQUIRE(bound.size() == 3u);
  for (std::size_t i = 0; i < 3; ++i) BOOST_TEST((*bound[i].detail.find("attempt") == Value(static_cast<std::int64_t>(i))));
  BOOST_TEST(run.status().attempt == 2);
}

BOOST_AUTO_TEST_CASE(the_checkpoint_of_a_program_is_where_it_goes_on) {
  RunUnderTest run({"env:FABRIC_RESUME_FROM,checkpoint,fail-before:2,exit:0"});
  let_restart(run, 5);
  const FinishedRun finished = run.run();
  BOOST_TEST(finished.outcome->exit_code == 0);
  const std::vector<std::string> expected = {"0: FABRIC_RESUME_FROM=", "0: FABRIC_RESUME_FROM=/ckpt/0", "0: FABRIC_RESUME_FROM=/ckpt/1"};
  BOOST_TEST(finished.lines == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_silent_program_goes_on_from_the_newest_file_of_its_pattern) {
  const std::string folder = temporary_folder();
  // An old one, of another run.
  std::ofstream(folder + "/step-900.pt") << "old";
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  std::filesystem::last_write_time(folder + "/step-900.pt", old);
  RunUnderTest run({"env:FABRIC_RESUME_FROM,write:" + folder + "/step-,fail-before:2,exit:0"});
  let_restart(run, 5);
  run.plan.job.checkpoint.path = folder + "/step-*.pt";
  const FinishedRun finished = run.run();
  const std::vector<std::string> expected = {"0: FABRIC_RESUME_FROM=", "0: FABRIC_RESUME_FROM=" + folder + "/step-0.pt",
                                             "0: FABRIC_RESUME_FROM=" + folder + "/step-1.pt"};
  BOOST_TEST(finished.lines == expected, boost::test_tools::per_element());
  // Files of earlier runs are none of this one.
  usleep(20'000);
  RunUnderTest other({"env:FABRIC_RESUME_FROM,fail-before:1,exit:0"});
  let_restart(other, 1);
  other.plan.job.checkpoint.path = folder + "/step-*.pt";
  BOOST_TEST(other.run().lines == (std::vector<std::string>{"0: FABRIC_RESUME_FROM=", "0: FABRIC_RESUME_FROM="}),
             boost::test_tools::per_element());
  std::filesystem::remove_all(folder);
}

// The same name each time: what tells of progress is when it was written.
BOOST_AUTO_TEST_CASE(a_file_that_is_written_anew_is_progress) {
  const std::string folder = temporary_folder();
  RunUnderTest run({"env:FABRIC_RESUME_FROM,rewrite:" + folder + "/last.pt,fail-before:5,exit:0"});
  let_restart(run, 9);
  run.plan.job.checkpoint.path = folder + "/*.pt";
  const FinishedRun finished = run.run();
  BOOST_TEST(finished.outcome->exit_code == 0, finished.outcome->message);
  BOOST_TEST(finished.lines.size() == 6u);
  BOOST_TEST(finished.lines.back() == "0: FABRIC_RESUME_FROM=" + folder + "/last.pt");
  std::filesystem::remove_all(folder);
}

// A told path counts from the folder of the rank, and goes before the pattern.
BOOST_AUTO_TEST_CASE(what_a_program_tells_goes_before_the_pattern) {
  const std::string folder = temporary_folder();
  RunUnderTest run({"env:FABRIC_RESUME_FROM,rewrite:told.pt,rewrite:other.pt,tell:told.pt,fail-before:1,exit:0"});
  let_restart(run, 1);
  run.plan.groups[0].rank.cwd = Text(folder);
  run.plan.job.checkpoint.path = folder + "/*.pt";
  BOOST_TEST(run.run().lines.back() == "0: FABRIC_RESUME_FROM=" + folder + "/told.pt");
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(ranks_run_on_the_cpus_of_the_plan) {
  cpu_set_t mine;
  BOOST_REQUIRE(sched_getaffinity(0, sizeof mine, &mine) == 0);
  std::vector<std::string> cpus;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &mine)) cpus.push_back(std::to_string(cpu));
  // The failing one waits until the other has said its own.
  RunUnderTest run({"cpus,await-ready:1,fail-before:1,exit:0", "cpus,ready,exit:0"});
  let_restart(run, 1);
  run.plan.groups[0].cpus = {{0, cpus.front()}, {1, cpus.back()}};
  std::vector<std::string> lines = run.run().lines;
  std::sort(lines.begin(), lines.end());
  const std::string first = "0: CPU " + cpus.front(), second = "1: CPU " + cpus.back();
  BOOST_TEST(lines == (std::vector<std::string>{first, first, second, second}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(progress_of_an_earlier_run_is_none_of_this_one) {
  Restart rules{.max = 100, .on = {}, .backoff = {0}, .no_progress = 1};
  const Progress there{.step = {}, .checkpoint = "/last.pt", .written = 10};
  BOOST_TEST(!RestartPolicy(rules, there).judge(failed(), code_3, there).restart);
  BOOST_TEST(RestartPolicy(rules, there).judge(failed(), code_3, {.step = {}, .checkpoint = "/last.pt", .written = 11}).restart);
  BOOST_TEST(RestartPolicy(rules).judge(failed(), code_3, there).restart);
}

BOOST_AUTO_TEST_CASE(an_attempt_that_tells_no_checkpoint_takes_none_away) {
  RunUnderTest run({"env:FABRIC_RESUME_FROM,checkpoint-at:0,fail-before:3,exit:0"});
  let_restart(run, 5);
  run.plan.job.restart.no_progress = 10;
  const FinishedRun finished = run.run();
  const std::vector<std::string> expected = {"0: FABRIC_RESUME_FROM=", "0: FABRIC_RESUME_FROM=/ckpt/0", "0: FABRIC_RESUME_FROM=/ckpt/0",
                                             "0: FABRIC_RESUME_FROM=/ckpt/0"};
  BOOST_TEST(finished.lines == expected, boost::test_tools::per_element());
}

// Whoever asks for the end while a failure is being cleared up does not want another start.
BOOST_AUTO_TEST_CASE(ctrl_c_while_a_failed_attempt_ends_forbids_a_new_start) {
  RunUnderTest run({"deaf,ready,sleep", "await-ready:0,exit:3"});
  let_restart(run, 3);
  run.start();
  BOOST_TEST(wait_until([&] { return !of_kind(run.events(), "stopping").empty(); }));
  kill(run.controller(), SIGINT);
  const FinishedRun finished = run.finish();
  BOOST_TEST(finished.outcome->exit_code == 3);
  BOOST_TEST(finished.outcome->message == "rank 1 exited with code 3; no new start: SIGINT");
  BOOST_TEST(of_kind(run.events(), "restarting").empty());
}

BOOST_AUTO_TEST_CASE(it_ends_with_the_code_of_the_culprit_and_says_why_it_ends) {
  RunUnderTest run({"event:step,exit:3", "sleep"});
  let_restart(run, 50);
  const FinishedRun finished = run.run();
  BOOST_TEST(finished.outcome->exit_code == 3);
  BOOST_TEST(finished.outcome->verdict == "failed");
  BOOST_TEST(finished.outcome->message == "rank 0 exited with code 3; no new start: 3 failures in a row without progress");
  BOOST_TEST(of_kind(run.events(), "restarting").size() == 3u);
  BOOST_TEST(run.left().empty());
}

BOOST_AUTO_TEST_CASE(ctrl_c_ends_the_wait_for_a_new_start) {
  RunUnderTest run({"exit:3"});
  run.plan.job.restart = {.max = 3, .on = {}, .backoff = {60}, .no_progress = 3};
  run.start();
  BOOST_TEST(wait_until([&] { return !of_kind(run.events(), "restarting").empty(); }));
  run.fault();
  kill(run.controller(), SIGINT);
  const FinishedRun finished = run.finish();
  BOOST_TEST(finished.outcome->exit_code == 130);
  BOOST_TEST(finished.outcome->verdict == "stopped");
  BOOST_TEST(finished.seconds < 2);
  BOOST_TEST(run.status().state == "stopped");
}

BOOST_AUTO_TEST_CASE(the_time_limit_stops_in_order_and_counts_over_restarts) {
  RunUnderTest orderly({"orderly,ready,sleep"});
  orderly.plan.job.time_limit = Duration{0.5};
  FinishedRun finished = orderly.run();
  BOOST_TEST(finished.outcome->exit_code == 124);
  BOOST_TEST(finished.outcome->verdict == "stopped");
  BOOST_TEST(finished.outcome->message.starts_with("stopped at the time limit of "), finished.outcome->message);
  BOOST_TEST(finished.seconds > 0.4);
  BOOST_TEST(finished.seconds < 3);

  RunUnderTest failing({"exit:3"});
  failing.plan.job.time_limit = Duration{0.5};
  failing.plan.job.restart = {.max = 3, .on = {}, .backoff = {60}, .no_progress = 3};
  finished = failing.run();
  BOOST_TEST(finished.outcome->exit_code == 124);
  BOOST_TEST(finished.seconds < 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace fabric::test
