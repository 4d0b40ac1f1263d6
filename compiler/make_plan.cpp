#include "compiler/make_plan.hpp"

#include <filesystem>

#include "compiler/resolve_code.hpp"

namespace fabric {
namespace {

// Variables by which a launcher tells a process who it is. A stale one, inherited from the shell or from an outer job, would make
// a rank believe in another world.
const std::vector<std::string> foreign_variables = {"RANK",
                                                    "LOCAL_RANK",
                                                    "WORLD_SIZE",
                                                    "LOCAL_WORLD_SIZE",
                                                    "GROUP_RANK",
                                                    "GROUP_WORLD_SIZE",
                                                    "NODE_RANK",
                                                    "ROLE_*",
                                                    "MASTER_ADDR",
                                                    "MASTER_PORT",
                                                    "TORCHELASTIC_*",
                                                    "LT_*",
                                                    "ACCELERATE_USE_*",
                                                    "ACCELERATE_MIXED_PRECISION",
                                                    "ACCELERATE_DEEPSPEED_*",
                                                    "ACCELERATE_DYNAMO_*",
                                                    "PL_GLOBAL_SEED",
                                                    "PL_SEED_WORKERS",
                                                    "FABRIC_*",
                                                    "OMPI_COMM_WORLD_*",
                                                    "MV2_COMM_WORLD_*",
                                                    "MPI_LOCALRANKID",
                                                    "MPI_LOCALNRANKS",
                                                    "PMI_RANK",
                                                    "PMI_SIZE",
                                                    "PMI_LOCAL_RANK",
                                                    "PMI_LOCAL_SIZE",
                                                    "PMIX_RANK",
                                                    "PALS_RANKID",
                                                    "PALS_LOCAL_RANKID",
                                                    "PALS_LOCAL_SIZE",
                                                    "FLUX_TASK_RANK",
                                                    "FLUX_TASK_LOCAL_ID",
                                                    "JSM_NAMESPACE_*",
                                                    "SLURM_PROCID",
                                                    "SLURM_LOCALID",
                                                    "SLURM_NODEID",
                                                    "SLURM_NTASKS",
                                                    "SLURM_NPROCS",
                                                    "SLURM_GTIDS",
                                                    "SLURM_STEP_*"};

using Variables = std::map<std::string, Text>;

// A rank that sees its own GPU alone takes the first that it sees.
Text local_rank_of(const Plan& plan, const NodeGroup& group) {
  const bool alone = plan.job.visible_devices == VisibleDevices::rank && group.accelerator == Accelerator::cuda;
  return alone ? Text("0") : Text(Binding::local_rank);
}

// Who a rank is. docs/variables.md has the table.
void tell_place(Contract contract, const Plan& plan, const NodeGroup& group, Variables& env) {
  if (contract == Contract::none) return;
  const std::string world = std::to_string(plan.world_size);
  const std::string nodes = std::to_string(plan.job.num_nodes);
  env["RANK"] = Text(Binding::rank);
  env["LOCAL_RANK"] = local_rank_of(plan, group);
  env["WORLD_SIZE"] = Text(world);
  env["LOCAL_WORLD_SIZE"] = Text(std::to_string(group.ranks_per_node));
  env["NODE_RANK"] = Text(Binding::node_rank);
  env["MASTER_ADDR"] = Text(Binding::main_address);
  env["MASTER_PORT"] = Text(Binding::main_port);
  if (contract == Contract::env) return;
  env["GROUP_RANK"] = Text(Binding::node_rank);
  env["GROUP_WORLD_SIZE"] = Text(nodes);
  env["ROLE_NAME"] = Text(group.role);
  env["ROLE_RANK"] = Text(Binding::rank);
  env["ROLE_WORLD_SIZE"] = Text(world);
  env["TORCHELASTIC_RUN_ID"] = Text(Binding::run_id);
  env["TORCHELASTIC_RESTART_COUNT"] = Text(Binding::attempt);
  env["TORCHELASTIC_MAX_RESTARTS"] = Text(std::to_string(plan.job.restart.max));
  env["TORCHELASTIC_ERROR_FILE"] = Text(Binding::error_file);
  if (contract != Contract::fabric_cli) return;
  env["LT_CLI_USED"] = Text("1");
  env["LT_DEVICES"] = Text(std::to_string(group.ranks_per_node));
  env["LT_NUM_NODES"] = Text(nodes);
}

// What the job says of strategy and precision, in the words of Lightning's Fabric and of Accelerate. Sources: Lightning 2.6, fabric/
// connector.py (LT_*); Accelerate 1.x, utils/launch.py (ACCELERATE_*), which knows three precisions.
void tell_choices(const Program& program, const std::optional<std::string>& accelerator, Variables& env) {
  if (program.contract == Contract::env || program.contract == Contract::none) return;
  if (accelerator) env["LT_ACCELERATOR"] = Text(*accelerator);
  if (program.precision) {
    const std::string& precision = *program.precision;
    env["LT_PRECISION"] = Text(precision);
    for (const auto& [word, accelerates] :
         {std::pair{"32-true", "no"}, {"32", "no"}, {"16-mixed", "fp16"}, {"16", "fp16"}, {"bf16-mixed", "bf16"}, {"bf16", "bf16"}})
      if (precision == word) env["ACCELERATE_MIXED_PRECISION"] = Text(accelerates);
  }
  if (!program.strategy) return;
  const std::string& strategy = *program.strategy;
  env["LT_STRATEGY"] = Text(strategy);
  if (strategy.starts_with("fsdp")) env["ACCELERATE_USE_FSDP"] = Text("true");
  if (strategy.starts_with("deepspeed")) {
    env["ACCELERATE_USE_DEEPSPEED"] = Text("true");
    constexpr std::string_view stage = "deepspeed_stage_";
    if (strategy.starts_with(stage)) env["ACCELERATE_DEEPSPEED_ZERO_STAGE"] = Text(strategy.substr(stage.size(), 1));
  }
}

Variables rank_environment(const Plan& plan, const NodeGroup& group, const std::optional<ProgramStart>& start) {
  Variables env;
  const std::optional<Program>& program = plan.job.program;
  // What a rank prints is seen when it prints it; a user's own choice stands.
  if (start && !start->sets_unbuffered) env["PYTHONUNBUFFERED"] = Text("1");
  for (const auto& [name, value] : plan.job.env) env[name] = Text(value);
  if (program) {
    for (const auto& [name, value] : program->env) env[name] = Text(value);
    tell_choices(*program, start ? start->accelerator : std::nullopt, env);
  }
  tell_place(program ? program->contract : Contract::torchrun, plan, group, env);
  env["OMP_NUM_THREADS"] = Text(std::to_string(plan.job.threads));
  env["FABRIC_RUN_ID"] = Text(Binding::run_id);
  env["FABRIC_RUN_DIR"] = Text(Binding::run_directory);
  env["FABRIC_PLAN"] = Text(Binding::run_directory, "/plan.json");
  env["FABRIC_ATTEMPT"] = Text(Binding::attempt);
  env["FABRIC_RESUME_FROM"] = Text(Binding::resume_path);
  env["FABRIC_STOP_FILE"] = Text(Binding::stop_file);
  env["FABRIC_EVENTS"] = Text(Binding::events_file);
  if (group.accelerator == Accelerator::cuda) {
    env["CUDA_VISIBLE_DEVICES"] = Text(plan.job.visible_devices == VisibleDevices::rank ? Binding::own_device : Binding::device_ids);
    // As the probe numbers them; left to itself, CUDA puts the fastest first.
    env["CUDA_DEVICE_ORDER"] = Text("PCI_BUS_ID");
  }
  if (plan.job.train && plan.world_size > 1) env["FABRIC_STORE_FD"] = Text(Binding::store_fd);
  return env;
}

RankTemplate rank_template(const Plan& plan, const NodeGroup& group, const std::optional<ProgramStart>& start,
                           const std::string& job_folder, const Outside& outside) {
  RankTemplate rank;
  rank.scrub = foreign_variables;
  rank.env = rank_environment(plan, group, start);
  // Where the machines are named, whoever starts the ranks has found out by which interface these reach each other.
  if (!group.hosts.empty() && plan.job.num_nodes > 1)
    for (const char* variable : {"GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"}) rank.defaults[variable] = Text(Binding::network_interface);
  if (start) {
    rank.argv = start->argv;
    for (Text& word : rank.argv)
      if (word == Text(Binding::local_rank)) word = local_rank_of(plan, group);
    rank.cwd = Text(plan.job.program->cwd.value_or(job_folder));
    rank.inherit = plan.job.program->inherit.patterns;
    // All of them differ from shell to shell, and would make each plan another: those that a run finds are in its events.
    if (rank.inherit && outside.variables && group.hosts.empty()) rank.inherited = inherited_of(rank, outside.variables());
    rank.env_file = plan.job.program->env_file;
  } else {
    rank.argv = {Text(outside.worker)};
    rank.cwd = Text(job_folder);
  }
  return rank;
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

Plan make_plan(Resolution resolution, const Request& request, std::vector<Input> inputs, const std::optional<ProgramStart>& start,
               std::vector<Question> questions, const Outside& outside) {
  Plan plan;
  plan.fabric_version = outside.version;
  plan.name = resolution.job.name;
  plan.request = request;
  plan.inputs = std::move(inputs);
  plan.request.job = plan.inputs.front().path;
  plan.job = std::move(resolution.job);
  plan.decisions = std::move(resolution.decisions);

  // Without a contract there is one process a node, which has all devices and starts its own peers.
  const bool alone = plan.job.program && plan.job.program->contract == Contract::none;
  plan.world_size = 0;
  std::int64_t nodes = 0;
  for (NodeShape& shape : resolution.nodes) {
    NodeGroup group;
    group.role = "main";
    group.nodes = shape.nodes;
    group.hosts = std::move(shape.hosts);
    group.first_node = nodes;
    group.first_rank = plan.world_size;
    group.ranks_per_node = alone ? 1 : shape.devices.count;
    group.accelerator = plan.job.accelerator;
    group.device_ids = shape.devices.ids;
    group.cpus = std::move(shape.cpus);
    nodes += group.nodes;
    plan.world_size += group.nodes * group.ranks_per_node;
    plan.groups.push_back(std::move(group));
  }
  const std::string job_folder = std::filesystem::path(plan.request.job).parent_path().string();
  for (NodeGroup& group : plan.groups) group.rank = rank_template(plan, group, start, job_folder, outside);
  if (start) {
    plan.code = start->code;
    plan.decisions.insert(plan.decisions.end(), start->decisions.begin(), start->decisions.end());
  }
  plan.questions = std::move(questions);
  plan.outputs = outputs(plan.job, plan.world_size);
  start_from_copy(plan, job_folder);
  return plan;
}

}  // namespace fabric
