// What is around a job of the backend slurm where it is submitted, and what of that reaches its ranks: variables of the user, of sbatch and
// of an outer job, folders that are not there. And what fabric says of a run while SLURM does not answer.
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "tests/slurm/slurm_job.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

SlurmCluster::Options of_two() { return {.nodes = 2, .gpus = 0, .own_networks = false}; }
using Slurm = ForSuite<SlurmCluster, of_two>;
using Job = SlurmTestJob<Slurm>;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

ProgramResult with_variables(const Job& job, const std::vector<std::string>& variables, std::vector<std::string> line) {
  Inside inside = job.inside();
  inside.variables.insert(inside.variables.end(), variables.begin(), variables.end());
  return Slurm::cluster().exec(std::move(line), std::move(inside));
}

double seconds_of(const std::function<void()>& what) {
  const auto begin = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm_surroundings, *boost::unit_test::fixture<Slurm>())

BOOST_AUTO_TEST_CASE(variables_reach_ranks_whole_or_not_at_all) {
  if (Slurm::left_out()) return;
  const std::vector<std::string> variables = {"MINE=a,b c", "SECRET=x"};
  // srun's own --export would cut a value at its comma.
  const Job all("num_nodes: 2\nenv: {NCCL_IB_HCA: 'mlx5_0,mlx5_1'}\nprogram: [bash, -c, 'echo \"$NCCL_IB_HCA|$MINE|$SECRET\"']\n");
  const ProgramResult inherited = with_variables(all, variables, Job::line({"apply", "job.yaml"}));
  BOOST_TEST(inherited.status.shell_code() == 0, said(inherited));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(all.log(rank, rank) == "mlx5_0,mlx5_1|a,b c|x\n");

  const Job none("num_nodes: 2\nenv: {LIST: 'a,b'}\nprogram: {command: [bash, -c, 'echo \"$LIST|$MINE|$SECRET|$RANK\"'], inherit: none}\n");
  const ProgramResult bare = with_variables(none, variables, Job::line({"apply", "job.yaml"}));
  BOOST_TEST(bare.status.shell_code() == 0, said(bare));
  BOOST_TEST(has(read_text(none.run() / "job.sbatch"), "#SBATCH --export=NIL "));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(none.log(rank, rank) == "a,b|||" + std::to_string(rank) + "\n");
}

BOOST_AUTO_TEST_CASE(variables_of_sbatch_and_srun_change_nothing) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 2\nprogram: [bash, -c, 'echo $WORLD_SIZE']\n");
  const ProgramResult result = with_variables(
      job,
      {"SBATCH_PARTITION=nowhere", "SBATCH_TIMELIMIT=1", "SBATCH_ARRAY_INX=0-3", "SBATCH_EXPORT=NONE", "SBATCH_OUTPUT=/nowhere/x",
       "SBATCH_NO_REQUEUE=1", "SLURM_LABELIO=1", "SLURM_EXPORT_ENV=NONE", "SLURM_NTASKS=7", "SQUEUE_FORMAT=%i", "SRUN_EXPORT_ENV=NIL"},
      Job::line({"apply", "job.yaml"}));
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(job.log(rank / 2, rank) == "4\n");
  // What the script itself sets would label each word of the agents.
  const Job labels("num_nodes: 2\nslurm: {setup: [export SLURM_LABELIO=1 SLURM_UNBUFFEREDIO=1]}\nprogram: [bash, -c, 'echo up']\n");
  const ProgramResult labelled = labels.fabric({"apply", "job.yaml"});
  BOOST_TEST(labelled.status.shell_code() == 0, said(labelled));
}

BOOST_AUTO_TEST_CASE(nothing_of_an_outer_job_is_taken_for_that_of_the_inner) {
  if (Slurm::left_out()) return;
  const Job job(
      "num_nodes: 2\ndevices: 1\nprogram: [bash, -c, 'echo $SLURM_JOB_ID $SLURM_JOB_NUM_NODES $WORLD_SIZE ${SLURM_ARRAY_TASK_ID-none} ${OUTER-none}']\n");
  const ProgramResult result =
      with_variables(job, {"OUTER=1"},
                     {"srun", "--chdir=" + job.folder().string(), "-N1", "-n1", "--job-name=outer", "env", "SLURM_ARRAY_TASK_ID=5",
                      "SLURM_ARRAY_JOB_ID=1", "SLURM_RESTART_COUNT=3", fabric_program, "apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank) == job.job_id() + " 2 2 none 1\n");
  BOOST_TEST(job.status().find("attempt")->as_integer() == 0);
}

// module and conda stand in for those of a site: a function that the environment brings, as Lmod's is, and a program on the PATH.
BOOST_AUTO_TEST_CASE(modules_and_environments_reach_ranks_of_both_shapes) {
  if (Slurm::left_out()) return;
  const std::filesystem::path home = Slurm::cluster().home();
  Slurm::cluster().output(
      "mkdir -p site && python3 -m venv --without-pip venv && cat >site/conda && chmod +x site/conda",
      {.input = "#!/bin/bash\n[ \"$*\" = 'shell.bash hook' ] && echo 'conda() { export CONDA_DEFAULT_ENV=\"$1 $2\"; }'\n"});
  const std::vector<std::string> variables = {"BASH_FUNC_module%%=() { export LOADED=\"$LOADED $*\"; }",
                                              "PATH=" + (home / "site").string() + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"};
  const std::string venv = (home / "venv").string();
  for (const std::string shape : {"agent", "srun"})
    for (const bool conda : {true, false}) {
      // One that fails at once would end the other before it has begun.
      const Job job(
          "num_nodes: 2\nslurm: {shape: " + shape + ", modules: [cuda/12.6, nccl], " + (conda ? "conda: train" : "venv: " + venv) +
          ", setup: ['export OF_SETUP=\"a  b\"', 'echo set >prepared'], teardown: ['echo \"$OF_SETUP $(hostname)\" >over']}\n"
          "program: [bash, -c, 'echo \"$LOADED|$CONDA_DEFAULT_ENV|$VIRTUAL_ENV|$OF_SETUP\"; if [ $RANK = 0 ]; then touch up; else while ! [ -e up ]; do sleep 0.1; done; exit 3; fi']\n");
      const ProgramResult result = with_variables(job, variables, Job::line({"apply", "job.yaml"}));
      BOOST_TEST(result.status.shell_code() == 3, said(result));
      for (int rank = 0; rank < 2; ++rank)
        BOOST_TEST(job.log(rank, rank).starts_with(" load cuda/12.6 load nccl|" + (conda ? "activate train|" : '|' + venv) + "|a  b\n"),
                   job.log(rank, rank));
      BOOST_TEST(read_text(job.run() / "prepared") == "set\n");
      // However the ranks have ended, on the first node.
      BOOST_TEST(read_text(job.run() / "over").starts_with("a  b n"));
    }
}

BOOST_AUTO_TEST_CASE(a_run_that_has_failed_is_resumed_as_another_job_in_its_folder) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\nprogram: [bash, -c, 'echo attempt $FABRIC_ATTEMPT; [ $FABRIC_ATTEMPT = 1 ] || { sleep 0.5; exit 9; }']\n");
  BOOST_TEST(job.fabric({"apply", "job.yaml"}).status.shell_code() == 9);
  const std::string first = job.job_id();
  const ProgramResult result = job.fabric({"resume", "job"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.job_id() != first);
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank) == "attempt 0\nattempt 1\n");
  BOOST_TEST(has(job.fabric({"resume", "job"}).errors, "FAB6004"));
}

BOOST_AUTO_TEST_CASE(logs_are_followed_to_the_end_of_the_run) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\nprogram: [bash, -c, 'echo up; while [ ! -e go ]; do sleep 0.1; done; echo over']\n");
  BOOST_TEST(job.fabric({"apply", "--detach", "job.yaml"}).status.shell_code() == 0);
  RunningCommand logs(Slurm::cluster(), Job::line({"logs", "-f", "job"}), job.inside());
  BOOST_TEST(eventually([&] { return has(logs.output(), "[0:0] up") && has(logs.output(), "[1:1] up"); }), logs.output() + logs.errors());
  job.write("go", "");
  const ProgramResult result = logs.wait(seconds(20));
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST((has(result.output, "[0:0] over") && has(result.output, "[1:1] over")), said(result));
}

// SLURM makes no folder, and a job whose output has none dies without a word.
BOOST_AUTO_TEST_CASE(the_folder_for_output_has_to_be_there) {
  if (Slurm::left_out()) return;
  const Job job("slurm: {output: logs/%x-%j.out}\nprogram: ['true']\n");
  const ProgramResult refused = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(refused.status.shell_code() == 125, said(refused));
  BOOST_TEST(has(refused.errors, "FAB5001"), said(refused));
  BOOST_TEST(has(refused.errors, "job.yaml:"), said(refused));
  std::filesystem::create_directories(job.folder() / "logs");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(has(read_text(job.folder() / "logs" / ("job-" + job.job_id() + ".out")), "finished"));
}

BOOST_AUTO_TEST_CASE(a_run_is_told_of_and_stopped_while_slurm_does_not_answer) {
  if (Slurm::left_out()) return;
  const Job job(
      "devices: 2\n"
      "program: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n");
  const Job waits("slurm: {directives: {hold: true}}\nprogram: ['true']\n");
  const Job array(
      "devices: 1\nslurm: {array: '0-1'}\n"
      "program: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n");
  if (std::getenv("FABRIC_CLUSTERS")) {
    BOOST_TEST(array.fabric({"apply", "--detach", "job.yaml"}).status.shell_code() == 0);
    for (const char* index : {"_0", "_1"})
      BOOST_TEST_REQUIRE(eventually([&] {
        const std::string log = array.run().string() + index + "/nodes/0/rank-0.log";
        return std::filesystem::exists(log) && has(read_text(log), "up");
      }));
  }
  BOOST_TEST(job.fabric({"apply", "--detach", "job.yaml"}).status.shell_code() == 0);
  BOOST_TEST(waits.fabric({"apply", "--detach", "job.yaml"}).status.shell_code() == 0);
  BOOST_TEST_REQUIRE(eventually([&] { return job.state() == "running"; }));
  Slurm::cluster().kill_daemon("head", "STOP");

  ProgramResult result;
  // A run that goes on is told of by its files.
  BOOST_TEST(seconds_of([&] { result = job.fabric({"status", "job"}); }) < 3);
  BOOST_TEST(has(result.output, "running"), said(result));
  BOOST_TEST(seconds_of([&] { result = job.fabric({"logs", "job"}); }) < 3);
  BOOST_TEST(has(result.output, "[0:1] up"), said(result));
  // One that waits, as far as that is known.
  BOOST_TEST(seconds_of([&] { result = waits.fabric({"status", "job"}); }) < 9);
  BOOST_TEST(has(result.output, "queued"), said(result));
  BOOST_TEST(has(result.output, "SLURM does not answer"), said(result));
  if (std::getenv("FABRIC_CLUSTERS")) {
    for (int i = 0; i < 3; ++i)
      std::filesystem::copy(waits.run(), waits.run().string() + std::to_string(i), std::filesystem::copy_options::recursive);
    BOOST_TEST(seconds_of([&] { result = waits.fabric({"list"}); }) < 9);
    BOOST_TEST(seconds_of([&] { result = waits.fabric({"cancel", "job"}); }) < 9);
    BOOST_TEST(result.status.shell_code() != 0, said(result));
    BOOST_TEST(has(result.errors, "squeue did not answer"), said(result));
  }
  if (std::getenv("FABRIC_CLUSTERS")) {
    BOOST_TEST(seconds_of([&] { result = array.fabric({"cancel", "job"}); }) < 25);
    BOOST_TEST(result.status.shell_code() == 0, said(result));
    for (const char* index : {"_0", "_1"}) BOOST_TEST(read_text(array.run().string() + index + "/nodes/0/rank-0.log").ends_with("saved\n"));
    BOOST_TEST(array.state() == "stopped");
  }
  BOOST_TEST(seconds_of([&] { result = job.fabric({"cancel", "job"}); }) < 12);
  BOOST_TEST(has(result.output, "through the folder of the run"), said(result));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(0, rank).ends_with("saved\n"));
  // So that a later start of the same job is told too.
  BOOST_TEST(has(read_text(job.run() / "conductor.json"), "\"job\":\"" + job.job_id() + '"'), read_text(job.run() / "conductor.json"));
  Slurm::cluster().kill_daemon("head", "CONT");
  BOOST_TEST(eventually([&] { return waits.state() == "queued" && !has(waits.fabric({"status", "job"}).output, "does not answer"); }));
  waits.fabric({"cancel", "job"});
}

BOOST_AUTO_TEST_SUITE_END()
