// The batch scripts of both shapes on a real SLURM: it takes each, and a rank is the same whoever starts it.
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <iterator>
#include <regex>

#include "schema/json.hpp"
#include "tests/clusters/slurm_cluster.hpp"
#include "tests/slurm/directive_lines.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

namespace fs = std::filesystem;

SlurmCluster::Options two_nodes() { return {.nodes = 2, .gpus = 8, .cpus = 64, .memory_mib = 70000}; }
using Slurm = ForSuite<SlurmCluster, two_nodes>;

const std::string fabric_program = std::string(FABRIC_BINARY_DIR) + "/bin/fabric";

// A folder that all nodes see, with a job in it.
class Job {
 public:
  explicit Job(const std::string& text) {
    folder_ = Slurm::cluster().home() / ("shapes-" + std::to_string(++number));
    fs::create_directories(folder_);
    write_text(folder_ / "job.yaml", "fabric: 1\nname: job\nbackend: slurm\nthreads: 1\n" + text);
  }
  const fs::path& folder() const { return folder_; }
  fs::path run() const { return fs::canonical(folder_ / "runs/job/latest"); }
  ProgramResult fabric(std::vector<std::string> words) const {
    words.insert(words.begin(), fabric_program);
    return Slurm::cluster().exec(std::move(words), inside());
  }
  std::string shell(const std::string& line) const { return Slurm::cluster().output(line, inside()); }
  Value status() const { return read_json(read_text(run() / "status.json")).value_or(Value()); }
  std::string state() const { return fs::exists(run() / "status.json") ? status().find("state")->as_string() : ""; }
  // What fabric says of the state.
  std::string told_state(const std::string& name = "job") const {
    const std::optional<Value> status = read_json(fabric({"status", name, "--format", "json"}).output);
    const Value* state = status ? status->find("state") : nullptr;
    return state && state->is_string() ? state->as_string() : "";
  }
  std::string log(int node, int rank, const std::string& below = "") const {
    const fs::path file = run() / below / "nodes" / std::to_string(node) / ("rank-" + std::to_string(rank) + ".log");
    return fs::exists(file) ? read_text(file) : "";
  }

 private:
  Inside inside() const { return {.folder = folder_.string(), .variables = {"NO_COLOR=1", "KEPT=a,b"}, .limit = seconds(100)}; }
  inline static int number = 0;
  fs::path folder_;
};

std::string said(const ProgramResult& result) { return result.output + "--- stderr\n" + result.errors; }

// The variables of a rank, without those that tell of one step or of a shell.
std::vector<std::string> variables_of(const fs::path& file, const fs::path& run) {
  std::vector<std::string> all;
  const std::string text = replaced(read_text(file), run.filename().string(), "RUN");
  const std::regex other("^(SLURM_|SLURMD_|SRUN_|_=|SHLVL=|FABRIC_STOP_FILE=|MASTER_PORT=|TMPDIR=)");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    if (const std::string variable = text.substr(at, end - at); !std::regex_search(variable, other)) all.push_back(variable);
    at = end + 1;
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm_shapes, *boost::unit_test::fixture<Slurm>())

// Linux takes no word above 128 KiB, and quotes are four times as long where they are quoted.
BOOST_AUTO_TEST_CASE(a_rank_is_told_more_than_one_word_can_be) {
  if (Slurm::left_out()) return;
  const std::string quotes(60 << 10, '\'');
  const Job job("accelerator: cpu\nnum_nodes: 2\nslurm: {shape: srun}\nenv: {QUOTES: \"" + quotes +
                "\"}\nprogram: [bash, -c, 'echo ${#1} ${#QUOTES} ${QUOTES:100:2} $RANK', bash, \"" + quotes + "\"]\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank) == "61440 61440 '' " + std::to_string(rank) + "\n");
}

BOOST_AUTO_TEST_CASE(sbatch_takes_every_script) {
  if (Slurm::left_out()) return;
  int scripts = 0;
  for (const auto& entry : fs::directory_iterator(std::string(FABRIC_SOURCE_DIR) + "/tests/slurm/scripts")) {
    const Job job("");
    write_text(job.folder() / "job.yaml", read_text(entry.path() / "job.yaml"));
    const ProgramResult rendered = job.fabric({"plan", "job.yaml", "--render", "slurm", "-o", "out", "--hardware",
                                               FABRIC_SOURCE_DIR "/tests/machines/server-8xh100/hardware.json"});
    BOOST_TEST(rendered.status.good(), said(rendered));
    // What only a site has.
    const std::string script = std::regex_replace(
        read_text(job.folder() / "out/job.sbatch"),
        std::regex("#SBATCH --(partition|reservation|constraint|exclude|dependency|licenses)=[^\n]*\n|,lustre:1,nvme:100"), "");
    write_text(job.folder() / "out/job.sbatch", script);
    const std::string answer = job.shell("cd out && sbatch --test-only job.sbatch 2>&1 || true");
    BOOST_TEST(answer.find("to start at") != std::string::npos, entry.path().filename().string() << ": " << answer);
    ++scripts;
  }
  BOOST_TEST(scripts > 8);
}

BOOST_AUTO_TEST_CASE(sbatch_finds_what_import_holds_it_to) {
  if (Slurm::left_out()) return;
  const Job job("");
  for (const DirectiveLines& row : directive_lines) {
    write_text(job.folder() / "script.sh", "#!/bin/bash\n" + row.lines + "true\n");
    const std::string said = job.shell("sbatch -vvv --test-only script.sh 2>&1 || echo REFUSED");
    std::vector<std::string> found;
    const std::string mark = "Found in script, argument \"";
    for (std::size_t at = 0; (at = said.find(mark, at)) != std::string::npos;) {
      at += mark.size();
      const std::size_t end = said.find("\"\n", at);
      found.push_back(said.substr(at, end - at));
      at = end;
    }
    BOOST_TEST_CONTEXT(row.lines) {
      BOOST_TEST(found == row.words, boost::test_tools::per_element());
      BOOST_TEST((said.find("REFUSED") != std::string::npos) == row.refused, said);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_rank_is_the_same_in_both_shapes) {
  if (Slurm::left_out()) return;
  const std::string body =
      "accelerator: cuda\nnum_nodes: 2\ndevices: 2\nenv: {ODD: \"a'b\\n$HOME, c\", NCCL_IB_HCA: 'mlx5_0,mlx5_1'}\n"
      "program: [bash, -c, 'env -0 >$FABRIC_RUN_DIR/variables.$RANK; printf \"%s|\" \"$0\" \"$@\"', \"a b\", \"\", \"*\", \"x\\n'y\"]\n";
  const Job agents(body), tasks(body + "slurm: {shape: srun}\n");
  for (const Job* job : {&agents, &tasks}) {
    const ProgramResult result = job->fabric({"apply", "job.yaml"});
    BOOST_TEST(result.status.shell_code() == 0, said(result));
    for (int rank = 0; rank < 4; ++rank) BOOST_TEST(job->log(rank / 2, rank) == "a b||*|x\n'y|");
  }
  for (int rank = 0; rank < 4; ++rank) {
    const std::string file = "variables." + std::to_string(rank);
    std::vector<std::string> found = variables_of(tasks.run() / file, tasks.run());
    for (std::string& variable : found) variable = replaced(variable, tasks.folder().string(), agents.folder().string());
    const std::vector<std::string> expected = variables_of(agents.run() / file, agents.run());
    std::vector<std::string> different;
    std::set_symmetric_difference(found.begin(), found.end(), expected.begin(), expected.end(), std::back_inserter(different));
    for (const std::string& variable : different) BOOST_ERROR("not in both shapes: " << variable);
    BOOST_TEST(std::count(found.begin(), found.end(), "RANK=" + std::to_string(rank)) == 1);
    BOOST_TEST(std::count(found.begin(), found.end(), "KEPT=a,b") == 1);
  }
}

BOOST_AUTO_TEST_CASE(an_imported_script_does_what_it_did) {
  if (Slurm::left_out()) return;
  const Job job("");
  write_text(job.folder() / "train.sbatch",
             "#!/bin/bash\n#SBATCH --job-name=job --nodes=2 --ntasks-per-node=2\n#SBATCH --output=out-%j.txt\n"
             "export GREETING=hello\nN=4\nstamp=$(echo $SLURM_JOB_ID-x)\nmkdir -p made\n"
             "srun bash -c \"echo \\$SLURM_PROCID of $N: \\$GREETING $stamp 'a  b' \\$PWD\" | sort\necho behind >made/behind\n");
  job.shell("sbatch --wait train.sbatch");
  const std::string by_hand = read_text(job.folder() / job.shell("ls out-*.txt"));
  const ProgramResult imported = job.fabric({"import", "train.sbatch", "-o", "job.yaml", "--force"});
  BOOST_TEST(imported.status.good(), said(imported));
  fs::remove(job.folder() / "made/behind");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.good(), said(result) + read_text(job.folder() / "job.yaml"));
  std::string by_job;
  for (int rank = 0; rank < 4; ++rank) by_job += job.log(rank / 2, rank);
  // Each has the number of its own job.
  const std::regex number(" [0-9]+-x ");
  BOOST_TEST(std::regex_replace(by_job, number, " N-x ") == std::regex_replace(by_hand, number, " N-x "));
  BOOST_TEST(fs::exists(job.folder() / "made/behind"));
}

BOOST_AUTO_TEST_CASE(an_imported_script_has_its_arguments) {
  if (Slurm::left_out()) return;
  const Job job("");
  write_text(job.folder() / "train.sbatch",
             "#!/bin/bash\n#SBATCH --job-name=job --nodes=2 --ntasks-per-node=1\n#SBATCH --output=out-%j.txt\n"
             "size=$1; config=configs/$size\n: \"${PLACE:=here}\"\nsize=$(echo $config-later)\nshift\nrate=\n"
             "while [ \"$1\" = --lr ]; do rate=$2; shift 2; done\n"
             "srun bash -c 'printf \"<%s>\" \"$@\" \"$SLURM_PROCID\"; echo' bash $config $size \"$rate\" $PLACE \"$@\" | sort\n");
  job.shell("sbatch --wait train.sbatch small --lr '1e-3 warm' \"it's\" 'a  b'");
  const std::string by_hand = read_text(job.folder() / job.shell("ls out-*.txt"));
  BOOST_TEST(by_hand.find("<configs/small><configs/small-later><1e-3 warm><here><it's><a  b><0>") != std::string::npos, by_hand);
  const ProgramResult imported =
      job.fabric({"import", "train.sbatch", "-o", "job.yaml", "--force", "--args", "small --lr '1e-3 warm' \"it's\" 'a  b'"});
  BOOST_TEST(imported.status.good(), said(imported));
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.good(), said(result) + read_text(job.folder() / "job.yaml"));
  BOOST_TEST(job.log(0, 0) + job.log(1, 1) == by_hand, read_text(job.folder() / "job.yaml"));
  // Where sbatch wrote, this job's batch script writes too: both files are in the folder of the script.
  BOOST_TEST(job.shell("ls out-*.txt | wc -l") == "2");
}

BOOST_AUTO_TEST_CASE(one_that_fails_ends_the_others) {
  if (Slurm::left_out()) return;
  const Job job(
      "accelerator: cpu\nnum_nodes: 2\ndevices: 2\nslurm: {shape: srun, teardown: [echo over]}\n"
      "program: [bash, -c, 'echo up; [ $RANK != 2 ] || exit 3; sleep 60']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() != 0, said(result));
  BOOST_TEST(job.state() == "failed");
  BOOST_TEST(job.status().find("exit_code")->as_integer() == result.status.shell_code());
  BOOST_TEST(job.shell("cat runs/job/latest/slurm-*.out").find("over") != std::string::npos);
  BOOST_TEST(job.fabric({"logs", "job"}).output.find("[1:3] up") != std::string::npos);
  BOOST_TEST(eventually([] { return Slurm::cluster().output("squeue -h") == ""; }));
}

BOOST_AUTO_TEST_CASE(cancel_stops_in_order) {
  if (Slurm::left_out()) return;
  const Job job(
      "accelerator: cpu\nnum_nodes: 2\ndevices: 1\nstop: {signal: USR1, grace: 20s}\nslurm: {shape: srun}\n"
      "program: [bash, -c, 'trap \"echo saved; exit 0\" USR1; echo up; while :; do sleep 0.1; done']\n");
  BOOST_TEST(job.fabric({"apply", "--detach", "job.yaml"}).status.good());
  BOOST_REQUIRE(eventually([&] { return job.log(1, 1) == "up\n"; }));
  const ProgramResult cancelled = job.fabric({"cancel", "job"});
  BOOST_TEST(cancelled.status.good(), said(cancelled));
  BOOST_TEST(eventually([&] { return job.state() == "stopped"; }), said(cancelled));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank).ends_with("saved\n"), job.log(rank, rank));
}

BOOST_AUTO_TEST_CASE(ranks_that_do_not_leave_are_killed_after_the_grace) {
  if (Slurm::left_out()) return;
  const Job job(
      "accelerator: cpu\nnum_nodes: 2\ndevices: 1\nstop: {grace: 1s}\nslurm: {shape: srun}\n"
      "program: [bash, -c, 'trap \"\" TERM; echo up; while :; do sleep 0.1; done']\n");
  BOOST_TEST(job.fabric({"apply", "--detach", "job.yaml"}).status.good());
  BOOST_REQUIRE(eventually([&] { return job.log(1, 1) == "up\n"; }));
  job.fabric({"cancel", "job"});
  BOOST_TEST(eventually([&] { return job.state() == "stopped"; }));
  BOOST_TEST(eventually([] { return Slurm::cluster().output("squeue -h") == ""; }));
}

BOOST_AUTO_TEST_CASE(the_end_of_the_time_is_told_to_the_ranks) {
  if (Slurm::left_out() || left_out(std::getenv("FABRIC_CLUSTERS") ? "" : "two minutes: scripts/test --all")) return;
  // SLURM's clock is of 30 seconds: this takes up to two minutes.
  const Job job(
      "accelerator: cpu\nnum_nodes: 2\ndevices: 1\nstop: {signal: USR2, grace: 0s}\ntime_limit: 2m\nslurm: {shape: srun}\n"
      "program: [bash, -c, 'trap \"echo saved $SECONDS; exit 0\" USR2; while :; do sleep 0.1; done']\n");
  BOOST_TEST(job.fabric({"apply", "--detach", "job.yaml"}).status.good());
  BOOST_TEST(eventually([&] { return job.state() == "finished"; }, seconds(110)));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank).find("saved") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_job_that_is_put_back_goes_on_from_its_checkpoint) {
  if (Slurm::left_out()) return;
  const Job job(
      "accelerator: cpu\ncheckpoint: {path: 'saved *.pt'}\nslurm: {shape: srun, requeue: true}\n"
      "program: [bash, -c, 'echo $FABRIC_ATTEMPT from ${FABRIC_RESUME_FROM-nothing}; touch \"saved $FABRIC_ATTEMPT.pt\"; [ $FABRIC_ATTEMPT = 1 ] || sleep 60']\n");
  BOOST_TEST(job.fabric({"apply", "--detach", "job.yaml"}).status.good());
  BOOST_REQUIRE(eventually([&] { return fs::exists(job.folder() / "saved 0.pt"); }));
  job.shell("scontrol requeue $(squeue -h -o %A)");
  BOOST_TEST(eventually([&] { return job.told_state() == "queued"; }), job.told_state());
  // By itself it would start after two minutes.
  BOOST_TEST(eventually(
      [&] {
        job.shell("scontrol update JobId=$(squeue -h -o %A) StartTime=now 2>/dev/null || true");
        return job.state() == "finished";
      },
      seconds(60)));
  const std::string log = job.log(0, 0);
  BOOST_TEST(log.starts_with("0 from nothing\n"), log);
  BOOST_TEST(log.find("1 from " + (job.folder() / "saved 0.pt").string() + '\n') != std::string::npos, log);
  BOOST_TEST(job.status().find("attempt")->as_integer() == 1);
}

BOOST_AUTO_TEST_CASE(each_index_of_an_array_is_a_run_of_its_own) {
  if (Slurm::left_out()) return;
  for (const char* shape : {"agent", "srun"}) {
    const Job job("accelerator: cpu\ndevices: 2\nslurm: {array: 3-4, shape: " + std::string(shape) +
                  "}\nprogram: [bash, -c, 'echo $SLURM_ARRAY_TASK_ID $RANK $FABRIC_RUN_DIR']\n");
    BOOST_TEST(job.fabric({"apply", "--detach", "job.yaml"}).status.good());
    BOOST_TEST(eventually([] { return Slurm::cluster().output("squeue -h") == ""; }));
    for (const std::string index : {"3", "4"})
      for (int rank = 0; rank < 2; ++rank) {
        const std::string expected = index + ' ' + std::to_string(rank) + ' ' + job.run().string() + '_' + index + '\n';
        BOOST_TEST(job.log(0, rank, "../" + job.run().filename().string() + '_' + index) == expected,
                   shape << ": " << job.shell("cat runs/job/latest/slurm-*.out"));
      }
  }
}

BOOST_AUTO_TEST_CASE(what_is_written_to_a_folder_runs_from_there) {
  if (Slurm::left_out()) return;
  for (const std::string shape : {"agent", "srun"}) {
    const Job job("accelerator: cpu\ndevices: 1\nslurm: {shape: " + shape + "}\nprogram: [work.py]\n");
    write_text(job.folder() / "work.py", "print('of today')\n");
    const ProgramResult written = job.fabric({"plan", "job.yaml", "--render", "slurm", "-o", "out"});
    BOOST_TEST(written.status.good(), said(written));
    write_text(job.folder() / "work.py", "print('of tomorrow')\n");
    job.shell("cd out && sbatch --wait job.sbatch");
    const fs::path log = job.folder() / "out/nodes/0/rank-0.log";
    BOOST_TEST_REQUIRE(fs::exists(log), shape << job.shell("cat out/slurm-*.out"));
    BOOST_TEST(read_text(log) == "of today\n", shape);
  }
  const Job job("accelerator: cpu\ndevices: 1\nslurm: {shape: srun}\nprogram: [work.py]\n");
  write_text(job.folder() / "work.py", "print('none')\n");
  const std::string said_by_script =
      job.shell("mkdir out && " + fabric_program +
                " plan job.yaml --render slurm >out/job.sbatch && cd out && sbatch -W job.sbatch; cat slurm-*.out");
  BOOST_TEST(said_by_script.find("there is no copy of the code in ") != std::string::npos, said_by_script);
}

// The last index has the number of the whole array as its own.
BOOST_AUTO_TEST_CASE(an_index_that_is_stopped_leaves_the_others_alone) {
  if (Slurm::left_out()) return;
  for (const char* shape : {"agent", "srun"}) {
    const Job job("accelerator: cpu\ndevices: 1\nslurm: {array: 3-4, shape: " + std::string(shape) + "}\nprogram: [work.py]\n");
    write_text(job.folder() / "work.py",
               "import os, time\nprint('copied', __file__ != os.path.abspath('work.py'), flush=True)\n"
               "while not os.path.exists('go'): time.sleep(0.05)\n");
    BOOST_TEST(job.fabric({"apply", "--detach", "job.yaml"}).status.good());
    const auto log = [&](const std::string& index) { return job.log(0, 0, "../" + job.run().filename().string() + '_' + index); };
    BOOST_REQUIRE(eventually([&] { return log("3") == "copied True\n" && log("4") == "copied True\n"; }));
    const std::string last = job.shell("squeue -h -o '%F %A %K' | awk '$1 == $2 { printf \"%s\", $3 }'");
    const std::string other = last == "3" ? "4" : "3";
    BOOST_TEST_REQUIRE((last == "3" || last == "4"), last);
    BOOST_TEST(job.fabric({"cancel", "job_" + last}).status.good());
    BOOST_TEST(job.told_state("job_" + last) == "stopped", shape);
    BOOST_TEST(job.told_state("job_" + other) == "running", shape);
    write_text(job.folder() / "go", "");
    BOOST_TEST(eventually([&] { return job.told_state("job_" + other) == "finished"; }), shape);
    BOOST_TEST(eventually([] { return Slurm::cluster().output("squeue -h") == ""; }));
  }
}

BOOST_AUTO_TEST_SUITE_END()
