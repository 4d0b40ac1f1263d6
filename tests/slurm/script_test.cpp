// Each folder tests/slurm/scripts/CASE is a test: the batch script that `fabric plan --render slurm` writes of its job.yaml, to the letter.
// FABRIC_ACCEPT=1 writes job.sbatch anew. Beyond the letter, bash must be able to read each, and shellcheck finds nothing.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <regex>

#include "launch_backends/bash_word.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/slurm_options.hpp"
#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;

const fs::path source_folder = FABRIC_SOURCE_DIR;
const fs::path scripts_folder = source_folder / "tests/slurm/scripts";
const std::string task_begin = "<<'END_OF_TASK'\n", task_end = "END_OF_TASK\n)";

ProgramResult run_command(std::vector<std::string> argv, const std::string& input = "", std::vector<std::string> variables = {}) {
  ProcessStart start;
  start.argv = std::move(argv);
  start.env = {"PATH=/usr/bin:/bin"};
  start.env.insert(start.env.end(), variables.begin(), variables.end());
  return run_program(std::move(start), input, std::size_t{1} << 20, std::chrono::seconds(30));
}

// Without what differs from one build or folder to the next.
std::string normalised(std::string text, const fs::path& folder) {
  text = replaced(std::move(text), folder.string(), "CASE");
  text = replaced(std::move(text), FABRIC_BINARY_DIR, "BUILD");
  text = replaced(std::move(text), source_folder.string(), "SOURCE");
  text = std::regex_replace(text, std::regex("[0-9a-f]{64}"), "PLAN");
  text = std::regex_replace(text, std::regex("plan [0-9a-f]{12}"), "plan ID");
  return std::regex_replace(text, std::regex("\\b[0-9]+\\.[0-9]+\\.[0-9]+ \\([0-9a-f]{12}\\+?\\)"), "VERSION");
}

// The script of a job in a new folder of its own; empty, with a complaint, where fabric refuses.
std::string rendered(const Folder& folder, const std::string& job, const std::string& out = "out") {
  folder.write("job.yaml", job);
  const ProgramRun run = run_fabric({"plan", "job.yaml", "--render", "slurm", "-o", out, "--hardware",
                                     (source_folder / "tests/machines/server-8xh100/hardware.json").string()},
                                    folder.path());
  BOOST_TEST(run.exit_code == 0, run.out << run.err);
  return run.exit_code == 0 ? folder.read(out + "/job.sbatch") : "";
}

// What a task of srun is given to do; empty in the shape `agent`.
std::string task_of(const std::string& script) {
  const std::size_t begin = script.find(task_begin);
  if (begin == std::string::npos) return "";
  const std::size_t end = script.find(task_end, begin);
  BOOST_REQUIRE(end != std::string::npos);
  return script.substr(begin + task_begin.size(), end - begin - task_begin.size());
}

void check_shell(const std::string& text, const Folder& folder) {
  folder.write("checked.sh", text);
  const std::string file = (folder.path() / "checked.sh").string();
  const ProgramResult parsed = run_command({"bash", "-n", file});
  BOOST_TEST((parsed.status.good() && parsed.errors.empty()), parsed.errors);
  if (!fs::exists("/usr/bin/shellcheck")) {
    BOOST_TEST_MESSAGE("left out: shellcheck is not there to read the scripts");
    return;
  }
  // What a trap calls and files of the site are unknown to it, and an argument may look like something to expand.
  const ProgramResult checked = run_command({"shellcheck", "--shell=bash", "--severity=info", "--exclude=SC1091,SC2016", file});
  BOOST_TEST(checked.status.good(), checked.output << checked.errors);
}

// The files that stand beside a job.
void copy_neighbours(const fs::path& input, const Folder& folder) {
  for (const auto& entry : fs::directory_iterator(input))
    if (entry.path().filename() != "job.sbatch") fs::copy(entry.path(), folder.path() / entry.path().filename());
}

void check_script(const fs::path& input) {
  const Folder folder;
  copy_neighbours(input, folder);
  const std::string script = rendered(folder, read_text(input / "job.yaml"));
  const std::string found = normalised(script, folder.path());
  const fs::path expected_file = input / "job.sbatch";
  if (const char* accept = std::getenv("FABRIC_ACCEPT"); accept && std::string_view(accept) == "1") write_text(expected_file, found);
  BOOST_REQUIRE_MESSAGE(fs::exists(expected_file), "no job.sbatch; FABRIC_ACCEPT=1 writes it:\n" << found);
  const std::string expected = read_text(expected_file);
  BOOST_TEST(found == expected, "expected\n" << expected << "\nfound\n" << found);
  check_shell(script, folder);
  if (const std::string task = task_of(script); !task.empty()) check_shell(task, folder);
  for (const char* name : {"plan.json", "job.sbatch"}) BOOST_TEST(fs::exists(folder.path() / "out" / name));
}

[[maybe_unused]] const bool scripts_are_registered = [] {
  std::vector<fs::path> inputs;
  for (const auto& entry : fs::directory_iterator(scripts_folder)) inputs.push_back(entry.path());
  std::sort(inputs.begin(), inputs.end());
  for (const fs::path& input : inputs)
    boost::unit_test::framework::current_auto_test_suite().add(
        boost::unit_test::make_test_case([input] { check_script(input); }, input.filename().string(), __FILE__, __LINE__));
  return true;
}();

BOOST_AUTO_TEST_CASE(bash_reads_a_word_byte_for_byte_in_any_locale) {
  std::vector<std::string> words = {"",   " ",  "plain/word.txt", "a'b", "$HOME `id` \\ \"q\" !x", "\n", "\\n", "-n", "~", "*", "'",
                                    "''", "a=b"};
  std::string all;
  for (int byte = 1; byte < 256; ++byte) all += static_cast<char>(byte);
  words.push_back(all);
  for (int byte = 1; byte < 256; ++byte) words.push_back(std::string(1, static_cast<char>(byte)) + "1");
  std::string script = "printf '%s\\0'", expected;
  for (const std::string& word : words) {
    script += ' ' + bash_word(word);
    expected += word + '\0';
    BOOST_TEST(bash_word(word).find('\n') == std::string::npos);
  }
  for (const char* locale : {"C", "C.UTF-8", "zh_CN.GB18030"}) {
    const ProgramResult result = run_command({"bash"}, script + '\n', {std::string("LC_ALL=") + locale});
    BOOST_TEST(result.output == expected, "in locale " << locale);
  }
}

// Runs the task of a script as srun would start it, on this machine.
ProgramResult run_task(const std::string& task, const std::string& run, int rank, std::vector<std::string> variables) {
  for (const std::string& place : {"SLURM_PROCID=" + std::to_string(rank), "SLURM_LOCALID=" + std::to_string(rank % 2),
                                   "SLURM_NODEID=" + std::to_string(rank / 2), std::string("SLURM_STEP_NUM_TASKS=4")})
    variables.push_back(place);
  return run_command({"bash", "-c", task, "fabric", "10.0.0.7", "15123", run, "2", ""}, "", std::move(variables));
}

std::vector<std::string> cut_at_nul(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

BOOST_AUTO_TEST_CASE(a_task_becomes_the_rank_that_the_plan_describes) {
  const Folder folder;
  const std::string task =
      task_of(rendered(folder,
                       "fabric: 1\nbackend: slurm\naccelerator: cpu\ndevices: 2\nnum_nodes: 2\nthreads: 1\nbinding: none\n"
                       "env: {ODD: \"a'b\\n$HOME\", EMPTY: ''}\n"
                       "program: {command: [env, '-0'], local_rank_option: --x, inherit: [PATH, 'KEPT_*'], args: []}\n"
                       "slurm: {shape: srun}\n"));
  const std::string argv = "exec -- env -0";
  BOOST_REQUIRE(task.find(argv) != std::string::npos);
  const std::string shown = task.substr(0, task.find(argv)) + argv + '\n';
  const ProgramResult result =
      run_task(shown, "/runs/job/one", 3,
               {"KEPT_ONE=yes", "GONE=yes", "RANK=7", "ROLE_OLD=x", "FABRIC_OLD=x", "SLURM_JOB_ID=9", "BASH_FUNC_module%%=() { echo; }"});
  BOOST_TEST(result.status.good(), result.errors);
  std::vector<std::string> found = cut_at_nul(result.output);
  // bash tells what it starts where it is.
  std::erase_if(found, [](const std::string& v) {
    return v.starts_with("_=") || v.starts_with("PWD=") || v.starts_with("OLDPWD=") || v.starts_with("SHLVL=");
  });
  std::sort(found.begin(), found.end());
  const std::vector<std::string> expected = {"EMPTY=",
                                             "FABRIC_ATTEMPT=2",
                                             "FABRIC_EVENTS=/runs/job/one/nodes/1/rank-3.events.jsonl",
                                             "FABRIC_PLAN=/runs/job/one/plan.json",
                                             "FABRIC_RUN_DIR=/runs/job/one",
                                             "FABRIC_RUN_ID=job/one",
                                             "GROUP_RANK=1",
                                             "GROUP_WORLD_SIZE=2",
                                             "KEPT_ONE=yes",
                                             "LOCAL_RANK=1",
                                             "LOCAL_WORLD_SIZE=2",
                                             "LT_ACCELERATOR=cpu",
                                             "MASTER_ADDR=10.0.0.7",
                                             "MASTER_PORT=15123",
                                             "NODE_RANK=1",
                                             "ODD=a'b\n$HOME",
                                             "OMP_NUM_THREADS=1",
                                             "PATH=/usr/bin:/bin",
                                             "PYTHONUNBUFFERED=1",
                                             "RANK=3",
                                             "ROLE_NAME=main",
                                             "ROLE_RANK=3",
                                             "ROLE_WORLD_SIZE=4",
                                             "TORCHELASTIC_ERROR_FILE=/runs/job/one/nodes/1/rank-3.error.json",
                                             "TORCHELASTIC_MAX_RESTARTS=0",
                                             "TORCHELASTIC_RESTART_COUNT=2",
                                             "TORCHELASTIC_RUN_ID=job/one",
                                             "WORLD_SIZE=4"};
  BOOST_TEST(found == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(arguments_arrive_as_they_are_written) {
  const Folder folder;
  const std::string task = task_of(rendered(folder, read_text(scripts_folder / "srun_with_odd_text/job.yaml")));
  const ProgramResult result = run_command({"bash", "-c", task, "fabric", "h", "1", "/r", "0", ""}, "",
                                           {"SLURM_PROCID=0", "SLURM_LOCALID=0", "SLURM_NODEID=0", "SLURM_STEP_NUM_TASKS=1"});
  BOOST_TEST(result.status.good(), result.errors);
  BOOST_TEST(result.output == "| |a'b|$HOME `id` \\ \"q\" !x|two\nlines\t|gr\u00fc\u00df \u202e|*|~|-n|END_OF_TASK|#c|a=b|");
}

BOOST_AUTO_TEST_CASE(a_task_with_another_place_than_the_plan_has_refuses) {
  const Folder folder;
  const std::string task = task_of(rendered(folder, read_text(scripts_folder / "srun/job.yaml")));
  BOOST_TEST(run_task(task, "/r", 0, {}).status.good());
  const ProgramResult result = run_command({"bash", "-c", task, "fabric", "h", "1", "/r", "0", ""}, "",
                                           {"SLURM_PROCID=1", "SLURM_LOCALID=0", "SLURM_NODEID=1", "SLURM_STEP_NUM_TASKS=4"});
  BOOST_TEST(result.status.shell_code() == 125);
  BOOST_TEST(result.errors.find("the plan has 4, 2 a node") != std::string::npos, result.errors);
}

BOOST_AUTO_TEST_CASE(gpus_are_the_first_of_those_that_slurm_has_given) {
  const Folder folder;
  const std::string text = rendered(folder,
                                    "fabric: 1\nbackend: slurm\naccelerator: cuda\ndevices: 2\nnum_nodes: 2\nthreads: 1\nbinding: none\n"
                                    "program: [printenv, CUDA_VISIBLE_DEVICES]\nslurm: {shape: srun}\n");
  const std::string task = task_of(text);
  BOOST_TEST(run_task(task, "/r", 1, {"CUDA_VISIBLE_DEVICES=5,GPU-7,6"}).output == "5,GPU-7\n");
  BOOST_TEST(run_task(task, "/r", 1, {}).output == "0,1\n");
  const ProgramResult few = run_task(task, "/r", 1, {"CUDA_VISIBLE_DEVICES=5"});
  BOOST_TEST(few.status.shell_code() == 125);
  BOOST_TEST(few.errors.find("SLURM gave the GPUs 5") != std::string::npos, few.errors);
}

// Without what may differ: who wrote it, of which plan, and from which line of which file.
std::string bare(const std::string& script) {
  std::string text = std::regex_replace(script, std::regex("(^|\n)# [^\n]*, by fabric [^\n]*"), "");
  text =
      std::regex_replace(text, std::regex(" +# [a-z_.]+(\\[[0-9]+\\])?[A-Za-z0-9_.\"-]*, (as by default|auto|job.yaml[^\n]*)(?=\n)"), "");
  return std::regex_replace(text, std::regex("[0-9a-f]{64}"), "PLAN");
}

BOOST_AUTO_TEST_CASE(a_script_is_imported_as_the_job_that_it_was_made_of) {
  int by_plan = 0, by_script = 0;
  for (const auto& entry : fs::directory_iterator(scripts_folder)) {
    // What trains keeps no folder of its own.
    if (entry.path().filename() == "srun_of_our_runtime") continue;
    const Folder folder;
    copy_neighbours(entry.path(), folder);
    const std::string script = rendered(folder, read_text(entry.path() / "job.yaml"));
    for (const bool with_plan : {true, false}) {
      if (!with_plan) fs::remove(folder.path() / "out/plan.json");
      const ProgramRun imported = run_fabric({"import", "out/job.sbatch", "-o", "job.yaml", "--force"}, folder.path());
      if (!with_plan && task_of(script).empty()) {
        BOOST_TEST(imported.exit_code == 4);
        BOOST_TEST(imported.err.find("FAB6115") != std::string::npos, imported.err);
        continue;
      }
      BOOST_TEST(imported.exit_code == 0, imported.err);
      ++(with_plan ? by_plan : by_script);
      const std::string job = folder.read("job.yaml");
      const std::string second = rendered(folder, job, with_plan ? "by_plan" : "by_script");
      const std::string expected = bare(script), found = bare(second);
      BOOST_TEST(found == expected, entry.path().filename().string() << ", of the job\n"
                                                                     << job << "\nexpected\n"
                                                                     << expected << "\nfound\n"
                                                                     << found);
    }
  }
  BOOST_TEST(by_plan >= 10);
  BOOST_TEST(by_script >= 7);
}

BOOST_AUTO_TEST_CASE(options_are_in_their_order_and_unlike) {
  for (std::size_t i = 1; i < slurm_options().size(); ++i)
    BOOST_TEST((slurm_options()[i - 1].name < slurm_options()[i].name), slurm_options()[i].name);
  BOOST_TEST(find_slurm_option('N')->name == "nodes");
  BOOST_TEST(abbreviated_slurm_option("part")->name == "partition");
  BOOST_TEST(!abbreviated_slurm_option("partition"));
  BOOST_TEST(!abbreviated_slurm_option("x-site"));
}

BOOST_AUTO_TEST_CASE(folders_and_images_have_to_be_there) {
  const Folder folder;
  const std::string job =
      "fabric: 1\nbackend: slurm\naccelerator: cpu\nthreads: 1\nprogram: [hostname]\n"
      "slurm: {output: OUT/%j.out, container: {image: ./torch.sif, runtime: apptainer}}\n";
  folder.write("job.yaml", replaced(job, "OUT", "/tmp/nonexistent/logs"));
  const std::string errors = run_fabric({"plan", "job.yaml"}, folder.path()).err;
  BOOST_TEST(errors.find("error[FAB5001]: /tmp/nonexistent/logs: ") != std::string::npos, errors);
  BOOST_TEST(errors.find("error[FAB5002]: " + (folder.path() / "torch.sif").string() + ": ") != std::string::npos, errors);
  folder.write("torch.sif", "");
  folder.write("job.yaml", replaced(job, "OUT", folder.path().string()));
  const ProgramRun run = run_fabric({"plan", "job.yaml"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.err);
}

BOOST_AUTO_TEST_CASE(a_rank_that_is_told_too_much_is_refused_before) {
  const Folder folder;
  folder.write("job.yaml", "fabric: 1\nbackend: slurm\naccelerator: cpu\nthreads: 1\nprogram: [hostname, " + std::string(1100 << 10, 'x') +
                               "]\nslurm: {shape: srun}\n");
  const ProgramRun run = run_fabric({"plan", "job.yaml"}, folder.path());
  BOOST_TEST(run.err.find("error[FAB5240]") != std::string::npos, run.err.substr(0, 1000));
}

}  // namespace
}  // namespace fabric::testing
