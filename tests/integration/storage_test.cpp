// When the disk is full, a folder is read-only, a data file is cut off or a checkpoint is damaged: a clear error, and what was saved
// before stays as it was.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <boost/test/unit_test.hpp>

#include "schema/safetensors.hpp"
#include "tests/integration/running_program.hpp"

using namespace fabric;
using namespace fabric::test;
namespace fs = std::filesystem;
using std::chrono::seconds;

namespace {

const std::string job = configs + "/fashion_mnist.yaml";
const std::string data = "/usr/share/datasets/fashion-mnist";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::string> checkpoints_of(const std::string& run) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(run + "/checkpoints", none)) names.push_back(entry.path().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Runs a shell script in mount and user namespaces of its own, if this machine lets us: there it may mount a file system of any size.
bool may_mount() { return run({"unshare", "--mount", "--map-root-user", "true"}, "/").code == 0; }
Finished run_where_mounts_are_ours(const std::string& script, const std::string& folder) {
  return run({"unshare", "--mount", "--map-root-user", "sh", "-euc", script}, folder);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(storage)

BOOST_AUTO_TEST_CASE(a_data_file_that_is_cut_off) {
  TemporaryFolder folder;
  const std::string copy = folder.path() + "/data";
  fs::copy(data, copy, fs::copy_options::recursive);
  const std::string images = copy + "/train-images-idx3-ubyte.gz";
  fs::resize_file(images, fs::file_size(images) / 2);
  const Finished done = run({fabric_program, "apply", job, "--profile", "quick", "--set", "train.data.path=" + copy}, folder.path());
  BOOST_CHECK_EQUAL(done.code, 1);
  BOOST_CHECK_MESSAGE(contains(done.output, images), done.output);
  BOOST_CHECK_MESSAGE(contains(done.output, "truncated"), done.output);
  BOOST_CHECK(checkpoints_of(folder.path() + "/runs/fashion-mnist/latest").empty());
}

BOOST_AUTO_TEST_CASE(a_damaged_checkpoint_is_skipped_and_the_one_before_it_taken) {
  TemporaryFolder folder;
  const std::string latest = folder.path() + "/runs/fashion-mnist/latest";
  RunningProgram program(
      {fabric_program, "apply", job, "--profile", "quick", "--set", "train.steps=3000", "--set", "checkpoint.every=20 steps"},
      folder.path());
  BOOST_REQUIRE_MESSAGE(eventually([&] { return checkpoints_of(latest).size() >= 2; }, seconds(60)), program.output());
  program.signal(SIGINT);
  BOOST_REQUIRE_MESSAGE(program.wait(seconds(40)) == 130, program.output());
  const std::vector<std::string> saved = checkpoints_of(latest);
  BOOST_REQUIRE_EQUAL(saved.size(), 2u);  // as many as the job keeps
  {
    std::fstream file(saved[1], std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1000, std::ios::end);
    file.put('\x55').put('\xAA');
  }
  BOOST_REQUIRE(verify_safetensors(saved[1]) != "");
  // The steps that are left would take a minute: it is enough to see where they begin.
  RunningProgram resumed({fabric_program, "resume", latest}, folder.path());
  const std::string before = fs::path(saved[0]).filename().string();
  BOOST_CHECK_MESSAGE(eventually([&] { return contains(read_text(latest + "/events.jsonl"), before + "\""); }, seconds(30)),
                      resumed.output());
  BOOST_CHECK_MESSAGE(eventually([&] { return contains(resumed.output(), fs::path(saved[1]).filename().string()); }, seconds(5)),
                      resumed.output());
  resumed.signal(SIGINT);
  BOOST_CHECK_MESSAGE(resumed.wait(seconds(40)) == 130, resumed.output());
}

BOOST_AUTO_TEST_CASE(a_full_disk_leaves_the_earlier_checkpoint) {
  if (!may_mount()) {
    BOOST_TEST_MESSAGE("left out: no file system can be mounted here");
    return;
  }
  TemporaryFolder folder;
  // A checkpoint has 5 MB: the first fits, the second does not.
  const Finished done =
      run_where_mounts_are_ours("mkdir disk kept; mount -t tmpfs -o size=8m none disk; cd disk; code=0; " + fabric_program + " apply " +
                                    job + " --profile quick --set 'checkpoint.every=10 steps' || code=$?; cp -r runs ../kept; exit $code",
                                folder.path());
  BOOST_CHECK_EQUAL(done.code, 1);
  BOOST_CHECK_MESSAGE(contains(done.output, "No space left on device"), done.output);
  BOOST_CHECK_MESSAGE(contains(done.output, "earlier checkpoints are intact"), done.output);
  const std::vector<std::string> saved = checkpoints_of(folder.path() + "/kept/runs/fashion-mnist/latest");
  BOOST_REQUIRE_EQUAL(saved.size(), 1u);  // no half a file beside it
  BOOST_CHECK_EQUAL(verify_safetensors(saved[0]), "");
}

BOOST_AUTO_TEST_CASE(a_read_only_folder_is_refused_before_anything_starts) {
  if (!may_mount()) {
    BOOST_TEST_MESSAGE("left out: no file system can be mounted here");
    return;
  }
  TemporaryFolder folder;
  const Finished done = run_where_mounts_are_ours(
      "mkdir disk; mount -t tmpfs -o ro none disk; cd disk; exec " + fabric_program + " apply " + job + " --profile quick", folder.path());
  BOOST_CHECK_EQUAL(done.code, 125);
  BOOST_CHECK_MESSAGE(contains(done.output, "Read-only file system"), done.output);
  BOOST_CHECK_MESSAGE(contains(done.output, "runs"), done.output);
}

BOOST_AUTO_TEST_SUITE_END()
