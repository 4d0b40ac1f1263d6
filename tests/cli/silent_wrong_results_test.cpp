// Ten ways in which launchers and trainers end well with a wrong result, each seen in others. What would come of each here, on the real
// program:
//
// |    | what went wrong elsewhere | held by |
// | --- | --- | --- |
// |  1 | devices: auto started one process, and the code shared the data among all GPUs | here |
// |  2 | srun -n1 in an allocation of two tasks a node: one process, half of the data | here |
// |  3 | N tasks that each take themselves for rank 0 of a world of one | here |
// |  4 | only LOCAL_RANK is set: each node has a rank zero | here |
// |  5 | replicas counted as nodes x processes of this node, where nodes differ | here |
// |  6 | without a port each node chooses one | here, and ranks_of_the_second_node of launch_backends/conversation_test.cpp |
// |  7 | variables that a parent left behind | here, and environment_parity_test.cpp, whose table has more |
// |  8 | a resumed run began its order of samples anew | runtime/worker_test.cpp, a_resumed_run_is_the_same_run_bit_for_bit |
// |  9 | samples that pad the last batch were counted in the evaluation | runtime/sampler_test.cpp, evaluation_takes_each_sample_once |
// | 10 | gradients accumulated over a micro-batch too few or too many | worker_test.cpp, ranks_and_accumulation_divide_the_same_batch |
//
// Row 8 looks in the middle of an epoch and at its end, at the bytes of the weights. Rows 9 and 10: seven samples on two ranks; 1, 2 and 4
// micro-batches, and a last batch of 22 of 64.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>

#include "launch_backends/bind_ranks.hpp"
#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The plan of the real program for a job of several nodes, on a machine that a file describes.
Plan plan_on(const Folder& folder, const std::string& machine, const std::string& job) {
  folder.write("job.yaml", "fabric: 1\nname: train\n" + job);
  const ProgramRun run =
      run_fabric({"plan", "job.yaml", "--hardware", FABRIC_SOURCE_DIR "/tests/machines/" + machine + "/hardware.json", "--format", "json"},
                 folder.path());
  BOOST_TEST_REQUIRE(run.exit_code == 0, run.err);
  return from_value<Plan>(*read_json(run.out)->find("plan"));
}

const NodeGroup& group_of(const Plan& plan, std::int64_t rank) {
  return *std::find_if(plan.groups.rbegin(), plan.groups.rend(), [rank](const NodeGroup& group) { return group.first_rank <= rank; });
}

std::map<std::string, std::string> environment_of(const Plan& plan, std::int64_t rank, const Words& inherited) {
  const NodeGroup& group = group_of(plan, rank);
  RankPlace place;
  place.main_address = "10.0.0.1";
  place.main_port = 4711;
  place.rank = rank;
  place.local_rank = (rank - group.first_rank) % group.ranks_per_node;
  place.node_rank = group.first_node + (rank - group.first_rank) / group.ranks_per_node;
  std::map<std::string, std::string> environment;
  for (const std::string& variable : bind_rank(group.rank, place, inherited).env)
    environment[variable.substr(0, variable.find('='))] = variable.substr(variable.find('=') + 1);
  return environment;
}

// Two nodes of two ranks and one of four.
const std::string three_nodes = "accelerator: cpu\ndevices: 2\nnum_nodes: 3\nbackend: ssh\nssh: {hosts: [a, b, {host: c, devices: 4}]}\n";

const std::string contracts[] = {"torchrun", "fabric-cli", "env"};

// Says for each rank what it was told and what it can still see of others.
const std::string tells =
    "program: [sh, -c, 'echo told $RANK/$WORLD_SIZE local $LOCAL_RANK/$LOCAL_WORLD_SIZE sees ${SLURM_NTASKS-none} ${SLURM_PROCID-none} "
    "${LT_DEVICES-none} ${TORCHELASTIC_USE_AGENT_STORE-none} ${PL_GLOBAL_SEED-none}']\n";

BOOST_AUTO_TEST_SUITE(silent_wrong_results)

BOOST_AUTO_TEST_CASE(row_1_auto_starts_a_process_for_each_gpu_that_the_code_will_see) {
  const Folder folder;
  for (const std::string devices : {"auto", "-1"}) {
    const Plan plan = plan_on(folder, "server-8xh100",
                              "accelerator: cuda\ndevices: " + devices + "\nprogram: {command: [train], contract: fabric-cli}\n");
    BOOST_TEST(plan.world_size == 8);
    const auto environment = environment_of(plan, 7, {});
    BOOST_TEST(environment.at("LT_DEVICES") == "8");
    BOOST_TEST(environment.at("WORLD_SIZE") == "8");
  }
}

BOOST_AUTO_TEST_CASE(row_2_a_stale_count_of_tasks_does_not_make_the_world_smaller) {
  const Folder folder;
  folder.write("job.yaml", "fabric: 1\nname: train\naccelerator: cpu\ndevices: 2\n" + tells);
  const ProgramRun run =
      run_fabric({"apply", "job.yaml"}, folder.path(),
                 {"SLURM_JOB_ID=1", "SLURM_STEP_ID=1", "SLURM_STEP_NUM_TASKS=1", "SLURM_NTASKS=1", "SLURM_NTASKS_PER_NODE=2",
                  "SLURM_PROCID=0", "SLURM_LOCALID=0", "SLURM_NODEID=0", "SLURM_JOB_NAME=train"});
  BOOST_TEST(run.exit_code == 0, run.err);
  for (const std::string rank : {"0", "1"})
    BOOST_TEST(contains(run.out, "[0:" + rank + "] told " + rank + "/2 local " + rank + "/2 sees none none none none none\n"), run.out);
  BOOST_TEST(!contains(run.err, "FAB5030"), run.err);  // one task is no copy
}

BOOST_AUTO_TEST_CASE(row_3_of_several_copies_of_fabric_one_starts_the_job) {
  const std::vector<Words> copies = {
      {"SLURM_STEP_ID=0", "SLURM_STEP_NUM_TASKS=2", "SLURM_PROCID=1"},
      {"OMPI_COMM_WORLD_SIZE=2", "OMPI_COMM_WORLD_RANK=1"},
      {"PMI_SIZE=2", "PMI_RANK=1"},
  };
  for (const Words& variables : copies) {
    const Folder folder;
    folder.write("job.yaml", "fabric: 1\nname: train\naccelerator: cpu\ndevices: 1\nprogram: [hostname]\n");
    for (const Words& words :
         {Words{"apply", "job.yaml"}, Words{"apply", "--detach", "job.yaml"}, Words{"run", "--no-python", "hostname"}}) {
      const ProgramRun second = run_fabric(words, folder.path(), variables);
      BOOST_TEST(second.exit_code == 125);
      BOOST_TEST(contains(second.err, "error[FAB5030]: this fabric is process 1 of the 2 that "), second.err);
      BOOST_TEST(!fs::exists(folder.path() / "runs"));
    }
    Words of_the_first = variables;
    of_the_first.back().back() = '0';
    const ProgramRun first = run_fabric({"apply", "job.yaml"}, folder.path(), of_the_first);
    BOOST_TEST(first.exit_code == 0, first.err);
    BOOST_TEST(contains(first.err, "warning[FAB5030]: this fabric is process 0 of the 2 that "), first.err);
  }
  // A batch script of two tasks is none of them.
  const Folder folder;
  folder.write("job.yaml", "fabric: 1\nname: train\naccelerator: cpu\ndevices: 1\nprogram: [hostname]\n");
  const ProgramRun batch = run_fabric({"apply", "job.yaml"}, folder.path(), {"SLURM_NTASKS=2", "SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=2"});
  BOOST_TEST(batch.exit_code == 0);
  BOOST_TEST(!contains(batch.err, "FAB5030"), batch.err);
}

BOOST_AUTO_TEST_CASE(row_4_one_rank_of_all_nodes_is_zero) {
  const Folder folder;
  for (const std::string& contract : contracts) {
    const Plan plan = plan_on(folder, "laptop-2cpu", three_nodes + "program: {command: [train], contract: " + contract + "}\n");
    int zeros = 0, zeros_of_nodes = 0;
    for (std::int64_t rank = 0; rank < plan.world_size; ++rank) {
      const auto environment = environment_of(plan, rank, {"LOCAL_RANK=0"});
      zeros += environment.at("RANK") == "0";
      zeros_of_nodes += environment.at("LOCAL_RANK") == "0";
      BOOST_TEST(environment.at("RANK") == std::to_string(rank));
      BOOST_TEST(environment.at("LOCAL_RANK") == std::to_string(rank < 4 ? rank % 2 : rank - 4));
      BOOST_TEST(environment.at("NODE_RANK") == std::to_string(std::min<std::int64_t>(rank / 2, 2)));
    }
    BOOST_TEST(zeros == 1, contract);
    BOOST_TEST(zeros_of_nodes == 3, contract);
  }
}

BOOST_AUTO_TEST_CASE(row_5_there_is_one_count_of_ranks) {
  const Folder folder;
  for (const std::string& contract : contracts) {
    const std::string program = "program: {command: [train], contract: " + contract + "}\n";
    for (const auto& [job, world] : {std::pair{"accelerator: cpu\ndevices: 3\n" + program, 3}, {three_nodes + program, 8}}) {
      const Plan plan = plan_on(folder, "laptop-2cpu", job);
      std::int64_t ranks = 0;
      for (const NodeGroup& group : plan.groups) ranks += group.nodes * group.ranks_per_node;
      BOOST_TEST(ranks == world);
      BOOST_TEST(ranks == plan.world_size);
      for (std::int64_t rank = 0; rank < ranks; ++rank) {
        const auto environment = environment_of(plan, rank, {"WORLD_SIZE=7", "LOCAL_WORLD_SIZE=7", "LT_NUM_NODES=7"});
        const std::string local = std::to_string(group_of(plan, rank).ranks_per_node);
        BOOST_TEST(environment.at("WORLD_SIZE") == std::to_string(world));
        BOOST_TEST(environment.at("LOCAL_WORLD_SIZE") == local);
        if (contract == "fabric-cli") {
          BOOST_TEST(environment.at("LT_DEVICES") == local);
          BOOST_TEST(environment.at("LT_NUM_NODES") == std::to_string(plan.job.num_nodes));
        }
      }
    }
  }
  // Machines of which one is meant are refused, and not multiplied.
  folder.write("job.yaml", "fabric: 1\nname: train\naccelerator: cpu\ndevices: 3\nprogram: [train]\n");
  folder.write("machine.json", read_text(FABRIC_SOURCE_DIR "/tests/golden/hardware_of_several_machines/machine.json"));
  const ProgramRun run = run_fabric({"plan", "job.yaml", "--hardware", "machine.json"}, folder.path());
  BOOST_TEST(run.exit_code == 4);
  BOOST_TEST(contains(run.err, "FAB4803"), run.err);
}

BOOST_AUTO_TEST_CASE(row_6_all_ranks_are_told_one_port) {
  const Folder folder;
  for (const std::string& contract : contracts) {
    const Plan plan = plan_on(folder, "laptop-2cpu", three_nodes + "program: {command: [train], contract: " + contract + "}\n");
    for (std::int64_t rank = 0; rank < plan.world_size; ++rank) {
      // A plan has no port that a rank could choose or inherit: whoever binds it tells all.
      const std::map<std::string, Text>& environment = group_of(plan, rank).rank.env;
      BOOST_TEST((environment.at("MASTER_PORT") == Text(Binding::main_port)));
      BOOST_TEST((environment.at("MASTER_ADDR") == Text(Binding::main_address)));
      BOOST_TEST(environment_of(plan, rank, {"MASTER_PORT=1", "STANDALONE_PORT=2"}).at("MASTER_PORT") == "4711");
    }
  }
  // Nodes that are started one by one have nobody who could bind it for all.
  folder.write("job.yaml", "fabric: 1\nname: train\naccelerator: cpu\ndevices: 2\nnum_nodes: 2\nprogram: [hostname]\n");
  const ProgramRun by_hand = run_fabric({"apply", "job.yaml", "--node-rank", "1"}, folder.path());
  BOOST_TEST(by_hand.exit_code == 125);
  BOOST_TEST(contains(by_hand.err, "FAB5022"), by_hand.err);
}

BOOST_AUTO_TEST_CASE(row_7_what_a_parent_left_behind_is_removed_and_told) {
  const Folder folder;
  folder.write("job.yaml", "fabric: 1\nname: train\naccelerator: cpu\ndevices: 1\n" + tells);
  const Words left = {"LT_CLI_USED=1",
                      "LT_DEVICES=4",
                      "RANK=5",
                      "LOCAL_RANK=1",
                      "WORLD_SIZE=8",
                      "TORCHELASTIC_RUN_ID=outer",
                      "TORCHELASTIC_USE_AGENT_STORE=True",
                      "PL_GLOBAL_SEED=7",
                      "PL_SEED_WORKERS=1",
                      "SLURM_NTASKS=8",
                      "SLURM_PROCID=5"};
  const ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path(), left);
  BOOST_TEST(run.exit_code == 0, run.err);
  BOOST_TEST(contains(run.out, "[0:0] told 0/1 local 0/1 sees none none none none none\n"), run.out);
  const std::string note = "inherited variables of another launcher were removed: ";
  const std::size_t at = run.out.find(note);
  BOOST_TEST_REQUIRE(at != std::string::npos, run.out);
  const std::string told = run.out.substr(at, run.out.find('\n', at) - at);
  for (const std::string& variable : left) BOOST_TEST(contains(told, variable.substr(0, variable.find('='))), told);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
