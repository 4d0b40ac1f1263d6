// An array on a real cluster: each index is a run of its own, with its folder, its end and its restarts, and all of them are followed,
// stopped and resumed together or one by one.
#include <signal.h>

#include <boost/test/unit_test.hpp>

#include "tests/slurm/slurm_job.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

SlurmCluster::Options of_two() { return {.nodes = 2, .gpus = 0}; }
using Slurm = ForSuite<SlurmCluster, of_two>;
using Job = SlurmTestJob<Slurm>;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm_arrays, *boost::unit_test::fixture<Slurm>())

BOOST_AUTO_TEST_CASE(each_index_is_a_run_and_the_failed_one_is_resumed) {
  if (Slurm::left_out()) return;
  const Job job(
      "devices: 2\nslurm: {array: '0-2,7'}\n"
      "program: [bash, -c, 'echo $SLURM_ARRAY_TASK_ID $FABRIC_ATTEMPT $FABRIC_RUN_ID; [ $SLURM_ARRAY_TASK_ID$FABRIC_ATTEMPT$RANK != 201 ] || exit 9']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 9, said(result));
  BOOST_TEST(has(result.output, "[2] failed after"), said(result));
  BOOST_TEST(has(result.output, "3 of 4 finished"), said(result));
  BOOST_TEST(has(result.errors, "rank 1 exited with code 9"), said(result));
  const std::string id = job.run().filename().string();
  for (const char* index : {"0", "1", "2", "7"}) {
    const std::string text = read_text(job.run().string() + "_" + index + "/nodes/0/rank-1.log");
    BOOST_TEST(text == std::string(index) + " 0 job/" + id + "_" + index + "\n");
  }
  BOOST_TEST(job.status("job_2").find("exit_code")->as_integer() == 9);
  BOOST_TEST(job.status("job_7").find("state")->as_string() == "finished");
  const Value whole = job.status();
  BOOST_TEST(whole.find("state")->as_string() == "failed");
  BOOST_TEST(whole.find("tasks")->as_array().size() == 4u);
  BOOST_TEST(has(job.fabric({"logs", "job_7"}).output, "[0:0] 7 0 "));
  BOOST_TEST(has(job.fabric({"logs", "job"}).errors, "an array of runs"));
  BOOST_TEST(has(job.fabric({"list"}).output, id + "_7"));

  // Those that have finished are left alone.
  const ProgramResult resumed = job.fabric({"resume", "job"});
  BOOST_TEST(resumed.status.shell_code() == 0, said(resumed));
  BOOST_TEST(has(resumed.output, "4 of 4 finished"), said(resumed));
  BOOST_TEST(read_text(job.run().string() + "_2/nodes/0/rank-1.log") == "2 0 job/" + id + "_2\n2 1 job/" + id + "_2\n");
  BOOST_TEST(read_text(job.run().string() + "_7/nodes/0/rank-1.log") == "7 0 job/" + id + "_7\n");
  BOOST_TEST(has(job.fabric({"resume", "job"}).errors, "FAB6004"));
}

BOOST_AUTO_TEST_CASE(one_is_stopped_and_resumed_and_then_all_are_stopped) {
  if (Slurm::left_out()) return;
  const Job job(
      "devices: 1\nslurm: {array: '0-5%2'}\n"
      "program: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up $FABRIC_ATTEMPT; while :; do sleep 0.1; done']\n");
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_TEST_REQUIRE(eventually([&] { return has(apply.output(), "[0] running") && has(apply.output(), "[1] running"); }), apply.output());
  const ProgramResult cancelled = job.fabric({"cancel", "job_0"});
  BOOST_TEST(has(cancelled.output, "stopped by SIGTERM"), said(cancelled));
  const ProgramResult waiting = job.fabric({"logs", "job_5"});
  BOOST_TEST(has(waiting.errors, "index 5 of the array `job` has not begun"), said(waiting));
  BOOST_TEST(has(waiting.errors, "fabric cancel job_5"), said(waiting));
  const ProgramResult taken = job.fabric({"cancel", "job_5"});
  BOOST_TEST(taken.status.shell_code() == 0, said(taken));
  BOOST_TEST(has(taken.output, "index 5 of job/" + job.run().filename().string() + " taken from the queue"), said(taken));
  BOOST_TEST(job.status("job_5").find("state")->as_string() == "stopped");
  BOOST_TEST(!has(Slurm::cluster().output("squeue -h -r -o %i"), job.job_id() + "_5"));
  BOOST_TEST(has(Slurm::cluster().output("squeue -h -r -o %i"), job.job_id() + "_4"));
  BOOST_TEST(has(job.fabric({"status", "job_6"}).errors, "its indices are 0-5%2"));
  BOOST_TEST(has(read_text(job.run().string() + "_0/nodes/0/rank-0.log"), "saved\n"));
  BOOST_TEST(eventually([&] { return has(apply.output(), "[2] running"); }), apply.output());
  const std::string folder = job.run().string();
  BOOST_TEST(job.fabric({"resume", "--detach", "job_0"}).status.shell_code() == 0);
  BOOST_TEST(eventually([&] { return has(read_text(folder + "_0/nodes/0/rank-0.log"), "up 1"); }));
  apply.signal(SIGINT);
  const ProgramResult result = apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 130, said(result));
  BOOST_TEST(has(result.output, "[1] stopped after"), said(result));
  BOOST_TEST(has(result.output, "0 of 6 finished"), said(result));
  BOOST_TEST(has(job.message(), "did not begin"), job.message());
  // That one was submitted by itself.
  BOOST_TEST(job.status("job_0").find("state")->as_string() == "stopped");
  BOOST_TEST(eventually([] { return Slurm::cluster().output("squeue -h") == ""; }));
}

BOOST_AUTO_TEST_CASE(an_index_that_waits_in_its_array_is_not_submitted_besides) {
  if (Slurm::left_out()) return;
  const Job job(
      "devices: 1\nslurm: {array: '0-1%1'}\n"
      "program: [bash, -c, 'trap \"exit 0\" TERM; echo up $FABRIC_ATTEMPT; while :; do sleep 0.1; done']\n");
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_TEST_REQUIRE(eventually([&] { return has(apply.output(), "[0] running"); }), apply.output());
  job.fabric({"cancel", "job_0"});
  BOOST_TEST_REQUIRE(eventually([&] { return has(apply.output(), "[1] running"); }), apply.output());
  apply.signal(SIGTERM);
  const ProgramResult result = apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 143, said(result));
  BOOST_TEST(has(result.output, "[1] stopped after"), said(result));

  BOOST_TEST(job.fabric({"resume", "--detach", "job"}).status.shell_code() == 0);
  const std::string folder = job.run().string();
  BOOST_TEST_REQUIRE(eventually([&] { return has(read_text(folder + "_0/nodes/0/rank-0.log"), "up 1"); }));
  const ProgramResult twice = job.fabric({"resume", "job_1"});
  BOOST_TEST(has(twice.errors, "FAB6005"), said(twice));
  BOOST_TEST(job.fabric({"cancel", "job"}).status.shell_code() == 0);
  BOOST_TEST(eventually([] { return Slurm::cluster().output("squeue -h") == ""; }));
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

SlurmCluster::Options of_one_with_room() { return {.nodes = 1, .gpus = 0, .lines = {"MaxArraySize=30001", "MaxJobCount=40000"}}; }
using Roomy = ForSuite<SlurmCluster, of_one_with_room>;

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm_large_arrays, *boost::unit_test::fixture<Roomy>())

BOOST_AUTO_TEST_CASE(thirty_thousand_indices_are_told_of_and_stopped) {
  if (Roomy::left_out()) return;
  const SlurmTestJob<Roomy> job(
      "devices: 1\nslurm: {array: '0-29999%2'}\n"
      "program: [bash, -c, 'trap \"exit 0\" TERM; echo up $FABRIC_ATTEMPT; while :; do sleep 0.1; done']\n");
  const ProgramResult begun = job.fabric({"apply", "--detach", "job.yaml"});
  BOOST_TEST(begun.status.shell_code() == 0, said(begun));
  BOOST_TEST_REQUIRE(eventually([&] { return has(job.fabric({"status", "job"}).output, "2 of 30000 tasks running, 29998 waiting"); }));
  const Value whole = job.status();
  BOOST_TEST(whole.find("state")->as_string() == "running");
  BOOST_TEST(whole.find("tasks")->as_array().size() == 30000u);
  BOOST_TEST(has(job.fabric({"list"}).output, "2 of 30000 tasks running"));
  BOOST_TEST(has(job.fabric({"status", "job"}).output, "\n  2-29999  not begun"));
  const ProgramResult one = job.fabric({"cancel", "job_29999"});
  BOOST_TEST(one.status.shell_code() == 0, said(one));
  BOOST_TEST(job.status("job_29999").find("state")->as_string() == "stopped");
  const ProgramResult all = job.fabric({"cancel", "job"});
  BOOST_TEST(all.status.shell_code() == 0, said(all));
  BOOST_TEST(has(all.output, "29997 of 30000 tasks did not begin"), said(all));
  BOOST_TEST(job.state() == "stopped");
  BOOST_TEST(eventually([] { return Roomy::cluster().output("squeue -h") == ""; }));
}

BOOST_AUTO_TEST_SUITE_END()
