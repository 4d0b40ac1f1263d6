// A run in an allocation that is there already: at once, on its nodes, conducted by the process that was asked, and with no job of its own.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>

#include "launch_backends/slurm_allocation.hpp"
#include "tests/slurm/slurm_job.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

SlurmCluster::Options of_four_nodes() { return {.nodes = 4, .gpus = 2, .cpus = 8}; }
using Nodes = ForSuite<SlurmCluster, of_four_nodes>;
using AllocatedJob = SlurmTestJob<Nodes>;

// fabric ... behind what gives it an allocation.
std::vector<std::string> behind(std::vector<std::string> words, const std::vector<std::string>& line) {
  words.push_back(fabric_program);
  words.insert(words.end(), line.begin(), line.end());
  return words;
}
const std::vector<std::string> in_allocation = {"apply", "--in-allocation", "job.yaml"};

ProgramResult apply_behind(const AllocatedJob& job, std::vector<std::string> words, const std::vector<std::string>& line = in_allocation) {
  return Nodes::cluster().exec(behind(std::move(words), line), job.inside());
}
bool says(const ProgramResult& result, const std::string& text) { return (result.output + result.errors).find(text) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm_allocations, *boost::unit_test::fixture<Nodes>())

BOOST_AUTO_TEST_CASE(ranks_run_on_its_nodes_without_a_job_of_their_own) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("num_nodes: 4\ndevices: 2\nprogram: [bash, -c, 'echo $RANK $NODE_RANK $WORLD_SIZE $MASTER_ADDR $(hostname)']\n");
  const ProgramResult result = apply_behind(job, {"salloc", "--quiet", "--nodes=4", "--ntasks-per-node=1", "--cpus-per-task=2"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(says(result, "n[1-4]"), said(result));
  for (int rank = 0; rank < 8; ++rank) {
    const std::string node = std::to_string(rank / 2);
    BOOST_TEST(job.log(rank / 2, rank) == std::to_string(rank) + ' ' + node + " 8 n1 n" + std::to_string(rank / 2 + 1) + "\n");
  }
  BOOST_TEST(job.state() == "finished");
  BOOST_TEST(!std::filesystem::exists(job.run() / "job.json"));
  BOOST_TEST(Nodes::cluster().output("squeue -h") == "");
}

BOOST_AUTO_TEST_CASE(fewer_nodes_than_it_has_are_its_first_ones) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("num_nodes: 2\nprogram: [bash, -c, 'hostname; echo $MASTER_ADDR']\n");
  const ProgramResult result = apply_behind(job, {"salloc", "--quiet", "--nodes=3", "--nodelist=n[2-4]"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(0, 0) == "n2\nn2\n");
  BOOST_TEST(job.log(1, 1) == "n3\nn2\n");
}

// It is itself a task of the job, and its agents are not to wait for its end.
BOOST_AUTO_TEST_CASE(a_shell_of_srun_is_an_allocation_too) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("num_nodes: 2\ndevices: 2\nprogram: [hostname]\n");
  const std::string first_task =
      "if [ $SLURM_PROCID = 0 ]; then \"$@\"; code=$?; touch over; exit $code; fi; until [ -e over ]; do sleep 0.1; done";
  const ProgramResult result =
      apply_behind(job, {"srun", "--nodes=2", "--ntasks=2", "--cpus-per-task=2", "bash", "-c", first_task, "bash"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(job.log(rank / 2, rank) == "n" + std::to_string(rank / 2 + 1) + "\n");
  BOOST_TEST(job.state() == "finished");
}

BOOST_AUTO_TEST_CASE(the_culprit_is_named_and_the_allocation_stays) {
  if (Nodes::left_out()) return;
  const AllocatedJob job(
      "num_nodes: 2\nrestart: {max: 1, backoff: 0s}\n"
      "program: [bash, -c, 'echo attempt $TORCHELASTIC_RESTART_COUNT; [ $RANK = 0 ] || exit 7; exec sleep 60']\n");
  const ProgramResult result =
      apply_behind(job, {"salloc", "--quiet", "--nodes=2", "bash", "-c", "\"$@\"; echo code $?; srun hostname", "bash"});
  BOOST_TEST(says(result, "code 7\n"), said(result));
  BOOST_TEST(says(result, "rank 1 exited with code 7"), said(result));
  BOOST_TEST(job.log(1, 1) == "attempt 0\nattempt 1\n");
  // The nodes are the shell's as before.
  BOOST_TEST(says(result, "\nn1\n"), said(result));
  BOOST_TEST(says(result, "\nn2\n"), said(result));
}

BOOST_AUTO_TEST_CASE(ctrl_c_and_cancel_stop_it_in_order) {
  if (Nodes::left_out()) return;
  const std::string program =
      "num_nodes: 2\nprogram: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n";
  for (const bool by_cancel : {false, true}) {
    const AllocatedJob job(program);
    RunningCommand apply(Nodes::cluster(),
                         behind({"salloc", "--quiet", "--nodes=2", "bash", "-c", "trap : INT; \"$@\"; exit $?", "bash"}, in_allocation),
                         job.inside());
    BOOST_REQUIRE(eventually([&] { return apply.output().find("[1:1] up") != std::string::npos; }));
    if (by_cancel) BOOST_TEST(says(job.fabric({"cancel", "job"}), "stopped by SIGTERM"));
    else Nodes::cluster().output("pkill -INT -f '^" + fabric_program + " apply --in-allocation'");
    const ProgramResult result = apply.wait(seconds(20));
    BOOST_TEST(result.status.shell_code() == (by_cancel ? 143 : 130), said(result));
    for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank).ends_with("saved\n"));
    BOOST_TEST(job.state() == "stopped");
  }
}

BOOST_AUTO_TEST_CASE(an_allocation_that_is_taken_away_ends_it) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("num_nodes: 2\nprogram: [bash, -c, 'echo up; exec sleep 60']\n");
  RunningCommand apply(Nodes::cluster(), behind({"salloc", "--quiet", "--nodes=2"}, in_allocation), job.inside());
  BOOST_REQUIRE(eventually([&] { return apply.output().find("[1:1] up") != std::string::npos; }));
  Nodes::cluster().output("scancel --user=root");
  const ProgramResult result = apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() != 0, said(result));
  BOOST_TEST(says(result, "of SLURM is over (C"), said(result));
  BOOST_TEST(job.state() == "stopped");
  BOOST_TEST(eventually([] { return Nodes::cluster().output("squeue -h") == ""; }));
}

// As in a batch script: in the folder of the run, with nothing to read, and what it exports is there for the ranks of all attempts and for
// teardown.
BOOST_AUTO_TEST_CASE(setup_runs_once_and_teardown_behind_it) {
  if (Nodes::left_out()) return;
  const AllocatedJob job(
      "num_nodes: 2\nrestart: {max: 1, backoff: 0s}\n"
      "slurm: {setup: ['read -r x || true', 'echo made >>made; echo to stdout', 'export MADE=\"by setup\"', 'sleep 33 &'],\n"
      "  teardown: ['echo \"gone, $MADE\" >>made; echo bye']}\n"
      "program: [bash, -c, 'echo $MADE; [ $TORCHELASTIC_RESTART_COUNT = 1 ]']\n");
  const auto begin = std::chrono::steady_clock::now();
  const ProgramResult result =
      apply_behind(job, {"salloc", "--quiet", "--nodes=2"}, {"apply", "--in-allocation", "--format", "json", "job.yaml"});
  BOOST_TEST((std::chrono::steady_clock::now() - begin < seconds(9)));
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank) == "by setup\nby setup\n");
  BOOST_TEST(read_text(job.run() / "made") == "made\ngone, by setup\n");
  const std::optional<Value> summary = read_json(result.output);
  BOOST_TEST_REQUIRE(summary.has_value(), said(result));
  BOOST_TEST(summary->find("verdict")->as_string() == "finished");
  BOOST_TEST(result.errors.find("to stdout\n") != std::string::npos, said(result));
  Nodes::cluster().output("pkill -f 'sleep 33'");
}

BOOST_AUTO_TEST_CASE(a_setup_that_fails_or_is_left_ends_the_run) {
  if (Nodes::left_out()) return;
  const AllocatedJob bad("slurm: {setup: ['echo no such module >&2; exit 3'], teardown: ['echo gone >>made']}\nprogram: ['true']\n");
  const ProgramResult result = apply_behind(bad, {"salloc", "--quiet"});
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(says(result, "no such module"), said(result));
  BOOST_TEST(says(result, "slurm.setup"), said(result));
  BOOST_TEST(says(result, "exited with code 3"), said(result));
  BOOST_TEST(bad.state() == "refused");
  BOOST_TEST(read_text(bad.run() / "made") == "gone\n");

  const AllocatedJob slow("slurm: {setup: ['echo begun >begun; sleep 60']}\nprogram: ['true']\n");
  RunningCommand apply(Nodes::cluster(), behind({"salloc", "--quiet"}, in_allocation), slow.inside());
  BOOST_REQUIRE(eventually([&] { return std::filesystem::exists(slow.folder() / "runs/job/latest/begun"); }));
  Nodes::cluster().output("pkill -INT -f '^" + fabric_program + " apply --in-allocation'");
  BOOST_TEST(apply.wait(seconds(10)).status.shell_code() == 130);
  BOOST_TEST(slow.state() == "stopped");
}

BOOST_AUTO_TEST_CASE(gpus_are_those_of_the_allocation) {
  if (Nodes::left_out()) return;
  const std::string text = "num_nodes: 2\ndevices: 2\nprogram: [bash, -c, 'echo $LOCAL_RANK of $CUDA_VISIBLE_DEVICES']\n";
  // Of a job on GPUs: the line of the file says cpu.
  const std::vector<std::string> line = {"apply", "--in-allocation", "--set", "accelerator=cuda", "job.yaml"};
  const AllocatedJob job(text);
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--gres=gpu:2"}, {"--ntasks-per-node=2", "--gpus-per-task=1"}, {"--gpus=4", "--ntasks-per-gpu=1"}}) {
    std::vector<std::string> words = {"salloc", "--quiet", "--nodes=2", "--cpus-per-task=2"};
    words.insert(words.end(), more.begin(), more.end());
    const ProgramResult result = apply_behind(job, words, line);
    BOOST_TEST(result.status.shell_code() == 0, said(result));
    BOOST_TEST(job.log(1, 3) == "1 of 0,1\n");
  }
  for (const auto& [more, has] :
       {std::pair{"--gres=gpu:1", "has 1 GPU of a node, and the job wants 2"}, {"--gres=none", "has 0 GPUs of a node"}}) {
    const ProgramResult result = apply_behind(job, {"salloc", "--quiet", "--nodes=2", "--cpus-per-task=2", more}, line);
    BOOST_TEST(result.status.shell_code() == 125, said(result));
    BOOST_TEST(says(result, has), said(result));
    BOOST_TEST(says(result, "--gres=gpu:2"), said(result));
  }
}

// What a job leaves open is decided by what the shell has, whatever the partition gives.
BOOST_AUTO_TEST_CASE(what_is_auto_is_that_of_the_allocation) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("num_nodes: 3\nslurm: {partition: gone}\nprogram: [bash, -c, 'echo $OMP_NUM_THREADS of $WORLD_SIZE']\n");
  const ProgramResult result = apply_behind(job, {"salloc", "--quiet", "--nodes=3", "--cpus-per-task=3"},
                                            {"apply", "--in-allocation", "--set", "threads=auto", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(2, 2) == "3 of 3\n");
}

BOOST_AUTO_TEST_CASE(the_time_of_the_allocation_is_named) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("time_limit: 36h\nstop: {grace: 1s}\nprogram: [bash, -c, 'exec sleep 100']\n");
  const ProgramResult result = apply_behind(job, {"salloc", "--quiet", "--time=1"});
  BOOST_TEST(result.status.shell_code() == 124, said(result));
  BOOST_TEST(says(result, "stopped at the end of the time of allocation "), said(result));
}

// The terminal tells it, and so does the shell that goes with it.
BOOST_AUTO_TEST_CASE(a_window_that_is_closed_leaves_the_ranks_their_grace) {
  if (Nodes::left_out()) return;
  const AllocatedJob job(
      "num_nodes: 2\nprogram: [bash, -c, 'trap \"sleep 0.5; echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n");
  RunningCommand window(Nodes::cluster(),
                        {"script", "-qc", "salloc --quiet --nodes=2 " + fabric_program + " apply --in-allocation job.yaml", "/dev/null"},
                        job.inside());
  BOOST_REQUIRE(eventually([&] { return window.output().find("up") != std::string::npos; }));
  BOOST_REQUIRE(eventually([&] { return job.log(1, 1) == "up\n"; }));
  window.signal(SIGKILL);  // script goes, and with it the other end of the terminal
  window.wait(seconds(10));
  BOOST_TEST(eventually([&] { return job.state() == "stopped"; }), job.state());
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank).ends_with("saved\n"));
}

BOOST_AUTO_TEST_CASE(it_is_cancelled_from_another_machine_through_its_folder) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("num_nodes: 2\nprogram: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n");
  RunningCommand apply(Nodes::cluster(), behind({"salloc", "--quiet", "--nodes=2"}, in_allocation), job.inside());
  BOOST_REQUIRE(eventually([&] { return apply.output().find("[1:1] up") != std::string::npos; }));
  const auto on_n3 = [&](const std::string& words) {
    return Nodes::cluster().exec(
        {"srun", "--quiet", "--nodelist=n3", "bash", "-c", "cd " + job.folder().string() + " && " + fabric_program + ' ' + words},
        job.inside());
  };
  BOOST_TEST(says(on_n3("status job"), " on head"), said(on_n3("status job")));
  const ProgramResult cancelled = on_n3("cancel job");
  BOOST_TEST(cancelled.status.good(), said(cancelled));
  const ProgramResult result = apply.wait(seconds(20));
  BOOST_TEST(says(result, "by `fabric cancel` on n3"), said(result));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank).ends_with("saved\n"));
}

BOOST_AUTO_TEST_CASE(a_run_that_was_stopped_goes_on_in_an_allocation) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("num_nodes: 1\nprogram: [bash, -c, 'echo here; [ -e go ] || exit 3']\n");
  BOOST_TEST(job.fabric({"apply", "job.yaml"}).status.shell_code() == 3);
  BOOST_TEST(std::filesystem::exists(job.run() / "job.json"));
  job.write("go", "");
  const ProgramResult result = apply_behind(job, {"salloc", "--quiet"}, {"resume", "--in-allocation", "job"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(0, 0) == "here\nhere\n");
  BOOST_TEST(!std::filesystem::exists(job.run() / "job.json"));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_into_it_is_refused_before_the_start) {
  if (Nodes::left_out()) return;
  const std::vector<std::string> salloc = {"salloc", "--quiet", "--nodes=2", "--cpus-per-task=2"};
  const auto refused = [&](const std::string& text, const std::string& code, const std::string& why) {
    const AllocatedJob job(text);
    const ProgramResult result = apply_behind(job, salloc);
    BOOST_TEST(result.status.shell_code() == 125, said(result));
    BOOST_TEST(says(result, code), said(result));
    BOOST_TEST(says(result, why), said(result));
    BOOST_TEST(!std::filesystem::exists(job.folder() / "runs"));
  };
  refused("num_nodes: 3\nprogram: ['true']\n", "FAB5249", "has 2 nodes, and the job wants 3");
  refused("num_nodes: 2\ndevices: 4\nprogram: ['true']\n", "FAB5249", "has 2 CPUs of a node, and the job wants 4");
  refused("slurm: {array: 0-1}\nprogram: [bash, -c, 'echo $SLURM_ARRAY_TASK_ID']\n", "FAB5249", "each index of an array");
  refused("slurm: {shape: srun}\nprogram: ['true']\n", "FAB5249", "an agent on each node");
  const AllocatedJob job("program: ['true']\n");
  const ProgramResult none = job.fabric({"apply", "--in-allocation", "job.yaml"});
  BOOST_TEST(none.status.shell_code() == 125, said(none));
  BOOST_TEST(says(none, "FAB5248"), said(none));
  BOOST_TEST(says(none, "salloc --nodes=1"), said(none));
  const ProgramResult other = job.fabric({"apply", "--in-allocation", "--set", "backend=local", "job.yaml"});
  BOOST_TEST(other.status.shell_code() == 125, said(other));
  BOOST_TEST(says(other, "the backend of this job is local"), said(other));
  const ProgramResult several = apply_behind(job, {"salloc", "--quiet", "-N1", ":", "-N1"});
  BOOST_TEST(several.status.shell_code() == 125, said(several));
  BOOST_TEST(says(several, "is heterogeneous"), said(several));
}

// A window of tmux keeps the variables of a job that has ended.
BOOST_AUTO_TEST_CASE(an_allocation_of_yesterday_is_none) {
  if (Nodes::left_out()) return;
  const std::string variables = Nodes::cluster().output("salloc --quiet bash -c 'env | grep ^SLURM_JOB'");
  BOOST_REQUIRE(eventually([] { return Nodes::cluster().output("squeue -h") == ""; }));
  std::vector<std::string> words = {"env"};
  std::istringstream lines(variables);
  for (std::string line; std::getline(lines, line);) words.push_back(line);
  const AllocatedJob job("program: ['true']\n");
  const ProgramResult refused = apply_behind(job, words);
  BOOST_TEST(refused.status.shell_code() == 125, said(refused));
  BOOST_TEST(says(refused, "FAB5248"), said(refused));
  BOOST_TEST(says(refused, "has ended"), said(refused));
  const ProgramResult submitted = apply_behind(job, words, {"apply", "job.yaml"});
  BOOST_TEST(submitted.status.shell_code() == 0, said(submitted));
  BOOST_TEST(!says(submitted, "--in-allocation"), said(submitted));
}

BOOST_AUTO_TEST_CASE(a_run_that_is_left_there_ends_with_it) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("num_nodes: 2\nprogram: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n");
  const ProgramResult result = apply_behind(job, {"salloc", "--quiet", "--nodes=2", "bash", "-c", "\"$@\"; sleep 1", "bash"},
                                            {"apply", "--in-allocation", "--detach", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(read_text(job.run() / "console.log").find("ends with the allocation") != std::string::npos);
  BOOST_TEST(eventually([&] { return job.state() == "stopped"; }), job.state());
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank).ends_with("saved\n"));
}

// Whoever does not ask for it gets a job of its own, and is told of the other way.
BOOST_AUTO_TEST_CASE(without_being_asked_nothing_starts_there) {
  if (Nodes::left_out()) return;
  const AllocatedJob job("program: ['true']\n");
  const ProgramResult result = apply_behind(job, {"salloc", "--quiet"}, {"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(says(result, "`--in-allocation` starts it there"), said(result));
  BOOST_TEST(std::filesystem::exists(job.run() / "job.json"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(variables_of_an_allocation)

std::optional<SlurmAllocation> by(const std::map<std::string, const char*>& variables) {
  return slurm_allocation([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second;
  });
}

BOOST_AUTO_TEST_CASE(cpus_are_counted_for_each_node) {
  const auto cpus = [](const char* list) {
    return by({{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NODELIST", "n[1-4]"}, {"SLURM_JOB_CPUS_PER_NODE", list}})->cpus;
  };
  using Counts = std::vector<std::int64_t>;
  BOOST_TEST((cpus("8") == Counts{8}));
  BOOST_TEST((cpus("8(x3),4") == Counts{8, 8, 8, 4}));
  BOOST_TEST((cpus("72(x2),36,1(x2)") == Counts{72, 72, 36, 1, 1}));
  BOOST_TEST(cpus("").empty());
}

BOOST_AUTO_TEST_CASE(what_slurm_says_of_it_is_read) {
  SlurmAllocation allocation;
  read_allocation(
      "JobId=1 JobName=x JobState=RUNNING Reason=None Partition=gpu NumNodes=3 JOB_GRES=gpu:h100:6,nvme:9 "
      "  Nodes=n[1-2] CPU_IDs=0-1 Mem=200 GRES=gpu:h100:3(IDX:0-2),nvme:3(CNT:3)   Nodes=n3 CPU_IDs=0-1 Mem=200 GRES=gpu:a:1(IDX:0),gpu:b:1(IDX:1) "
      "MinCPUsNode=2 Command=/x GRES=gpu:9 JobState=DONE",
      allocation);
  BOOST_TEST(allocation.state == "RUNNING");
  BOOST_TEST(allocation.partition == "gpu");
  BOOST_TEST(allocation.gpus.value() == 2);
  SlurmAllocation without;
  read_allocation("JobId=1 JobState=COMPLETED Partition=cpu Nodes=n1 CPU_IDs=0 Mem=0 GRES= Command=(null)", without);
  BOOST_TEST(without.has_ended());
  BOOST_TEST(without.gpus.value() == 0);
}

BOOST_AUTO_TEST_CASE(a_job_number_alone_is_none) {
  BOOST_TEST(!by({}).has_value());
  BOOST_TEST(!by({{"SLURM_JOB_ID", "7"}}).has_value());
  BOOST_TEST(!by({{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NODELIST", "n1"}})->in_step);
  BOOST_TEST(by({{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NODELIST", "n1"}, {"SLURM_STEP_ID", "0"}})->in_step);
}

BOOST_AUTO_TEST_SUITE_END()
