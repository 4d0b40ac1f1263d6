// The job file that `fabric init` writes: it says what was seen, and it plans without a warning, with and without its commented lines.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <ostream>
#include <regex>

#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The lines without the blanks and reasons behind them.
std::string said(const std::string& text) { return std::regex_replace(text, std::regex("  +# [^\n]*"), ""); }

struct Script {
  std::string name, text;
  std::vector<std::string> lines;  // that the job has
  std::vector<std::string> lacks;
};
std::ostream& operator<<(std::ostream& out, const Script& script) { return out << script.name; }

const Script scripts[] = {
    {"train.py",
     "import torch.distributed as dist\ndist.init_process_group()\n",
     {"\nname: train\n", "\n  script: train.py\n", "\n  contract: torchrun\n"},
     {"local_rank", "\n  python:"}},
    {"fabric_cli.py", "from lightning.fabric import Fabric\nfabric = Fabric()\n", {"\n  contract: fabric-cli\n"}, {}},
    {"launches.py", "from lightning.fabric import Fabric\nfabric = Fabric()\nfabric.launch()\n", {"\n  contract: torchrun\n"}, {}},
    {"old.py", "import torch.distributed\nparser.add_argument('--local_rank', type=int)\n", {"\n  local_rank_option: --local_rank\n"}, {}},
    {"new.py", "import torch.distributed\nparser.add_argument('--local-rank', type=int)\n", {"\n  local_rank_option: --local-rank\n"}, {}},
    {"both.py",
     "parser.add_argument('--local-rank', default=os.environ['LOCAL_RANK'])\n",
     {"\n  contract: torchrun\n"},
     {"local_rank_option"}},
    {"spawns.py", "import torch.multiprocessing as mp\nmp.spawn(main)\n", {"\n  contract: none\n"}, {}},
    {"spawns_with_option.py",
     "import torch.multiprocessing as mp\nparser.add_argument('--local_rank', type=int)\nmp.spawn(main)\n",
     {"\n  contract: none\n"},
     {"local_rank_option"}},
    {"alone.py", "print('x')\n", {"\ndevices: 1\n"}, {}},
    {"odd name: #1.py", "import accelerate\n", {"\nname: odd-name---1\n", "\n  script: \"odd name: #1.py\"\n"}, {}},
};

const char* const machines[] = {"laptop-2cpu", "server-8xh100", "server-4xv100", "mixed-gpus"};

std::string hardware_of(const std::string& machine) { return FABRIC_SOURCE_DIR "/tests/machines/" + machine + "/hardware.json"; }

void plans_without_a_word(const Folder& folder, const std::string& job, const std::string& machine) {
  const ProgramRun run = run_fabric({"plan", job, "--hardware", hardware_of(machine)}, folder.path());
  BOOST_TEST(run.exit_code == 0, folder.read(job) << run.err);
  BOOST_TEST(run.err == "", folder.read(job));
  std::string all = std::regex_replace(folder.read(job), std::regex("(^|\n)( *)# ([a-z_]+:)"), "$1$2$3");
  BOOST_TEST(contains(said(all), "\ntime_limit: 36h\n"), all);
  folder.write("all.yaml", all);
  const ProgramRun more = run_fabric({"plan", "all.yaml", "--hardware", hardware_of(machine)}, folder.path());
  BOOST_TEST(more.exit_code == 0, all << more.err);
  BOOST_TEST(more.err == "", all);
}

BOOST_AUTO_TEST_SUITE(init)

BOOST_DATA_TEST_CASE(writes_a_job_that_plans_without_a_warning,
                     boost::unit_test::data::make(scripts) * boost::unit_test::data::make(machines), script, machine) {
  const Folder folder;
  folder.write(script.name, script.text);
  const ProgramRun run = run_fabric({"init", script.name, "--hardware", hardware_of(machine)}, folder.path());
  BOOST_TEST_REQUIRE(run.exit_code == 0, run.err);
  BOOST_TEST(contains(run.out, "fabric plan job.yaml"), run.out);
  const std::string text = said(folder.read("job.yaml"));
  for (const std::string& line : script.lines) BOOST_TEST(contains(text, line), text);
  for (const std::string& line : script.lacks) BOOST_TEST(!contains(text, line), text);
  plans_without_a_word(folder, "job.yaml", machine);
}

BOOST_AUTO_TEST_CASE(devices_are_those_of_the_machine) {
  const Folder folder;
  folder.write("train.py", "import deepspeed\n");
  for (const auto& [machine, devices] : {std::pair{"laptop-2cpu", "1"}, {"server-8xh100", "8"}, {"server-4xv100", "4"}}) {
    BOOST_TEST(run_fabric({"init", "train.py", "--force", "--hardware", hardware_of(machine)}, folder.path()).exit_code == 0);
    BOOST_TEST(contains(said(folder.read("job.yaml")), std::string("\ndevices: ") + devices + "\n"), folder.read("job.yaml"));
  }
  BOOST_TEST(contains(folder.read("job.yaml"), "4 GPUs (Tesla V100"), folder.read("job.yaml"));
}

// On the machine of the test too, and then it runs.
BOOST_AUTO_TEST_CASE(the_job_runs_here_wherever_it_stands) {
  const Folder folder;
  folder.write("src/train.py", "import os\nprint(os.environ['RANK'], os.path.basename(os.getcwd()))\n");
  folder.write("src/.venv/pyvenv.cfg", "");
  fs::create_directories(folder.path() / "src/.venv/bin");
  fs::create_directories(folder.path() / "jobs");
  fs::create_symlink("/usr/bin/python3", folder.path() / "src/.venv/bin/python");
  const ProgramRun run = run_fabric({"init", "src/train.py", "-o", "jobs/first.yaml"}, folder.path());
  BOOST_TEST_REQUIRE(run.exit_code == 0, run.err);
  const std::string text = folder.read("jobs/first.yaml");
  for (const char* line : {"\n  script: ../src/train.py ", "\n  python: ../src/.venv ", "\n  cwd: \"..\" "})
    BOOST_TEST(contains(text, line), text);
  const ProgramRun applied = run_fabric({"apply", "jobs/first.yaml", "--set", "accelerator=cpu", "--set", "devices=2"}, folder.path());
  BOOST_TEST(applied.exit_code == 0, applied.err);
  BOOST_TEST(contains(applied.out, "[0:1] 1 " + folder.path().filename().string() + "\n"), applied.out);
  // The environment that is active is the default, and what a user means.
  BOOST_TEST(run_fabric({"init", "src/train.py", "-o", "active.yaml"}, folder.path(), {"VIRTUAL_ENV=/usr"}).exit_code == 0);
  BOOST_TEST(contains(folder.read("active.yaml"), "\n  # python:"), folder.read("active.yaml"));
}

BOOST_AUTO_TEST_CASE(a_program_that_is_no_python_script) {
  const Folder folder;
  folder.write("go.sh", "#!/bin/sh\necho from $RANK\n");
  ProgramRun run = run_fabric({"init", "go.sh"}, folder.path());
  BOOST_TEST(run.exit_code == 3);
  BOOST_TEST(contains(run.err, "chmod +x go.sh"), run.err);
  fs::permissions(folder.path() / "go.sh", fs::perms::owner_exec, fs::perm_options::add);
  BOOST_TEST(run_fabric({"init", "go.sh"}, folder.path()).exit_code == 0);
  plans_without_a_word(folder, "job.yaml", "server-8xh100");
  run = run_fabric({"apply", "job.yaml", "--set", "accelerator=cpu"}, folder.path());
  BOOST_TEST(contains(run.out, "[0:0] from 0\n"), run.out << run.err);
}

BOOST_AUTO_TEST_CASE(a_data_set_makes_a_job_of_fabrics_own_runtime) {
  const Folder folder;
  fs::create_directories(folder.path() / "mnist");
  ProgramRun run = run_fabric({"init", "--data", "mnist"}, folder.path());
  BOOST_TEST(run.exit_code == 3);
  BOOST_TEST(contains(run.err, "has no train-images-idx3-ubyte"), run.err);
  for (const char* file : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"})
    folder.write(std::string("mnist/") + file, "");
  for (const char* machine : machines) {
    run = run_fabric({"init", "--data", "mnist/", "--force", "--hardware", hardware_of(machine)}, folder.path());
    BOOST_TEST_REQUIRE(run.exit_code == 0, run.err);
    BOOST_TEST(contains(said(folder.read("job.yaml")), "\n  data: mnist\n"), folder.read("job.yaml"));
    BOOST_TEST(contains(said(folder.read("job.yaml")), "\nname: mnist\n"), folder.read("job.yaml"));
    plans_without_a_word(folder, "job.yaml", machine);
  }
  BOOST_TEST(contains(folder.read("job.yaml"), "precision: 32-true"), folder.read("job.yaml"));
}

BOOST_AUTO_TEST_CASE(what_is_there_is_left_alone) {
  const Folder folder;
  folder.write("train.py", "import accelerate\n");
  folder.write("job.yaml", "mine\n");
  ProgramRun run = run_fabric({"init", "train.py"}, folder.path());
  BOOST_TEST(run.exit_code == 3);
  BOOST_TEST(contains(run.err, "`job.yaml` is there already"), run.err);
  BOOST_TEST(contains(run.err, "--force"), run.err);
  BOOST_TEST(folder.read("job.yaml") == "mine\n");
  fs::create_symlink("nowhere", folder.path() / "link.yaml");
  BOOST_TEST(run_fabric({"init", "train.py", "-o", "link.yaml"}, folder.path()).exit_code == 3);
  BOOST_TEST(!fs::exists(folder.path() / "nowhere"));
  run = run_fabric({"init", "train.py", "--force", "--format", "json"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.err);
  const std::optional<Value> document = read_json(run.out);
  BOOST_TEST_REQUIRE(document.has_value(), run.out);
  BOOST_TEST((*document->find("file") == Value((folder.path() / "job.yaml").string())));
  BOOST_TEST((*document->find("next") == Value("fabric plan job.yaml")));
  // Nothing but these: no half of a file under another name.
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path())) ++files;
  BOOST_TEST(files == 3u);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_a_first_job_is_refused) {
  const Folder folder;
  folder.write("train.py", "");
  folder.write("job.yml", "fabric: 1\n");
  fs::create_directories(folder.path() / "folder.yaml");
  struct Refused {
    Words words;
    std::string says;
  };
  for (const Refused& refused : {Refused{{"init"}, "needs a SCRIPT, or --data DIR"},
                                 {{"init", "none.py"}, "there is no script `none.py`"},
                                 {{"init", "job.yml"}, "fabric plan job.yml"},
                                 {{"init", "train.py", "--data", "."}, "not both"},
                                 {{"init", "--data", "none"}, "is no folder"},
                                 {{"init", "train.py", "-o", "job.txt"}, "ends in .yaml"},
                                 {{"init", "train.py", "-o", "none/job.yaml"}, "there is no folder none"},
                                 {{"init", "train.py", "-o", "folder.yaml"}, "is a folder"}}) {
    const ProgramRun run = run_fabric(refused.words, folder.path());
    BOOST_TEST(run.exit_code == 3);
    BOOST_TEST(contains(run.err, refused.says), run.err);
    BOOST_TEST(contains(run.err, "help:"), run.err);
  }
  const ProgramRun run = run_fabric({"init", "train.py", "--hardware", "job.yml"}, folder.path());
  BOOST_TEST(run.exit_code == 4);
  BOOST_TEST(!fs::exists(folder.path() / "job.yaml"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
