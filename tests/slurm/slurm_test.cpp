// A job by the backend slurm, on a real cluster: what its ranks are told, how it ends, how it is followed, left, stopped and resumed.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "tests/clusters/trains_the_same.hpp"
#include "tests/slurm/slurm_job.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

namespace fs = std::filesystem;

SlurmCluster::Options of_a_few() {
  return {.nodes = 4,
          .gpus = 2,
          .lines = {"SlurmdTimeout=3", "TCPTimeout=1", "TreeWidth=1", "PartitionName=short Nodes=ALL MaxTime=1 State=UP",
                    "PartitionName=closed Nodes=ALL AllowAccounts=a State=UP"}};
}
using Slurm = ForSuite<SlurmCluster, of_a_few>;

using Job = SlurmTestJob<Slurm>;

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm_jobs, *boost::unit_test::fixture<Slurm>())

BOOST_AUTO_TEST_CASE(ranks_are_told_their_places_on_all_nodes) {
  if (Slurm::left_out()) return;
  const Job job(
      "num_nodes: 3\ndevices: 2\nprogram: [bash, -c, 'echo $RANK $LOCAL_RANK $NODE_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $MASTER_ADDR "
      "$(hostname) ${SLURM_PROCID-none}']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  const std::string first = job.log(0, 0).substr(job.log(0, 0).find("n"), 2);
  for (int rank = 0; rank < 6; ++rank) {
    const int node = rank / 2;
    const std::string text = job.log(node, rank);
    const std::string expected =
        std::to_string(rank) + ' ' + std::to_string(rank % 2) + ' ' + std::to_string(node) + " 6 2 " + first + " n";
    BOOST_TEST(text.starts_with(expected), text);
    BOOST_TEST(text.ends_with(" none\n"), text);
    BOOST_TEST(result.output.find("[" + std::to_string(node) + ":" + std::to_string(rank) + "] " + expected) != std::string::npos,
               said(result));
  }
  // They were taken from the ranks, and are those of our own srun.
  BOOST_TEST(result.output.find("another launcher") == std::string::npos, said(result));
}

BOOST_AUTO_TEST_CASE(the_culprit_is_named_with_its_code) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 2\nprogram: [bash, -c, 'if [ $RANK = 3 ]; then sleep 1; echo it was me; exit 7; fi; sleep 60']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 7, said(result));
  BOOST_TEST(result.errors.find("rank 3 exited with code 7") != std::string::npos, said(result));
  BOOST_TEST(result.errors.find("| it was me") != std::string::npos, said(result));
  BOOST_TEST(job.state() == "failed");
}

BOOST_AUTO_TEST_CASE(ctrl_c_stops_in_order) {
  if (Slurm::left_out()) return;
  const Job job(
      "num_nodes: 2\ndevices: 1\nprogram: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n");
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_REQUIRE(eventually([&] { return apply.output().find("[1:1] up") != std::string::npos; }));
  apply.signal(SIGINT);
  const ProgramResult result = apply.wait(seconds(20));
  BOOST_TEST(result.status.shell_code() == 130, said(result));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank).ends_with("saved\n"));
  BOOST_TEST(job.state() == "stopped");
  BOOST_TEST(eventually([] { return Slurm::cluster().output("squeue -h") == ""; }));
}

BOOST_AUTO_TEST_CASE(a_run_is_left_and_reached_again) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 1\nprogram: [bash, -c, 'echo up; while :; do sleep 0.1; done']\n");
  const ProgramResult result = job.fabric({"apply", "--detach", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(result.output.find("fabric attach") != std::string::npos, said(result));
  BOOST_TEST(eventually([&] { return job.state() == "running"; }));
  BOOST_TEST(job.fabric({"list"}).output.find("running") != std::string::npos);
  RunningCommand attach(Slurm::cluster(), Job::line({"attach", "job"}), job.inside());
  BOOST_TEST(eventually([&] { return attach.output().find("[1:1] up") != std::string::npos; }));
  attach.signal(SIGINT);
  BOOST_TEST(attach.wait(seconds(10)).status.shell_code() == 130);
  BOOST_TEST(job.state() == "running");
  const ProgramResult cancelled = job.fabric({"cancel", "job"});
  BOOST_TEST(cancelled.output.find("stopped by SIGTERM") != std::string::npos, said(cancelled));
}

BOOST_AUTO_TEST_CASE(a_job_that_waits_says_why_and_is_taken_from_the_queue) {
  if (Slurm::left_out()) return;
  Slurm::cluster().output("sbatch -N4 --exclusive --wrap 'sleep 60'");
  const Job job("num_nodes: 4\nslurm: {exclusive: true}\nprogram: ['true']\n");
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "--ctrl-c", "leave", "job.yaml"}), job.inside());
  BOOST_TEST(eventually([&] {
               return apply.output().find("waits (Resources)") != std::string::npos ||
                      apply.errors().find("waits (Resources)") != std::string::npos;
             }),
             apply.output() + apply.errors());
  BOOST_TEST(job.state() == "queued");
  // SLURM counts how often it is asked.
  const auto asked = [] {
    return std::stoi(Slurm::cluster().output("sdiag | awk '/REQUEST_JOB_INFO/ {split($0, a, \"count:\"); n += a[2]} END {print n + 0}'"));
  };
  const int before = asked();
  usleep(3000000);
  BOOST_TEST(asked() - before <= 6);
  apply.signal(SIGINT);
  BOOST_TEST(apply.wait(seconds(10)).status.shell_code() == 130);
  const ProgramResult cancelled = job.fabric({"cancel", "job"});
  BOOST_TEST(cancelled.output.find("before its ranks had begun") != std::string::npos, said(cancelled));
  BOOST_TEST(job.state() == "stopped");
  Slurm::cluster().output("scancel --state=RUNNING --user=root; scancel --user=root");
  BOOST_TEST(eventually([] { return Slurm::cluster().output("squeue -h") == ""; }));
}

BOOST_AUTO_TEST_CASE(a_job_that_can_never_start_says_so) {
  if (Slurm::left_out()) return;
  const Job job("slurm: {directives: {hold: true}}\nprogram: ['true']\n");
  const ProgramResult detached = job.fabric({"apply", "--detach", "job.yaml"});
  BOOST_TEST(detached.status.shell_code() == 0, said(detached));
  BOOST_TEST(eventually([&] { return job.fabric({"status", "job"}).output.find("will for ever as it is") != std::string::npos; }));
  job.fabric({"cancel", "job"});
  BOOST_TEST(job.state() == "stopped");
}

BOOST_AUTO_TEST_CASE(a_job_that_waits_runs_the_code_of_the_day_it_was_submitted) {
  if (Slurm::left_out()) return;
  const Job job("slurm: {directives: {hold: true}}\nprogram: {script: train.py, python: /usr/bin/python3}\n");
  job.write("train.py", "import os\nprint('first', os.getcwd(), open(os.path.dirname(__file__) + '/data').read())\n");
  job.write("data", "beside");
  const ProgramResult submitted = job.fabric({"apply", "--detach", "job.yaml"});
  BOOST_TEST(submitted.status.shell_code() == 0, said(submitted));
  job.write("train.py", "print('second')\n");
  Slurm::cluster().output("scontrol release " + job.job_id());
  const ProgramResult watched = job.fabric({"attach", "job"});
  BOOST_TEST(watched.status.shell_code() == 0, said(watched));
  BOOST_TEST(job.log(0, 0) == "first " + job.folder().string() + " beside\n");
}

BOOST_AUTO_TEST_CASE(what_the_cluster_would_never_give_is_refused) {
  if (Slurm::left_out()) return;
  for (const auto& [text, code] : {std::pair{"num_nodes: 9\n", "FAB5211"},
                                   {"slurm: {partition: short}\ntime_limit: 10m\n", "FAB5213"},
                                   {"slurm: {partition: nowhere}\n", "FAB4043"},
                                   {"slurm: {account: b, partition: closed}\n", "FAB5214"}}) {
    const Job job(std::string(text) + "program: ['true']\n");
    const ProgramResult result = job.fabric({"apply", "job.yaml"});
    BOOST_TEST(result.status.shell_code() == 125, said(result));
    BOOST_TEST(result.errors.find(code) != std::string::npos, said(result));
    BOOST_TEST(result.errors.find("job.yaml:") != std::string::npos, said(result));
  }
}

BOOST_AUTO_TEST_CASE(auto_is_what_the_scheduler_says) {
  if (Slurm::left_out()) return;
  const Job job("program: ['true']\n");
  job.write("auto.yaml", "fabric: 1\nbackend: slurm\nprogram: ['true']\n");
  const ProgramResult result = job.fabric({"plan", "auto.yaml"});
  BOOST_TEST(result.output.find("2 ranks on 1 node, one GPU, 8 threads each") != std::string::npos, said(result));
}

BOOST_AUTO_TEST_CASE(what_sbatch_refuses_is_told_in_its_words) {
  if (Slurm::left_out()) return;
  const Job job("slurm: {directives: {gid: nobodys}}\nprogram: ['true']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(result.errors.find("Invalid --gid specification") != std::string::npos, said(result));
  BOOST_TEST(job.state() == "refused");
}

BOOST_AUTO_TEST_CASE(a_failed_rank_starts_again_inside_the_allocation) {
  if (Slurm::left_out()) return;
  const Job job(
      "num_nodes: 2\ndevices: 1\nrestart: {max: 1, backoff: 0s}\nprogram: [bash, -c, 'echo attempt $FABRIC_ATTEMPT; [ $FABRIC_ATTEMPT = 1 ] || exit 9']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 1).find("attempt 1\n") != std::string::npos);
  BOOST_TEST(job.status().find("attempt")->as_integer() == 1);
}

BOOST_AUTO_TEST_CASE(a_requeued_job_goes_on_from_its_checkpoint) {
  if (Slurm::left_out()) return;
  const Job job(
      "num_nodes: 2\ndevices: 1\nslurm: {requeue: true}\ncheckpoint: {path: saved-*}\n"
      "program: [bash, -c, 'if [ -z \"$FABRIC_RESUME_FROM\" ]; then [ $RANK = 1 ] || echo 1 > saved-1; echo up; sleep 60; else echo from $FABRIC_RESUME_FROM; fi']\n");
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  // Rank 0 has saved by then.
  for (const std::string up : {"[0:0] up", "[1:1] up"})
    BOOST_REQUIRE(eventually([&] { return apply.output().find(up) != std::string::npos; }));
  const std::string id = job.job_id();
  Slurm::cluster().output("scontrol requeue " + id);
  BOOST_TEST(eventually(
      [&] {
        return Slurm::cluster().output("squeue -h -o %T") == "PENDING" && Slurm::cluster().output("sinfo -h -o %T -n n1,n2") == "idle";
      },
      seconds(40)));
  sleep(1);  // SLURM may still be ending what was there, and would end the new start with it
  Slurm::cluster().output("scontrol update JobId=" + id + " StartTime=now");
  const ProgramResult result = apply.wait(seconds(60));
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(0, 0).find("from " + (job.folder() / "saved-1").string()) != std::string::npos, job.log(0, 0));
}

BOOST_AUTO_TEST_CASE(gpus_are_those_that_slurm_gives) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 2\nprogram: [bash, -c, 'echo $CUDA_VISIBLE_DEVICES']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml", "--set", "accelerator=cuda"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(job.log(rank / 2, rank) == "0,1\n");
}

BOOST_AUTO_TEST_CASE(the_warning_that_time_is_nearly_over_saves_and_stops) {
  if (Slurm::left_out()) return;
  const Job job(
      "num_nodes: 2\ntime_limit: 10m\nprogram: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n");
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_REQUIRE(eventually([&] { return apply.output().find("[1:1] up") != std::string::npos; }));
  // As SLURM itself does it, by --signal=B:USR1@90 of the script.
  BOOST_TEST(read_text(job.run() / "job.sbatch").find("#SBATCH --signal=B:USR1@90 ") != std::string::npos);
  Slurm::cluster().output("scancel --batch --signal=USR1 " + job.job_id());
  const ProgramResult result = apply.wait(seconds(20));
  BOOST_TEST(result.status.shell_code() == 124, said(result));
  BOOST_TEST(job.log(1, 1).ends_with("saved\n"));
  BOOST_TEST(result.errors.find("the time limit of 10m") != std::string::npos, said(result));
}

BOOST_AUTO_TEST_CASE(a_job_ends_in_order_before_the_limit_that_its_partition_sets) {
  if (Slurm::left_out() || left_out(std::getenv("FABRIC_CLUSTERS") ? "" : "half a minute: scripts/test --all")) return;
  const Job job(
      "slurm: {partition: short}\nstop: {grace: 20s}\nprogram: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 124, said(result));
  BOOST_TEST(job.log(0, 0).ends_with("saved\n"));
}

BOOST_AUTO_TEST_CASE(a_restart_of_slurmctld_is_not_noticed_by_the_run) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\nprogram: [bash, -c, 'echo up; sleep 4; echo on']\n");
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_REQUIRE(eventually([&] { return apply.output().find("[1:1] up") != std::string::npos; }));
  Slurm::cluster().kill_daemon("head", "TERM");
  const std::string state = job.state();
  BOOST_TEST(state == "running");
  Slurm::cluster().start_daemon("head");
  const ProgramResult result = apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 1) == "up\non\n");
}

BOOST_AUTO_TEST_CASE(a_node_that_crashes_ends_the_ranks_and_the_requeued_job_goes_on_without_it) {
  if (Slurm::left_out()) return;
  const Job job(
      "num_nodes: 2\nslurm: {requeue: true}\n"
      "program: [bash, -c, 'echo attempt $FABRIC_ATTEMPT; [ $FABRIC_ATTEMPT = 1 ] || sleep 100']\n");
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_TEST_REQUIRE(eventually([&] { return apply.output().find("[1:1] attempt 0") != std::string::npos; }),
                     apply.output() + apply.errors() + Slurm::cluster().output("squeue -a; sinfo -N -l"));
  const std::string id = job.job_id();
  Slurm::cluster().crash("n2");
  BOOST_TEST(eventually([&] { return Slurm::cluster().output("squeue -h -o %T -j " + id) == "PENDING"; }, seconds(60)));
  BOOST_TEST(eventually([&] { return Slurm::cluster().output("sinfo -h -o %T -n n1") == "idle"; }, seconds(60)),
             Slurm::cluster().output("squeue -a; sinfo -N -l"));
  // Nothing is left on the node that did not crash.
  BOOST_TEST(Slurm::cluster().output("grep -l FABRIC_RUN_ID /proc/[0-9]*/environ 2>/dev/null || true", {.node = "n1"}) == "");
  sleep(1);  // SLURM may still be ending what was there, and would end the new start with it
  Slurm::cluster().output("scontrol update JobId=" + id + " StartTime=now");
  const ProgramResult result = apply.wait(seconds(60));
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 1).find("attempt 1") != std::string::npos);
  Slurm::cluster().boot("n2");
}

BOOST_AUTO_TEST_CASE(our_own_runtime_trains_on_four_nodes_as_on_one_machine) {
  if (Slurm::left_out()) return;
  trains_on_four_nodes_as_on_one_machine(Job("num_nodes: 4\n"), {"--set", "backend=slurm"});
}

BOOST_AUTO_TEST_SUITE_END()
