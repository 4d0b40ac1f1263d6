// Scripts for PyTorch, Lightning and Accelerate, each under its own launcher and under ours: the same metric of each rank. Lightning's own
// program `fabric` is first on PATH.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <string_view>

#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;

// The interpreter that tests/foreign/setup printed; empty: the cases are left out.
std::string interpreter() {
  const char* python = std::getenv("FABRIC_FOREIGN_PYTHON");
  return python ? python : "";
}

bool left_out() {
  if (!interpreter().empty()) return false;
  BOOST_TEST_MESSAGE("left out: scripts/test --all installs what it needs");
  BOOST_TEST(true);
  return true;
}

struct Result {
  int code = 0;
  std::string text;
};

Result shell(const Folder& folder, const std::string& line) {
  const std::string bin = fs::path(interpreter()).parent_path().string();
  folder.write("line.sh", "cd " + folder.path().string() + "\nexport PATH=" + bin +
                              ":$PATH VIRTUAL_ENV=" + fs::path(bin).parent_path().string() +
                              " OMP_NUM_THREADS=1 ACCELERATE_USE_CPU=true\nunset CUDA_VISIBLE_DEVICES\n" + line + " >out 2>&1\n");
  const int status = std::system(("timeout 300 bash " + (folder.path() / "line.sh").string()).c_str());
  return {WEXITSTATUS(status), folder.read("out")};
}

// What ranks print as a metric, sorted. Under their own launchers the lines of two ranks may run into one.
std::vector<std::string> metrics(const std::string& text) {
  constexpr std::string_view word = "metric ";
  std::vector<std::string> found;
  for (std::size_t at = text.find(word); at != std::string::npos;) {
    const std::size_t next = text.find(word, at + word.size());
    found.push_back(text.substr(at, std::min(next, text.find('\n', at)) - at));
    at = next;
  }
  std::sort(found.begin(), found.end());
  return found;
}

const std::string ours = FABRIC_BINARY_DIR "/bin/fabric ";
const std::string scripts = FABRIC_SOURCE_DIR "/tests/foreign/scripts/";

struct Script {
  std::string theirs, ours;
};
std::ostream& operator<<(std::ostream& out, const Script& script) { return out << script.ours; }

const Script same[] = {
    {"torchrun --nproc-per-node 2 " + scripts + "torch_distributed.py", "run --nproc-per-node 2 " + scripts + "torch_distributed.py"},
    {"torchrun --standalone --nproc_per_node=2 " + scripts + "torch_distributed.py",
     "run --standalone --nproc_per_node=2 " + scripts + "torch_distributed.py"},
    {"python " + scripts + "fabric_launch.py", "run --nproc-per-node 2 " + scripts + "fabric_launch.py"},
    {"fabric run --accelerator cpu --strategy ddp --devices 2 " + scripts + "fabric_cli.py",
     "run model " + scripts + "fabric_cli.py --accelerator cpu --strategy ddp --devices 2"},
    {"torchrun --nproc-per-node 2 " + scripts + "trainer.py", "run --nproc-per-node 2 " + scripts + "trainer.py"},
    {"python -m torch.distributed.launch --nproc-per-node 2 " + scripts + "local_rank_option.py",
     "run --nproc-per-node 2 --local-rank-option --local-rank " + scripts + "local_rank_option.py"},
};

BOOST_AUTO_TEST_SUITE(foreign)

BOOST_DATA_TEST_CASE(the_metric_is_that_of_its_own_launcher, same, script) {
  if (left_out()) return;
  const Folder folder;
  // torch's launcher takes the torchrun of the environment below.
  std::string line = script.theirs;
  if (line.starts_with("torchrun ")) line = "python -m torch.distributed.run " + line.substr(9);
  const Result expected = shell(folder, line);
  BOOST_TEST_REQUIRE(expected.code == 0, expected.text);
  const Result found = shell(folder, ours + script.ours);
  BOOST_TEST_REQUIRE(found.code == 0, found.text);
  BOOST_TEST(metrics(expected.text).size() >= 2u, expected.text);
  BOOST_TEST(metrics(found.text) == metrics(expected.text), boost::test_tools::per_element());
  BOOST_TEST(found.text.find("independent processes") == std::string::npos, found.text);
}

// Hundreds of checks of Accelerate's own, from its wheel.
BOOST_AUTO_TEST_CASE(accelerates_own_test_passes) {
  if (left_out()) return;
  const Folder folder;
  // PyTorch 2.11 may abort in the exit of the interpreter; see scripts/.
  Result run;
  for (int times = 0; times < 4 && (times == 0 || run.text.find("terminate called") != std::string::npos); ++times)
    run =
        shell(folder,
              ours + "run --nproc-per-node 2 --accelerator cpu --env ACCELERATE_USE_CPU=true -m accelerate.test_utils.scripts.test_script");
  BOOST_TEST(run.code == 0, run.text);
  BOOST_TEST(run.text.find("distributed setup with batch split") != std::string::npos, run.text);
}

BOOST_AUTO_TEST_CASE(the_culprit_under_record_is_named_and_not_its_victim) {
  if (left_out()) return;
  const Folder folder;
  const Result run = shell(folder, ours + "run --nproc-per-node 2 " + scripts + "recorded.py");
  BOOST_TEST(run.code == 1);
  BOOST_TEST(run.text.find("error: rank 1 exited with code 1: ValueError: bad batch") != std::string::npos, run.text);
}

// A real collective of gloo that waits for rank 1.
BOOST_AUTO_TEST_CASE(whoever_holds_up_a_collective_is_named) {
  if (left_out()) return;
  for (const auto& [how, why] :
       {std::pair{"sleep", "sleeps while the others wait"}, {"stop", "is stopped"}, {"spin", "computes while the others wait"}}) {
    const Folder folder;
    folder.write(
        "job.yaml",
        std::string("fabric: 1\nname: held\naccelerator: cpu\ndevices: 2\nstall: 3s\ntime_limit: 25s\nstop: {grace: 0s}\nprogram: [") +
            scripts + "held_up.py, " + how + "]\n");
    const Result run = shell(folder, ours + "apply job.yaml");
    BOOST_TEST(run.code == 124, run.text);
    BOOST_TEST(run.text.find("look at rank 1 ") != std::string::npos, run.text);
    BOOST_TEST(run.text.find(why) != std::string::npos, run.text);
  }
}

// A Fabric script without launch() under torchrun's variables: said before the start, and at the end.
BOOST_AUTO_TEST_CASE(a_run_that_trained_nothing_together_says_so) {
  if (left_out()) return;
  const Folder folder;
  const Result run = shell(folder, ours + "run --nproc-per-node 2 " + scripts + "fabric_cli.py");
  BOOST_TEST(run.code == 0, run.text);
  BOOST_TEST(run.text.find("FAB3043") != std::string::npos, run.text);
  BOOST_TEST(run.text.find("these were 2 independent processes") != std::string::npos, run.text);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
