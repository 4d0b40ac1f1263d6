#include "launch_backends/slurm_allocation.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "launch_backends/bash_word.hpp"
#include "launch_backends/controller.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/slurm_agents.hpp"
#include "launch_backends/slurm_needs.hpp"
#include "launch_backends/slurm_queue.hpp"
#include "launch_backends/slurm_script.hpp"

namespace fabric {
namespace {

std::int64_t number_at(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// 8(x3),4: a number for each node.
std::vector<std::int64_t> counts_of(std::string_view list) {
  constexpr std::int64_t most = 1 << 20;  // nodes
  std::vector<std::int64_t> counts;
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(item.size() + 1, list.size()));
    const std::size_t times = item.find("(x");
    const std::int64_t nodes = times == std::string_view::npos ? 1 : std::clamp<std::int64_t>(number_at(item.substr(times + 2)), 1, most);
    counts.insert(counts.end(), static_cast<std::size_t>(nodes), number_at(item));
  }
  return counts;
}

// What a batch script would do before it starts the agents, and then what stands behind it.
std::vector<std::string> in_environment(const Plan& plan, const std::string& run, std::vector<std::string> command) {
  const std::vector<EnvironmentLine> lines = environment_lines(*plan.job.slurm);
  if (lines.empty()) return command;
  const std::string to_run = "cd " + bash_word(run) + '\n';
  std::string script = "set -e\n" + to_run;
  for (const EnvironmentLine& line : lines) script += line.command + '\n';
  std::vector<std::string> words = {"bash", "-c", script + to_run + "exec \"$@\"", "bash"};
  words.insert(words.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
  return words;
}

void tell(RunObserver& observer, const std::string& message) {
  Event event{.kind = "note", .time = now_seconds(), .detail = Value::object()};
  event.detail.set("message", message);
  observer.on_event(event);
}

}  // namespace

std::optional<SlurmAllocation> slurm_allocation(const std::function<const char*(const char*)>& variable) {
  const auto text = [&](const char* name) {
    const char* value = variable(name);
    return std::string(value ? value : "");
  };
  SlurmAllocation allocation{.job = text("SLURM_JOB_ID"), .nodes = text("SLURM_JOB_NODELIST")};
  if (allocation.job.empty() || allocation.nodes.empty()) return std::nullopt;
  allocation.cpus = counts_of(text("SLURM_JOB_CPUS_PER_NODE"));
  allocation.in_step = !text("SLURM_STEP_ID").empty();
  return allocation;
}

void check_allocation(const Plan& plan, const std::optional<SlurmAllocation>& allocation, Diagnostics& diagnostics) {
  const auto refuse = [&](const char* code, std::string message, const char* field, std::string label, std::string help) {
    diagnostics.add({.code = code,
                     .message = std::move(message),
                     .at = Place(Path::parse(field).value_or(Path())),
                     .label = std::move(label),
                     .help = std::move(help)});
  };
  const std::string nodes = std::to_string(plan.job.num_nodes), cpus = std::to_string(slurm_cpus_per_node(plan));
  const std::string salloc = "salloc --nodes=" + nodes + " --ntasks-per-node=1 --cpus-per-task=" + cpus;
  if (!allocation) {
    refuse("FAB5248", "this shell has no allocation of SLURM", "backend", "not in an allocation",
           "get one, as by `" + salloc + "`, and start fabric in the shell that it gives; without `--in-allocation` the job is submitted");
    return;
  }
  const std::string which = "allocation " + allocation->job + " of SLURM";
  if (plan.job.slurm->array)
    refuse("FAB5249", "each index of an array is a job of its own, and " + which + " is one", "slurm.array", "many jobs",
           "leave `--in-allocation` out, and the array is submitted");
  if (plan.job.slurm->shape == SlurmShape::srun)
    refuse("FAB5249", "in an allocation fabric starts an agent on each node, and the shape `srun` has none", "slurm.shape",
           "without agents", "give --set slurm.shape=agent, or leave `--in-allocation` out");
  const std::size_t wanted = static_cast<std::size_t>(plan.job.num_nodes);
  if (allocation->cpus.size() < wanted) {
    const std::size_t has = allocation->cpus.size();
    refuse("FAB5249", which + " has " + std::to_string(has) + (has == 1 ? " node" : " nodes") + ", and the job wants " + nodes, "num_nodes",
           "more than there are", "give --set num_nodes=" + std::to_string(has) + ", or get a larger one: " + salloc);
    return;
  }
  const std::int64_t least = *std::min_element(allocation->cpus.begin(), allocation->cpus.begin() + plan.job.num_nodes);
  if (least < slurm_cpus_per_node(plan))
    refuse("FAB5249", which + " has " + std::to_string(least) + (least == 1 ? " CPU" : " CPUs") + " of a node, and the job wants " + cpus,
           "devices", "more than there are", "let the job want fewer ranks or `threads`, or get a larger one: " + salloc);
}

Outcome conduct_in_allocation(const std::string& self, const Plan& plan, const SlurmAllocation& allocation, RunOptions options,
                              RunObserver& observer) {
  // An earlier attempt may have been a job of its own: nobody is to look for that one.
  std::error_code error;
  std::filesystem::remove(options.run_directory + '/' + slurm_job_file, error);
  if (const std::optional<double> left = time_for_ranks(plan, allocation.job))
    options.time_left = plan.job.time_limit ? std::min(*left, plan.job.time_limit->seconds) : *left;
  take_options_of_job(plan, allocation.nodes, options);
  clear_variables_of_srun();
  for (const char* name : {"SLURM_CPU_BIND", "SLURM_CPU_BIND_LIST", "SLURM_CPU_BIND_TYPE", "SLURM_CPU_BIND_VERBOSE"}) unsetenv(name);
  Carrier agents = agents_by_srun(self, plan, options.run_directory);
  std::vector<std::string> more = {"--jobid=" + allocation.job, "--relative=0"};
  // Otherwise it would wait for the end of the step that this process is.
  if (allocation.in_step) more.emplace_back("--overlap");
  agents.argv.insert(agents.argv.begin() + 1, more.begin(), more.end());
  agents.argv = in_environment(plan, options.run_directory, std::move(agents.argv));
  Outcome outcome = conduct(plan, options, {agents}, observer);
  if (const std::string failed = run_teardown(plan); !failed.empty()) tell(observer, failed);
  return outcome;
}

}  // namespace fabric
