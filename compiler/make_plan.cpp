#include "compiler/make_plan.hpp"

#include <filesystem>

namespace fabric {
namespace {

// Variables by which a launcher tells a process who it is. A stale one, inherited from the shell or from an outer job, would make
// a rank believe in another world.
const std::vector<std::string> foreign_variables = {
    "RANK",           "LOCAL_RANK",    "WORLD_SIZE",        "LOCAL_WORLD_SIZE", "GROUP_RANK",     "GROUP_WORLD_SIZE",
    "NODE_RANK",      "ROLE_*",        "MASTER_ADDR",       "MASTER_PORT",      "TORCHELASTIC_*", "LT_*",
    "PL_GLOBAL_SEED", "FABRIC_*",      "OMPI_COMM_WORLD_*", "PMI_RANK",         "PMI_SIZE",       "JSM_NAMESPACE_*",
    "SLURM_PROCID",   "SLURM_LOCALID", "SLURM_NODEID",      "SLURM_NTASKS",     "SLURM_STEP_*"};

std::map<std::string, Text> rank_environment(const Plan& plan, const NodeGroup& group) {
  const std::string world = std::to_string(plan.world_size);
  const std::string nodes = std::to_string(plan.job.num_nodes);
  std::map<std::string, Text> env;
  for (const auto& [name, value] : plan.job.env) env[name] = Text(value);
  env["RANK"] = Text(Binding::rank);
  env["LOCAL_RANK"] = Text(Binding::local_rank);
  env["WORLD_SIZE"] = Text(world);
  env["LOCAL_WORLD_SIZE"] = Text(std::to_string(group.ranks_per_node));
  env["GROUP_RANK"] = Text(Binding::node_rank);
  env["GROUP_WORLD_SIZE"] = Text(nodes);
  env["NODE_RANK"] = Text(Binding::node_rank);
  env["ROLE_NAME"] = Text(group.role);
  env["ROLE_RANK"] = Text(Binding::rank);
  env["ROLE_WORLD_SIZE"] = Text(world);
  env["MASTER_ADDR"] = Text(Binding::main_address);
  env["MASTER_PORT"] = Text(Binding::main_port);
  env["TORCHELASTIC_RUN_ID"] = Text(Binding::run_id);
  env["TORCHELASTIC_RESTART_COUNT"] = Text(Binding::attempt);
  env["TORCHELASTIC_MAX_RESTARTS"] = Text("0");
  env["OMP_NUM_THREADS"] = Text(std::to_string(plan.job.threads));
  env["FABRIC_RUN_ID"] = Text(Binding::run_id);
  env["FABRIC_RUN_DIR"] = Text(Binding::run_directory);
  env["FABRIC_PLAN"] = Text(Binding::run_directory, "/plan.json");
  env["FABRIC_ATTEMPT"] = Text(Binding::attempt);
  env["FABRIC_RESUME_FROM"] = Text(Binding::resume_path);
  env["FABRIC_STOP_FILE"] = Text(Binding::stop_file);
  env["FABRIC_EVENTS"] = Text(Binding::events_file);
  if (group.accelerator == Accelerator::cuda) {
    env["CUDA_VISIBLE_DEVICES"] = Text(Binding::device_ids);
    // As the probe numbers them; left to itself, CUDA puts the fastest first.
    env["CUDA_DEVICE_ORDER"] = Text("PCI_BUS_ID");
  }
  if (plan.job.train && plan.world_size > 1) env["FABRIC_STORE_FD"] = Text(Binding::store_fd);
  return env;
}

std::vector<Output> outputs(const ResolvedJob& job, std::int64_t world) {
  std::vector<Output> all = {{"plan.json", "this plan"},
                             {"status.json", "where the run stands"},
                             {"events.jsonl", "what happened, a line each"},
                             {world == 1 ? "nodes/0/rank-0.log" : "nodes/K/rank-N.log", "what each rank prints"}};
  if (job.train) {
    all.push_back({"checkpoints/step-N.safetensors",
                   "every " + job.checkpoint.every.str() + " and at the end, the newest " + std::to_string(job.checkpoint.keep) + " kept"});
    all.push_back({"metrics.csv", "a row every " + std::to_string(job.train->log_every) + " steps and every epoch"});
    all.push_back({"metrics.jsonl", "the same as JSON lines"});
  }
  return all;
}

}  // namespace

Plan make_plan(Resolution resolution, const Request& request, std::vector<Input> inputs, std::vector<Question> questions,
               const Outside& outside) {
  Plan plan;
  plan.fabric_version = outside.version;
  plan.name = resolution.job.name;
  plan.request = request;
  plan.inputs = std::move(inputs);
  plan.request.job = plan.inputs.front().path;
  plan.job = std::move(resolution.job);
  plan.decisions = std::move(resolution.decisions);
  plan.world_size = plan.job.num_nodes * plan.job.devices.count;

  NodeGroup group;
  group.role = "main";
  group.nodes = plan.job.num_nodes;
  group.ranks_per_node = plan.job.devices.count;
  group.accelerator = plan.job.accelerator;
  group.device_ids = plan.job.devices.ids;
  group.rank.scrub = foreign_variables;
  group.rank.env = rank_environment(plan, group);
  const std::string job_folder = std::filesystem::path(plan.request.job).parent_path().string();
  if (plan.job.program) {
    for (const std::string& argument : plan.job.program->command) group.rank.argv.emplace_back(argument);
    group.rank.cwd = Text(plan.job.program->cwd.value_or(job_folder));
  } else {
    group.rank.argv = {Text(outside.worker)};
    group.rank.cwd = Text(job_folder);
  }
  plan.groups = {std::move(group)};
  plan.questions = std::move(questions);
  plan.outputs = outputs(plan.job, plan.world_size);
  return plan;
}

}  // namespace fabric
