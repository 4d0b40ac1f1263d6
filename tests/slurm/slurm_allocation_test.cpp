// A run in an allocation that is there already: at once, on its nodes, conducted by the process that was asked, and with no job of its own.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <map>
#include <optional>

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
  BOOST_TEST(eventually([&] { return job.state() == "stopped" || job.state() == "lost"; }), job.state());
  BOOST_TEST(eventually([] { return Nodes::cluster().output("squeue -h") == ""; }));
}

BOOST_AUTO_TEST_CASE(setup_runs_once_before_the_agents_and_teardown_behind_them) {
  if (Nodes::left_out()) return;
  const AllocatedJob job(
      "num_nodes: 2\nslurm: {setup: ['echo made >>$HOME/made', 'export MADE=\"by setup\"'], teardown: ['echo gone >>$HOME/made']}\n"
      "program: [bash, -c, 'echo $MADE']\n");
  const ProgramResult result = apply_behind(job, {"salloc", "--quiet", "--nodes=2"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank) == "by setup\n");
  BOOST_TEST(Nodes::cluster().output("cat $HOME/made") == "made\ngone");
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
  BOOST_TEST(says(job.fabric({"apply", "--in-allocation", "--set", "backend=local", "job.yaml"}), "the backend of this job is local"));
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

BOOST_AUTO_TEST_CASE(a_job_number_alone_is_none) {
  BOOST_TEST(!by({}).has_value());
  BOOST_TEST(!by({{"SLURM_JOB_ID", "7"}}).has_value());
  BOOST_TEST(!by({{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NODELIST", "n1"}})->in_step);
  BOOST_TEST(by({{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NODELIST", "n1"}, {"SLURM_STEP_ID", "0"}})->in_step);
}

BOOST_AUTO_TEST_SUITE_END()
