#include <algorithm>

#include "cli/import/script_import.hpp"

namespace fabric {

void ScriptImport::ranks() {
  const std::int64_t nodes = nodes_of_launcher();
  const std::int64_t tasks = needs_.tasks_on_a_node();
  const std::int64_t gpus = needs_.gpus_per_node.value_or(0);
  const LaunchLine::Start start = body_.launch ? body_.launch->start : LaunchLine::Start::by_tasks;
  const std::string from_gpus = line_of({"gres", "gpus-per-node", "gpus", "gpus-per-task"});
  out_.set("accelerator", gpus > 0 ? "cuda" : "cpu", gpus > 0 ? from_gpus : "no GPU is asked for");
  devices_ = std::max<std::int64_t>(gpus, 1);
  std::string origin = gpus > 0 ? from_gpus : "one process a node";
  if (start == LaunchLine::Start::by_launcher) devices_of_launcher(tasks, gpus, nodes, origin);
  else if (start == LaunchLine::Start::by_tasks) devices_of_tasks(tasks, gpus, nodes, origin);
  else devices_of_one(tasks, nodes);
  out_.set("devices", devices_, origin);
  if (nodes > 1 && start == LaunchLine::Start::once) out_.set("num_nodes", 1, "the program starts on one node");
  else if (nodes > 1) out_.set("num_nodes", nodes, origin_of_nodes());
  if (needs_.nodes_may_vary) nodes_that_vary(nodes);
  if (const SbatchDirective* d = directive("ntasks");
      d && needs_.tasks.value_or(1) > 1 && (!needs_.nodes || (needs_.nodes_of_tasks && !needs_.nodes_may_vary)))
    warn("FAB6104", "without --nodes SLURM may spread tasks over any number of nodes", d->at, "on how many nodes",
         (nodes == 1 ? "the job has one node" : "the job has " + std::to_string(nodes) + " nodes, the fewest that they fit on") +
             ": write `num_nodes`, if it is to have more");
  if (const SbatchDirective* d = directive("exclusive"); d && gpus == 0)
    warn("FAB6113", "with --exclusive a job has the GPUs of its nodes without asking for them", d->at, "and with them their GPUs",
         "write `accelerator: cuda`, if the program computes on them");
  if (!body_.launch) return;
  if (const auto restarts = count_in(body_.launch->restarts)) out_.set("restart", *restarts, line(body_.launch_at));
}

std::string ScriptImport::origin_of_nodes() const {
  const std::string from_nodes = line_of({"nodes"}), from_tasks = line_of({"ntasks"});
  if (needs_.nodes_of_tasks && !from_tasks.empty()) return from_tasks + ": as many as its tasks need";
  return from_nodes.empty() ? line(body_.launch_at) : from_nodes;
}

// --nodes=1-4: a job has one number of them.
void ScriptImport::nodes_that_vary(std::int64_t nodes) {
  const BashField* of_step = srun_option("nodes");
  const SbatchDirective* d = directive("nodes");
  const bool by_step = of_step && of_step->known();
  const std::string why = needs_.nodes_of_tasks ? std::to_string(*needs_.tasks) + " tasks need so many, with " +
                                                      std::to_string(*needs_.tasks_per_node) + " on a node"
                                                : "that is the fewest of them";
  warn("FAB6104",
       "SLURM gives as many nodes of " + (by_step ? of_step->text() : *d->value) + " as are free, and a job has one number of them",
       by_step ? at_launch() : d->at, "becomes " + std::to_string(nodes), why + ": write another `num_nodes`, if that is not meant");
}

// A process a task of srun.
void ScriptImport::devices_of_tasks(std::int64_t tasks, std::int64_t gpus, std::int64_t nodes, std::string& origin) {
  if (gpus > 1 && tasks == 1) {
    if (!body_.launch) return;
    alone_ = true;
    return warn("FAB6113", "one task of a node has " + std::to_string(gpus) + " GPUs", at_launch(), "one process",
                "the job starts one, with all of them (`contract: none`); leave `contract` out, if a rank each is what the program is for");
  }
  devices_ = tasks;
  if (body_.launch && needs_.tasks && tasks * nodes != *needs_.tasks)
    warn("FAB6113", std::to_string(*needs_.tasks) + " tasks are not as many on each of " + std::to_string(nodes) + " nodes", at_launch(),
         "not the same number", "the job has " + std::to_string(tasks) + " ranks on each: write other `devices` or `num_nodes`");
  const std::string from_tasks = line_of({"ntasks-per-node", "tasks-per-node", "ntasks", "ntasks-per-gpu"});
  if (tasks > 1 || gpus == 0) origin = from_tasks.empty() ? (body_.launch ? line(body_.launch_at) : "one process a node") : from_tasks;
  if (gpus > 0 && tasks != gpus && body_.launch)
    warn("FAB6113", std::to_string(tasks) + " tasks of a node share " + std::to_string(gpus) + " GPUs", at_launch(), "not one each",
         "the job has as many ranks, and a GPU for each: look whether that is right");
}

// Started without srun and without a launcher.
void ScriptImport::devices_of_one(std::int64_t tasks, std::int64_t nodes) {
  alone_ = true;
  if (nodes > 1 || tasks > 1)
    warn("FAB6113", "the program is started once, on the first node, and " + std::to_string(nodes * tasks) + " tasks are asked for",
         at_launch(), "without srun",
         "the job does so too (`contract: none`): leave `contract` out and write `devices`, if ranks are meant");
}

void ScriptImport::devices_of_launcher(std::int64_t tasks, std::int64_t gpus, std::int64_t nodes, std::string& origin) {
  const LaunchLine& launch = *body_.launch;
  if (const std::optional<std::int64_t> told = count_in(launch.processes)) {
    devices_ = launch.processes_of_all ? std::max<std::int64_t>(1, *told / nodes) : *told;
    origin = line(body_.launch_at);
  } else if (launch.processes && launch.processes->text() != "gpu" && launch.processes->text() != "auto") {
    warn("FAB6113", "how many processes of a node are started is known to the shell alone", at_launch(),
         "`" + launch.processes->text() + '`', "the job has as many ranks as GPUs are asked for: look whether that is right");
  }
  if (gpus > 0 && devices_ != gpus)
    warn("FAB6113", std::to_string(devices_) + " processes of a node are started, and " + std::to_string(gpus) + " GPUs are asked for",
         at_launch(), "another number", "the job has as many ranks, and a GPU for each: look whether that is right");
  const bool by_srun = !launch.srun_options.empty() || text_.find("srun", body_.launch_at) != std::string::npos;
  if (by_srun && tasks > 1)
    warn("FAB6113", launch.launcher + " starts the processes of a node, and srun starts it " + std::to_string(tasks) + " times there",
         at_launch(), "several launchers", "the job starts one rank a device: `devices` is what counts");
  // deepspeed goes to the others by ssh.
  if (!by_srun && nodes > 1 && launch.launcher != "deepspeed")
    warn("FAB6113", launch.launcher + " is started on the first node alone, and the job has " + std::to_string(nodes), at_launch(),
         "without srun", "fabric starts ranks on all of them");
}

std::int64_t ScriptImport::nodes_of_launcher() {
  const std::int64_t asked = needs_.node_count();
  if (!body_.launch || body_.launch->start != LaunchLine::Start::by_launcher) return asked;
  const std::optional<std::int64_t> told = count_in(body_.launch->nodes);
  if (told && needs_.nodes && *told != asked)
    warn("FAB6113",
         body_.launch->launcher + " is told of " + std::to_string(*told) + " nodes, and " + std::to_string(asked) + " are asked for",
         at_launch(), "another number", "the job has those that are asked for");
  const std::string& launcher = body_.launch->launcher;
  if (!body_.launch->nodes && asked > 1 && (launcher == "torchrun" || launcher.starts_with("torch.")))
    warn("FAB6113", launcher + " is not told of nodes, and takes its own for the only one; " + std::to_string(asked) + " are asked for",
         at_launch(), "without --nnodes", "the job has those that are asked for, and its ranks are one group");
  return needs_.nodes ? asked : told.value_or(1);
}

}  // namespace fabric
