// A run that is not this controller's alone: somebody else takes it or ends it, a scheduler tells agents and controller at once, or starts
// it again elsewhere, and an agent that is on another machine is not heard of any more.
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>

#include "launch_backends/conductor.hpp"
#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {
namespace {

using namespace std::chrono_literals;

void name_another(const RunUnderTest& run, Conductor::Aim aim) {
  name_conductor(run.directory(), new_conductor("another start", "7", aim));
}

// As a batch script does it.
void watch_for_others(RunUnderTest& run) {
  run.options.run_directory = RunDirectory::create(temporary_folder(), "job", run.plan).path();
  const Conductor own = new_conductor("this start", "7");
  name_conductor(run.directory(), own);
  run.options.overruled = [directory = run.directory(), own] { return overruling_of(directory, own); };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(handovers)

BOOST_AUTO_TEST_CASE(a_run_that_another_takes_is_let_go) {
  RunUnderTest run({"ready,sleep", "deaf,ready,sleep"});
  watch_for_others(run);
  run.plan.job.stop.grace.seconds = 60;
  run.start();
  run.await_ready();
  run.fault();
  name_another(run, Conductor::Aim::conducts);
  const FinishedRun finished = run.finish();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->verdict == "stopped");
  BOOST_TEST(finished.outcome->message.starts_with("another start on "), finished.outcome->message);
  BOOST_TEST(finished.seconds < 4);
  BOOST_TEST(run.left().empty());
  std::filesystem::remove_all(run.directory());
}

BOOST_AUTO_TEST_CASE(a_run_is_ended_through_its_folder_in_order_and_then_at_once) {
  RunUnderTest run({"ready,orderly,sleep", "deaf,ready,sleep"});
  watch_for_others(run);
  run.plan.job.stop.grace.seconds = 60;
  run.start();
  run.await_ready();
  run.fault();
  name_another(run, Conductor::Aim::ends);
  BOOST_TEST(wait_until([&] { return run.status().state == "stopping"; }, 4));
  name_another(run, Conductor::Aim::kills);
  const FinishedRun finished = run.finish();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->verdict == "stopped");
  BOOST_TEST(finished.outcome->exit_code == 143);
  BOOST_TEST(finished.seconds < 6);
  std::filesystem::remove_all(run.directory());
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_names_nobody) {
  const std::string folder = temporary_folder();
  const Conductor own = new_conductor("this start");
  BOOST_TEST(!overruling_of(folder, own));
  std::ofstream(folder + "/conductor.json") << "{\"name\": 3";
  BOOST_TEST(!overruling_of(folder, own));
  name_conductor(folder, own);
  BOOST_TEST(!overruling_of(folder, own));
  BOOST_TEST(conductor_of(folder)->name == own.name);
  std::filesystem::remove_all(folder);
}

// As scancel tells them, a moment apart.
BOOST_AUTO_TEST_CASE(one_wish_that_comes_to_agent_and_controller_hurries_nothing) {
  RunUnderTest run({"deaf,ready,sleep"});
  run.plan.job.stop.grace.seconds = 2;
  run.start();
  run.await_ready();
  run.fault();
  kill(run.agent(), SIGTERM);
  BOOST_TEST(wait_until([&] { return run.status().state == "stopping"; }));
  kill(run.controller(), SIGTERM);
  const FinishedRun finished = run.finish();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->exit_code == 143);
  BOOST_TEST(finished.seconds > 1.5);
}

BOOST_AUTO_TEST_CASE(a_run_that_goes_on_by_another_start_has_no_end) {
  RunUnderTest run({"ready,kill-self"});
  run.options.put_back = [](Outcome& outcome) {
    Value detail = Value::object();
    detail.set("why", "as " + outcome.verdict);
    return std::optional(detail);
  };
  const FinishedRun finished = run.run();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->verdict == "queued");
  BOOST_TEST(run.status().state == "queued");
  BOOST_TEST(run.status().attempt == 1);
  BOOST_TEST(run.status().message == "as failed");
  BOOST_TEST(!run.status().ended);
  const std::vector<Event> events = run.events();
  BOOST_TEST(events.back().kind == "requeued");
}

BOOST_AUTO_TEST_CASE(a_silent_agent_is_given_up_and_a_controller_that_was_stopped_gives_up_nobody) {
  RunUnderTest run({"ready,sleep", "ready,sleep"});
  run.options.lease = 2;
  run.start();
  run.await_ready();
  kill(run.controller(), SIGSTOP);
  usleep(1'500'000);
  kill(run.controller(), SIGCONT);
  usleep(500'000);
  BOOST_TEST(run.status().state == "running");
  run.fault();
  kill(run.agent(), SIGSTOP);
  const FinishedRun finished = run.finish();
  BOOST_REQUIRE(finished.outcome);
  BOOST_TEST(finished.outcome->verdict == "lost");
  BOOST_TEST(finished.outcome->message == "nothing was heard of the agent of node 0 for 2s: its host or the way to it is gone");
  BOOST_TEST(finished.seconds < 8);
  BOOST_TEST(run.left().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace fabric::test
