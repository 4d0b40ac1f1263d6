// What a rank is told, beside what Lightning's Fabric makes of it: tables of its tests of environments, command line, launcher and
// rank-zero helpers, with our contracts in the place of its classes. Source of the expectations: Lightning 2.6, tests/tests_fabric, the
// file that each table names; where ours differs on purpose, the row says why. tests/foreign/environments_test.cpp asks the real Lightning.
//
// Not answered here, since no part of fabric stands for them: consolidate (fabric's checkpoints load in any world size as they are), the
// warning of an unused srun (under `backend: slurm` it is fabric that calls srun), Kubeflow, LSF and MPI as ways to start.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <ostream>

#include "cli/command_line_job.hpp"
#include "cli/job_as_yaml.hpp"
#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/make_launch_backend.hpp"
#include "launch_backends/slurm_queue.hpp"
#include "tests/compiler/compile_text.hpp"

namespace fabric {
namespace {

using test::codes;
using test::compile_yaml;
using test::machine;
using Environment = std::map<std::string, std::string>;
using Words = std::vector<std::string>;

std::string get(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "-" : found->second;
}

// The environment of each rank, node after node, numbered as an agent numbers its own.
std::vector<Environment> ranks_of(const Plan& plan, const Words& inherited = {}) {
  std::vector<Environment> all;
  for (const NodeGroup& group : plan.groups)
    for (std::int64_t i = 0; i < group.nodes * group.ranks_per_node; ++i) {
      RankPlace place;
      place.main_address = "10.0.0.1";
      place.main_port = 4711;
      place.node_rank = group.first_node + i / group.ranks_per_node;
      place.local_rank = i % group.ranks_per_node;
      place.rank = group.first_rank + i;
      place.run_id = "train/1";
      Environment& environment = all.emplace_back();
      for (const std::string& variable : bind_rank(group.rank, place, inherited).env)
        environment[variable.substr(0, variable.find('='))] = variable.substr(variable.find('=') + 1);
    }
  return all;
}

std::string program(const std::string& contract) { return "program: {command: [train], contract: " + contract + "}\n"; }

// What processes of other launchers, and of earlier ones, leave in an environment.
const Words of_slurm = {"SLURM_NTASKS=20", "SLURM_NTASKS_PER_NODE=10", "SLURM_PROCID=7",       "SLURM_LOCALID=2",
                        "SLURM_NODEID=3",  "SLURM_JOB_NAME=JOB",       "SLURM_JOB_ID=0001234", "SLURM_NODELIST=1.1.1.1, 1.1.1.2",
                        "SLURM_STEP_ID=0", "SLURM_STEP_NUM_TASKS=20",  "SLURM_NNODES=2",       "SLURM_NPROCS=20",
                        "SLURM_GTIDS=7,8"};
const Words of_lsf = {"LSB_JOBID=1234", "LSB_DJOB_RANKFILE=/none", "JSM_NAMESPACE_LOCAL_RANK=2", "JSM_NAMESPACE_SIZE=8",
                      "JSM_NAMESPACE_RANK=3"};
const Words of_mpi = {"OMPI_COMM_WORLD_RANK=3", "OMPI_COMM_WORLD_LOCAL_RANK=1", "OMPI_COMM_WORLD_SIZE=8", "PMI_RANK=3", "PMI_SIZE=8"};
// By these scripts find their rank where mpirun is MVAPICH's, Intel's or Cray's, and under PMIx and Flux.
const Words of_other_launchers = {"PMIX_RANK=3",
                                  "MV2_COMM_WORLD_RANK=3",
                                  "MV2_COMM_WORLD_SIZE=8",
                                  "MV2_COMM_WORLD_LOCAL_RANK=1",
                                  "MV2_COMM_WORLD_LOCAL_SIZE=4",
                                  "MPI_LOCALRANKID=1",
                                  "MPI_LOCALNRANKS=4",
                                  "PMI_LOCAL_RANK=1",
                                  "PMI_LOCAL_SIZE=4",
                                  "PALS_RANKID=3",
                                  "PALS_LOCAL_RANKID=1",
                                  "PALS_LOCAL_SIZE=4",
                                  "FLUX_TASK_RANK=3",
                                  "FLUX_TASK_LOCAL_ID=1"};
const Words of_torchrun = {"TORCHELASTIC_RUN_ID=",
                           "RANK=5",
                           "LOCAL_RANK=1",
                           "GROUP_RANK=1",
                           "WORLD_SIZE=8",
                           "MASTER_ADDR=1.2.3.4",
                           "MASTER_PORT=1234",
                           "TORCHELASTIC_USE_AGENT_STORE=True",
                           "TORCHELASTIC_ERROR_FILE=/none",
                           "ROLE_RANK=5",
                           "LOCAL_WORLD_SIZE=4"};
const Words of_lightning = {"LT_CLI_USED=1",    "LT_DEVICES=4",          "LT_NUM_NODES=3",   "LT_ACCELERATOR=cuda",
                            "LT_STRATEGY=fsdp", "LT_PRECISION=16-mixed", "PL_GLOBAL_SEED=7", "PL_SEED_WORKERS=1"};
const Words of_itself = {"LOCAL_RANK=2", "NODE_RANK=1", "WORLD_SIZE=8", "MASTER_ADDR=127.0.0.1", "MASTER_PORT=99", "STANDALONE_PORT=4321"};

// How Lightning chooses: the first that is found here (connector.py, plugins/environments/).
std::string environment_of(const Environment& e) {
  const auto has = [&e](const char* name) { return e.contains(name); };
  if (has("TORCHELASTIC_RUN_ID")) return "TorchElastic";
  if (has("SLURM_NTASKS") && get(e, "SLURM_JOB_NAME") != "bash" && get(e, "SLURM_JOB_NAME") != "interactive") return "SLURM";
  if (has("LSB_JOBID") && has("LSB_DJOB_RANKFILE") && has("JSM_NAMESPACE_LOCAL_RANK") && has("JSM_NAMESPACE_SIZE")) return "LSF";
  return "Lightning";
}

// Which rank "only on rank zero" goes by before there is a process group (utilities/rank_zero.py).
std::string rank_of_helper(const Environment& e) {
  for (const char* name : {"RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"})
    if (e.contains(name)) return get(e, name);
  return "0";
}

struct Inheritance {
  const char* from;
  Words inherited;
  const char* lightning;  // what it would choose by itself, and
  const char* rank;       // the rank that it would take itself for
};
std::ostream& operator<<(std::ostream& out, const Inheritance& row) { return out << row.from; }

Words with(Words all, const Words& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// test_slurm.py, test_torchelastic.py, test_lightning.py, test_lsf.py, test_rank_zero.py
const Inheritance inheritances[] = {
    {"nothing", {}, "Lightning", "0"},
    {"a job of SLURM", of_slurm, "SLURM", "7"},
    {"a shell of SLURM called bash", {"SLURM_NTASKS=2", "SLURM_JOB_NAME=bash", "SLURM_PROCID=1"}, "Lightning", "1"},
    {"salloc", {"SLURM_NTASKS=2", "SLURM_JOB_NAME=interactive", "SLURM_PROCID=1"}, "Lightning", "1"},
    {"only a name of SLURM", {"SLURM_JOB_NAME=JOB"}, "Lightning", "0"},
    {"two tasks of SLURM", {"SLURM_NTASKS=2"}, "SLURM", "0"},
    {"SLURM, with an address and a port", with(of_slurm, {"MASTER_ADDR=1.2.3.4", "MASTER_PORT=1234"}), "SLURM", "7"},
    {"a job id of SLURM that is no number", {"SLURM_NTASKS=2", "SLURM_JOB_ID=abc"}, "SLURM", "0"},
    {"LSF", of_lsf, "LSF", "3"},
    {"MPI", of_mpi, "Lightning", "0"},
    {"other launchers", of_other_launchers, "Lightning", "0"},
    {"torchrun, whose id is empty", of_torchrun, "TorchElastic", "5"},
    {"torchrun inside SLURM", with(of_slurm, of_torchrun), "TorchElastic", "5"},
    {"Lightning's command line", with(of_torchrun, of_lightning), "TorchElastic", "5"},
    {"Lightning's own launch()", of_itself, "Lightning", "2"},
    {"an image that presets LOCAL_RANK", {"LOCAL_RANK=2"}, "Lightning", "2"},
    {"NODE_RANK", {"NODE_RANK=1"}, "Lightning", "0"},
    {"GROUP_RANK and NODE_RANK", {"GROUP_RANK=3", "NODE_RANK=1"}, "Lightning", "0"},
    {"an empty MASTER_PORT", {"MASTER_PORT=", "MASTER_ADDR="}, "Lightning", "0"},
    {"JSM_NAMESPACE_RANK", {"JSM_NAMESPACE_RANK=3"}, "Lightning", "3"},
    {"+ SLURM_PROCID", {"JSM_NAMESPACE_RANK=3", "SLURM_PROCID=2"}, "Lightning", "2"},
    {"+ LOCAL_RANK", {"JSM_NAMESPACE_RANK=3", "SLURM_PROCID=2", "LOCAL_RANK=1"}, "Lightning", "1"},
    {"+ RANK", {"JSM_NAMESPACE_RANK=3", "SLURM_PROCID=2", "LOCAL_RANK=1", "RANK=0"}, "Lightning", "0"},
};

BOOST_AUTO_TEST_SUITE(environment_parity)

BOOST_DATA_TEST_CASE(what_is_inherited_decides_nothing, inheritances, row) {
  Environment alone;
  for (const std::string& variable : row.inherited) alone[variable.substr(0, variable.find('='))] = variable.substr(variable.find('=') + 1);
  BOOST_TEST(environment_of(alone) == row.lightning);
  BOOST_TEST(rank_of_helper(alone) == row.rank);

  for (const auto& [contract, environment] :
       {std::pair{"torchrun", "TorchElastic"}, {"fabric-cli", "TorchElastic"}, {"env", "Lightning"}, {"none", "Lightning"}}) {
    const Compilation c = compile_yaml("fabric: 1\ndevices: 2\nnum_nodes: 2\n" + program(contract));
    BOOST_TEST_REQUIRE(c.plan.has_value(), codes(c));
    const bool told = std::string(contract) != "none";
    const std::vector<Environment> ranks = ranks_of(*c.plan, row.inherited);
    BOOST_TEST(ranks.size() == (told ? 4u : 2u));
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
      const Environment& e = ranks[rank];
      BOOST_TEST_CONTEXT(contract << ", rank " << rank) {
        BOOST_TEST(environment_of(e) == environment);
        BOOST_TEST(rank_of_helper(e) == (told ? std::to_string(rank) : "0"));
        BOOST_TEST(get(e, "RANK") == (told ? std::to_string(rank) : "-"));
        BOOST_TEST(get(e, "LOCAL_RANK") == (told ? std::to_string(rank % 2) : "-"));
        BOOST_TEST(get(e, "NODE_RANK") == (told ? std::to_string(rank / 2) : "-"));
        BOOST_TEST(get(e, "WORLD_SIZE") == (told ? "4" : "-"));
        BOOST_TEST(get(e, "MASTER_ADDR") == (told ? "10.0.0.1" : "-"));
        BOOST_TEST(get(e, "MASTER_PORT") == (told ? "4711" : "-"));
        const bool torchrun = std::string(environment) == "TorchElastic";
        BOOST_TEST(get(e, "GROUP_RANK") == (torchrun ? std::to_string(rank / 2) : "-"));
        BOOST_TEST(get(e, "TORCHELASTIC_RUN_ID") == (torchrun ? "train/1" : "-"));
        BOOST_TEST(get(e, "TORCHELASTIC_USE_AGENT_STORE") == "-");
        BOOST_TEST(get(e, "LT_CLI_USED") == (std::string(contract) == "fabric-cli" ? "1" : "-"));
        BOOST_TEST(get(e, "LT_DEVICES") == (std::string(contract) == "fabric-cli" ? "2" : "-"));
        for (const char* gone : {"LT_ACCELERATOR", "LT_STRATEGY", "LT_PRECISION", "PL_GLOBAL_SEED", "PL_SEED_WORKERS", "SLURM_PROCID",
                                 "SLURM_STEP_ID", "SLURM_NPROCS", "SLURM_GTIDS", "JSM_NAMESPACE_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK"})
          BOOST_TEST(get(e, gone) == "-", gone);
        for (const std::string& gone : of_other_launchers) BOOST_TEST(get(e, gone.substr(0, gone.find('='))) == "-", gone);
      }
    }
  }
}

// What docs/variables.md says: a reader finds there each variable that is removed, and what becomes of two that torchrun treats otherwise.
BOOST_AUTO_TEST_CASE(the_page_of_variables_is_right) {
  const Compilation c = compile_yaml("fabric: 1\naccelerator: cpu\nthreads: 3\nrestart: 2\n" + program("torchrun"));
  BOOST_TEST_REQUIRE(c.plan.has_value(), codes(c));
  const Environment rank = ranks_of(*c.plan, {"OMP_NUM_THREADS=7", "TORCHELASTIC_MAX_RESTARTS=9"}).front();
  BOOST_TEST(get(rank, "OMP_NUM_THREADS") == "3");
  BOOST_TEST(get(rank, "TORCHELASTIC_MAX_RESTARTS") == "2");
  std::ifstream in(FABRIC_SOURCE_DIR "/docs/variables.md");
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  for (const std::string& name : c.plan->groups.front().rank.scrub)
    BOOST_TEST(page.find('`' + name + '`') != std::string::npos, name << " is not in docs/variables.md");
  for (const char* row : {"| `OMP_NUM_THREADS` | the job's `threads`, also in place of an inherited one",
                          "`TORCHELASTIC_MAX_RESTARTS` | id of the run, attempt, the job's `restart.max` |"})
    BOOST_TEST(page.find(row) != std::string::npos, row << " is not in docs/variables.md");
}

struct Asked {
  const char* job;
  Words says;  // the batch script, or the codes of errors
  const char* why = nullptr;
};
std::ostream& operator<<(std::ostream& out, const Asked& row) { return out << row.job; }

// test_slurm.py, what its environment reads of SLURM: there the script says it a second time and the two are compared, here a job says
// it once and the batch script asks SLURM for it.
const Asked allocations[] = {
    {"devices: 4\nnum_nodes: 2\n",
     {"#SBATCH --nodes=2\n", "#SBATCH --ntasks-per-node=4\n", "export WORLD_SIZE=8\n", "LOCAL_WORLD_SIZE=4\n"}},
    {"devices: 2\nnum_nodes: 2\n", {"#SBATCH --nodes=2\n", "#SBATCH --ntasks-per-node=2\n", "export WORLD_SIZE=4\n"}},
    {"devices: 4\nnum_nodes: 1\n", {"#SBATCH --nodes=1\n", "#SBATCH --ntasks-per-node=4\n", "export WORLD_SIZE=4\n"}},
    {"devices: 1\n", {"#SBATCH --ntasks-per-node=1\n", "export WORLD_SIZE=1\n"}},
    {"devices: 2\n",
     {"$SLURM_STEP_NUM_TASKS\" != 2 ]", "fabric_rank=$SLURM_PROCID fabric_local_rank=$SLURM_LOCALID fabric_node_rank=$SLURM_NODEID"},
     "theirs finds tasks without a count a node by their numbers; a task here is compared with the plan and says what does not fit"},
    {"devices: 2\nslurm: {shape: srun, directives: {ntasks: 2}}\n", {"FAB5205"}, "the number of tasks is not said twice"},
    {"devices: 2\n",
     {"scontrol show hostnames \"$SLURM_JOB_NODELIST\"", "fabric_main_port=$((15000 + (SLURM_JOB_ID + "},
     "theirs makes the port of the last digits of the job too, and every start of a job has the same"},
    {"devices: 2\nmain_address: 1.2.3.4\nmain_port: 1234\n", {"fabric_main_address=1.2.3.4", "fabric_main_port=1234\n"}},
};

BOOST_DATA_TEST_CASE(a_job_says_once_what_it_asks_of_slurm, allocations, row) {
  const std::string job = row.job;
  const std::string shape = job.find("slurm: ") == std::string::npos ? "slurm: {shape: srun}\n" : "";
  Compilation c =
      compile_yaml("fabric: 1\naccelerator: cpu\nthreads: 1\nbackend: slurm\n" + job + shape + program("torchrun"), {}, machine(16));
  std::string script = codes(c);
  if (c.plan)
    for (const Submission::File& file :
         make_launch_backend(BackendName::slurm, "/opt/fabric/bin/fabric")->render(*c.plan, std::nullopt, c.diagnostics).files)
      script += file.content;
  script += codes(c);
  for (const std::string& part : row.says) BOOST_TEST(script.find(part) != std::string::npos, part << " is not in\n" << script);
}

// test_slurm.py, the address of the first of a list of nodes; tests/cli/slurm_plan_test.cpp has more. Blanks alone between names are of no
// version of SLURM.
BOOST_AUTO_TEST_CASE(the_first_of_the_nodes_of_a_list) {
  for (const auto& [list, first] : {std::pair{"alpha,beta,gamma", "alpha"},
                                    {"1.1.1.1, 1.1.1.2", "1.1.1.1"},
                                    {"1.2.3.[100-110]", "1.2.3.100"},
                                    {"1.2.3.[089-100,12,14]", "1.2.3.089"},
                                    {"host[22]", "host22"},
                                    {"host[1,5-9]", "host1"}})
    BOOST_TEST(first_slurm_host(list) == first, list);
}

// test_subprocess_script.py: 4 processes on each of 2 nodes. There, rank 0 starts the others of its node and the first gets no RANK; here
// an agent starts all four. The rows of its observer (one dies: all are killed) are those of tests/launch_backends/faults_test.cpp: the
// first failure is recorded, SIGTERM, grace, SIGKILL, and the exit code is the first one's. A second launch(), and a launch() of a local
// rank beyond 0, start nothing here: a rank is never a launcher.
BOOST_AUTO_TEST_CASE(four_processes_on_two_nodes) {
  const Compilation c = compile_yaml("fabric: 1\naccelerator: cpu\ndevices: 4\nnum_nodes: 2\n" + program("torchrun"));
  BOOST_TEST_REQUIRE(c.plan.has_value(), codes(c));
  const std::vector<Environment> ranks = ranks_of(*c.plan, {"LOCAL_RANK=1"});
  BOOST_TEST_REQUIRE(ranks.size() == 8u);
  for (int rank = 0; rank < 8; ++rank) {
    const Environment& e = ranks[static_cast<std::size_t>(rank)];
    for (const auto& [name, value] : {std::pair{"RANK", rank},
                                      {"LOCAL_RANK", rank % 4},
                                      {"NODE_RANK", rank / 4},
                                      {"GROUP_RANK", rank / 4},
                                      {"ROLE_RANK", rank},
                                      {"WORLD_SIZE", 8},
                                      {"ROLE_WORLD_SIZE", 8},
                                      {"LOCAL_WORLD_SIZE", 4},
                                      {"GROUP_WORLD_SIZE", 2}})
      BOOST_TEST(get(e, name) == std::to_string(value), name << " of rank " << rank);
  }
}

struct Line {
  std::string line;
  std::int64_t gpus;
  std::string becomes;  // processes and what is exported, or the codes of errors
  const char* why = nullptr;
};
std::ostream& operator<<(std::ostream& out, const Line& row) { return out << row.line << " on " << row.gpus << " GPUs"; }

// test_cli.py. LT_DEVICES is the count of processes on a node, where theirs is the option's text: the GPUs are chosen before the program
// starts, and within CUDA_VISIBLE_DEVICES a list of indices would choose again.
const Line lines[] = {
    {"train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1"},
    {"--accelerator cpu train.py", 2, "1: ACCELERATOR=cpu CLI_USED=1 DEVICES=1 NUM_NODES=1"},
    {"--accelerator gpu train.py", 2, "1: ACCELERATOR=gpu CLI_USED=1 DEVICES=1 NUM_NODES=1"},
    {"--accelerator cuda train.py", 2, "1: ACCELERATOR=cuda CLI_USED=1 DEVICES=1 NUM_NODES=1"},
    {"--accelerator auto train.py", 2, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1", "auto is answered by the plan; the script's own word stands"},
    {"--accelerator mps train.py", 0, "FAB2004"},
    {"--accelerator tpu train.py", 0, "FAB2004"},
    {"--strategy dp train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 STRATEGY=dp"},
    {"--strategy ddp train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 STRATEGY=ddp"},
    {"--strategy ddp_find_unused_parameters_true train.py", 0,
     "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 STRATEGY=ddp_find_unused_parameters_true"},
    {"--strategy fsdp train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 STRATEGY=fsdp"},
    {"--strategy deepspeed train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 STRATEGY=deepspeed"},
    {"--strategy deepspeed_stage_1 train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 STRATEGY=deepspeed_stage_1"},
    {"--strategy deepspeed_stage_2 train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 STRATEGY=deepspeed_stage_2"},
    {"--strategy deepspeed_stage_3 train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 STRATEGY=deepspeed_stage_3"},
    {"--strategy deepspeed_stage_3_offload train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 STRATEGY=deepspeed_stage_3_offload",
     "theirs refuses it in the command line and takes it in the constructor; a job has one list"},
    {"--strategy ddp_spawn train.py", 0, "FAB2003"},
    {"--strategy ddp_fork train.py", 0, "FAB2003"},
    {"--strategy ddp_notebook train.py", 0, "FAB2003"},
    {"--accelerator cuda --devices 1 train.py", 2, "1: ACCELERATOR=cuda CLI_USED=1 DEVICES=1 NUM_NODES=1"},
    {"--accelerator cuda --devices 2 train.py", 2, "2: ACCELERATOR=cuda CLI_USED=1 DEVICES=2 NUM_NODES=1"},
    {"--accelerator cuda --devices 0, train.py", 2, "1: ACCELERATOR=cuda CLI_USED=1 DEVICES=1 NUM_NODES=1"},
    {"--accelerator cuda --devices 1,0 train.py", 2, "2: ACCELERATOR=cuda CLI_USED=1 DEVICES=2 NUM_NODES=1"},
    {"--accelerator cuda --devices -1 train.py", 2, "2: ACCELERATOR=cuda CLI_USED=1 DEVICES=2 NUM_NODES=1"},
    {"--accelerator cuda --devices auto train.py", 2, "2: ACCELERATOR=cuda CLI_USED=1 DEVICES=2 NUM_NODES=1",
     "theirs starts one process and lets the code shard over all GPUs"},
    {"--accelerator cuda --devices 1 train.py", 5, "1: ACCELERATOR=cuda CLI_USED=1 DEVICES=1 NUM_NODES=1"},
    {"--accelerator cuda --devices 2 train.py", 5, "2: ACCELERATOR=cuda CLI_USED=1 DEVICES=2 NUM_NODES=1"},
    {"--accelerator cuda --devices 0, train.py", 5, "1: ACCELERATOR=cuda CLI_USED=1 DEVICES=1 NUM_NODES=1"},
    {"--accelerator cuda --devices 1,0,2 train.py", 5, "3: ACCELERATOR=cuda CLI_USED=1 DEVICES=3 NUM_NODES=1"},
    {"--accelerator cuda --devices -1 train.py", 5, "5: ACCELERATOR=cuda CLI_USED=1 DEVICES=5 NUM_NODES=1"},
    {"--num-nodes 1 train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1"},
    {"--num-nodes 2 train.py", 0, "2: CLI_USED=1 DEVICES=1 NUM_NODES=2"},
    {"--num-nodes 3 train.py", 0, "3: CLI_USED=1 DEVICES=1 NUM_NODES=3"},
    {"--precision 64-true train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 PRECISION=64-true"},
    {"--precision 64 train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 PRECISION=64"},
    {"--precision 32-true train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 PRECISION=32-true"},
    {"--precision 32 train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 PRECISION=32"},
    {"--precision 16-mixed train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 PRECISION=16-mixed"},
    {"--precision bf16-mixed train.py", 0, "1: CLI_USED=1 DEVICES=1 NUM_NODES=1 PRECISION=bf16-mixed"},
    {"--precision 17 train.py", 0, "FAB2003"},
};

// Processes, and LT_* of the first without LT_.
std::string exports(const Compilation& c) {
  if (!c.plan) return codes(c);
  const std::vector<Environment> ranks = ranks_of(*c.plan, of_lightning);
  std::string text = std::to_string(ranks.size()) + ":";
  for (const auto& [name, value] : ranks.front())
    if (name.starts_with("LT_")) text += ' ' + name.substr(3) + '=' + value;
  return text;
}

Compilation compile_line(const std::string& line, std::int64_t gpus) {
  Words words = {"model"};
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return compile_yaml(job_as_yaml(read_command_line_job(words).job), {}, machine(16, gpus));
}

BOOST_DATA_TEST_CASE(the_command_line_exports, lines, row) {
  const Compilation c = compile_line(row.line, row.gpus);
  BOOST_TEST(exports(c) == row.becomes);
  if (!c.plan) return;
  // Theirs has the fixed port 29400; ours is free and held for rank 0, so two runs on one machine do not meet.
  const Environment first = ranks_of(*c.plan).front();
  for (const auto& [name, value] :
       {std::pair{"RANK", "0"}, {"GROUP_RANK", "0"}, {"MASTER_PORT", "4711"}, {"TORCHELASTIC_RUN_ID", "train/1"}})
    BOOST_TEST(get(first, name) == value);
  BOOST_TEST(get(first, "WORLD_SIZE") == std::to_string(c.plan->world_size));
}

// test_connector.py, environment against code: what reaches the code. Lightning itself judges: with LT_CLI_USED a contradiction is an
// error, without it the environment wins in silence. So under torchrun's contract nothing is exported that the job does not say.
const Line exported[] = {
    {"", 8, "8:", "without words of the job the code is left alone"},
    {"accelerator: cpu\ndevices: 1\n", 8, "1: ACCELERATOR=cpu"},
    {"accelerator: cuda\n", 8, "8: ACCELERATOR=cuda"},
    {"accelerator: gpu\n", 8, "8: ACCELERATOR=gpu"},
    {"strategy: ddp\ndevices: 1\n", 8, "1: STRATEGY=ddp"},
    {"precision: 16-mixed\ndevices: 1\n", 8, "1: PRECISION=16-mixed"},
    {"devices: 2\n", 8, "2:", "the code's own devices are compared with WORLD_SIZE by launch()"},
    {"devices: 2\nnum_nodes: 3\n", 8, "6:"},
};

BOOST_DATA_TEST_CASE(a_job_exports_what_it_says, exported, row) {
  const std::string begin = "fabric: 1\n" + row.line;
  BOOST_TEST(exports(compile_yaml(begin + program("torchrun"), {}, machine(16, row.gpus))) == row.becomes);
  // Under fabric-cli, whose Fabric asks the environment alone for its size, that too.
  const Compilation c = compile_yaml(begin + program("fabric-cli"), {}, machine(16, row.gpus));
  BOOST_TEST_REQUIRE(c.plan.has_value(), codes(c));
  const Environment first = ranks_of(*c.plan).front();
  BOOST_TEST(get(first, "LT_CLI_USED") == "1");
  BOOST_TEST(get(first, "LT_DEVICES") == std::to_string(c.plan->groups.front().ranks_per_node));
  BOOST_TEST(get(first, "LT_NUM_NODES") == std::to_string(c.plan->job.num_nodes));
}

// Every precision and strategy that Lightning takes reaches a program in the word in which it is written.
BOOST_AUTO_TEST_CASE(words_reach_a_program_as_they_are_written) {
  for (const char* precision : {"16-true", "bf16-true", "16-mixed", "bf16-mixed", "32-true", "64-true", "transformer-engine",
                                "transformer-engine-float16", "16", "32", "64", "bf16"})
    BOOST_TEST(exports(compile_yaml(std::string("fabric: 1\naccelerator: auto\ndevices: 1\nprecision: ") + precision + "\n" +
                                    program("torchrun"))) == std::string("1: PRECISION=") + precision);
  for (const char* none : {"1", "12", "invalid"})
    BOOST_TEST(exports(compile_yaml(std::string("fabric: 1\ndevices: 1\nprecision: ") + none + "\n" + program("torchrun"))) == "FAB2003");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
