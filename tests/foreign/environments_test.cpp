// The real Lightning in the environment that a rank of ours is given: which cluster environment it finds inside what other launchers left
// behind, which rank it takes itself for, and what it says where the job and the code contradict. tests/cli/environment_parity_test.cpp has
// the whole tables, by its rules.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <ostream>

#include "tests/foreign/installed_python.hpp"

namespace fabric::testing {
namespace {

const std::string script = FABRIC_SOURCE_DIR "/tests/foreign/scripts/environment.py ";

struct Leftover {
  std::string from, variables, contract, finds;
};
std::ostream& operator<<(std::ostream& out, const Leftover& row) { return out << row.from << " under " << row.contract; }

const std::string slurm =
    "SLURM_NTASKS=20 SLURM_NTASKS_PER_NODE=10 SLURM_PROCID=7 SLURM_LOCALID=2 SLURM_NODEID=3 SLURM_JOB_NAME=JOB SLURM_JOB_ID=0001234 "
    "SLURM_NODELIST=1.1.1.1 SLURM_STEP_ID=0 ";
const std::string lsf = "LSB_JOBID=1234 LSB_DJOB_RANKFILE=/none JSM_NAMESPACE_LOCAL_RANK=2 JSM_NAMESPACE_SIZE=8 JSM_NAMESPACE_RANK=3 ";
const std::string lightnings =
    "LT_CLI_USED=1 LT_DEVICES=4 LT_NUM_NODES=3 LT_ACCELERATOR=cuda TORCHELASTIC_RUN_ID= RANK=5 LOCAL_RANK=1 GROUP_RANK=1 WORLD_SIZE=8 "
    "MASTER_ADDR=1.2.3.4 MASTER_PORT=1 ";
const std::string its_own = "LOCAL_RANK=2 NODE_RANK=1 WORLD_SIZE=8 MASTER_PORT= STANDALONE_PORT=4321 ";

const Leftover leftovers[] = {
    {"SLURM", slurm, "torchrun", "TorchElasticEnvironment"},
    {"SLURM", slurm, "env", "LightningEnvironment"},
    {"SLURM and LSF", slurm + lsf, "fabric-cli", "TorchElasticEnvironment"},
    {"LSF", lsf, "env", "LightningEnvironment"},
    {"Lightning's command line", lightnings, "torchrun", "TorchElasticEnvironment"},
    {"Lightning's command line", lightnings, "fabric-cli", "TorchElasticEnvironment"},
    {"Lightning's launch()", its_own, "torchrun", "TorchElasticEnvironment"},
    {"Lightning's launch()", its_own, "env", "LightningEnvironment"},
};

std::vector<std::string> said_by_ranks(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (line.starts_with("[0:") && (line.find("Environment ") != std::string::npos || line.find("refused: ") != std::string::npos))
      lines.push_back(line);
    at = end + 1;
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

BOOST_AUTO_TEST_SUITE(environments)

BOOST_DATA_TEST_CASE(of_others_mislead_nobody, leftovers, row) {
  if (left_out()) return;
  const Folder folder;
  const Result run = shell(folder, "env " + row.variables + ours + "run --nproc-per-node 2 --accelerator cpu --contract " + row.contract +
                                       " " + script + "'{\"accelerator\": \"cpu\", \"devices\": 2, \"strategy\": \"ddp\"}'");
  BOOST_TEST_REQUIRE(run.code == 0, run.text);
  const std::vector<std::string> expected = {
      "[0:0] " + row.finds + " CPUAccelerator world 2 rank 0 local 0 node 0 helper 0 reduced 2",
      "[0:1] " + row.finds + " CPUAccelerator world 2 rank 1 local 1 node 0 helper 1 reduced 2",
  };
  BOOST_TEST(said_by_ranks(run.text) == expected, run.text);
}

struct Contradiction {
  std::string words, code;
  std::string says;  // in the line of each rank
};
std::ostream& operator<<(std::ostream& out, const Contradiction& row) { return out << row.words << " and " << row.code; }

// Its own words: a contradiction is an error under its command line, and the environment wins in silence without it.
const Contradiction contradictions[] = {
    {"run --nproc-per-node 2 --accelerator cpu", R"({"accelerator": "cuda", "devices": 2, "strategy": "ddp"})", " CPUAccelerator world 2"},
    {"run model --accelerator cpu", R"({"accelerator": "cuda"})", "`Fabric(accelerator='cuda', ...)` but it conflicts with the value `--accelerator=cpu`"},
    {"run model --accelerator cpu --strategy ddp", R"({"strategy": "ddp_spawn"})", "`--strategy=ddp`"},
    {"run model --accelerator cpu --devices 2", R"({"devices": 3})", "`--devices=2`"},
    {"run model --accelerator cpu --num-nodes 1", R"({"num_nodes": 2})", "`--num_nodes=1`"},
    {"run model --accelerator cpu --precision 16-mixed", R"({"precision": "64-true"})", "`--precision=16-mixed`"},
    {"run model --devices 2", R"({"accelerator": "cpu"})", "TorchElasticEnvironment CPUAccelerator world 2"},
};

BOOST_DATA_TEST_CASE(against_the_code, contradictions, row) {
  if (left_out()) return;
  const Folder folder;
  const Result run = shell(folder, ours + row.words + " -- " + script + "'" + row.code + "'");
  BOOST_TEST_REQUIRE(run.code == 0, run.text);
  const std::vector<std::string> lines = said_by_ranks(run.text);
  BOOST_TEST(!lines.empty(), run.text);
  for (const std::string& line : lines) BOOST_TEST(line.find(row.says) != std::string::npos, run.text);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
