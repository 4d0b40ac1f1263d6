// A script that other people wrote for torchrun, unmodified, on four real SLURM nodes, in both shapes, and on four real ssh hosts: each
// rank prints the metric that it prints under torchrun on one machine. It is the plain torch.distributed one of others_test.cpp,
// classy-vision 0.7.0's classy_train.py, on its own template's synthetic images.
#include <boost/test/unit_test.hpp>

#include "tests/clusters/slurm_cluster.hpp"
#include "tests/clusters/ssh_hosts.hpp"
#include "tests/foreign/installed_python.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;

constexpr int ranks = 4;

// One step of eight images a rank, and one to test.
const std::string words =
    "device=cpu distributed_backend=ddp skip_tensorboard=True config.num_epochs=1 config.dataset.train.num_samples=128 "
    "config.dataset.train.batchsize_per_replica=8 +config.dataset.train.num_workers=0 config.dataset.test.num_samples=32 "
    "config.dataset.test.batchsize_per_replica=8 +config.dataset.test.num_workers=0";
const std::string metric = "Synced meters: .*";

// The project that classy-vision's own command makes, and what its ranks print under torchrun.
struct Project {
  Folder folder;
  std::vector<std::string> expected;

  Project() {
    is_unmodified(folder, "classy-vision", "0.7.0", "../../../classy_vision/classy_train.py",
                  "65594e78b517feddcdfd9e7f9b260f61c72350bc968414ca2c2d02905d3f6b89");
    const Result made = testing::shell(folder,
                                       "python $VIRTUAL_ENV/bin/classy-project project && "
                                       "cmp $VIRTUAL_ENV/classy_vision/classy_train.py project/classy_train.py && cp -r project fresh");
    BOOST_TEST_REQUIRE(made.code == 0, made.text);
    const Result run = testing::shell(
        folder, "python -m torch.distributed.run --nproc-per-node " + std::to_string(ranks) + " project/classy_train.py " + words);
    BOOST_TEST_REQUIRE(run.code == 0, run.text);
    expected = metrics_of(run.text, metric);
    BOOST_TEST_REQUIRE(expected.size() >= std::size_t{2 * ranks}, run.text);
  }
};

const Project& project() {
  static const Project one;
  return one;
}

std::string list_of(const std::string& text) {
  std::string list;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    list += (list.empty() ? "" : ", ") + text.substr(at, end - at);
    at = end + 1;
  }
  return '[' + list + ']';
}

// Of all ranks, by their logs.
std::string printed(const fs::path& run) {
  std::string text;
  for (int rank = 0; rank < ranks; ++rank)
    text += read_text(run / "nodes" / std::to_string(rank) / ("rank-" + std::to_string(rank) + ".log"));
  return text;
}

void check_on(const Cluster& cluster, const std::string& name, const std::string& place) {
  const fs::path folder = cluster.home() / name;
  fs::create_directories(folder);
  fs::copy(project().folder.path() / "fresh", folder / "project", fs::copy_options::recursive);
  write_text(folder / "job.yaml", "fabric: 1\nname: job\naccelerator: cpu\nthreads: 1\ndevices: 1\nnum_nodes: 4\n" + place +
                                      "program:\n  python: " + std::getenv("FABRIC_FOREIGN_PYTHON") +
                                      "\n  script: project/classy_train.py\n  args: " + list_of(words) + '\n');
  const Inside inside{.folder = folder.string(), .variables = {"NO_COLOR=1"}, .limit = std::chrono::seconds(300)};
  std::string text;
  ProgramResult result;
  // PyTorch 2.11 may abort in the exit of the interpreter, as under its own launcher.
  for (int times = 0; times < 4 && (times == 0 || (!result.status.good() && text.find("terminate called") != std::string::npos)); ++times) {
    result = cluster.exec({FABRIC_BINARY_DIR "/bin/fabric", "apply", "job.yaml"}, inside);
    text = fs::exists(folder / "runs/job/latest") ? printed(fs::canonical(folder / "runs/job/latest")) : "";
  }
  BOOST_TEST_REQUIRE(result.status.good(), result.output << "--- stderr\n" << result.errors << "--- logs\n" << text);
  BOOST_TEST(metrics_of(text, metric) == project().expected, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(scripts_of_others_on_clusters)

BOOST_AUTO_TEST_CASE(a_script_for_torchrun_trains_on_slurm) {
  const SlurmCluster::Options options{.nodes = ranks};
  if (left_out() || left_out(SlurmCluster::missing(options))) return;
  const SlurmCluster cluster(options);
  check_on(cluster, "agent", "backend: slurm\n");
  check_on(cluster, "srun", "backend: slurm\nslurm: {shape: srun}\n");
}

BOOST_AUTO_TEST_CASE(a_script_for_torchrun_trains_over_ssh) {
  const SshHosts::Options options{.hosts = ranks};
  if (left_out() || left_out(SshHosts::missing(options))) return;
  const SshHosts cluster(options);
  check_on(cluster, "hosts", "backend: ssh\nssh: {hosts: [h1, h2, h3, h4]}\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace fabric::testing
