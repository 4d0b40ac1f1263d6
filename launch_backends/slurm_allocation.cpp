#include "launch_backends/slurm_allocation.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/conductor.hpp"
#include "launch_backends/controller.hpp"
#include "launch_backends/held_signals.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_record.hpp"
#include "launch_backends/slurm_agents.hpp"
#include "launch_backends/slurm_needs.hpp"
#include "launch_backends/slurm_queue.hpp"
#include "launch_backends/slurm_script.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;

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

// gpu:h100:2(IDX:0-1),gpu:1(IDX:3),nvme:50(CNT:50): 3
std::int64_t gpus_of(std::string_view gres) {
  std::int64_t gpus = 0;
  for (std::size_t at = 0; (at = gres.find("gpu:", at)) != std::string_view::npos; ++at) {
    if (at > 0 && gres[at - 1] != ',') continue;
    const std::string_view item = gres.substr(at, gres.find('(', at) - at);
    gpus += number_at(item.substr(item.rfind(':') + 1));
  }
  return gpus;
}

std::string in_words(const SlurmAllocation& allocation) { return "allocation " + allocation.job + " of SLURM"; }

std::string counted(std::int64_t number, const std::string& what) { return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s"); }

// NAME=value, each with a NUL behind it: the environment of this process becomes that.
void take_environment(const std::string& text) {
  // bash's own, and those of the folder in which it was.
  constexpr std::array<std::string_view, 4> not_taken = {"_", "SHLVL", "PWD", "OLDPWD"};
  const auto is_taken = [&](std::string_view name) { return std::find(not_taken.begin(), not_taken.end(), name) == not_taken.end(); };
  for (const std::string& variable : own_environment())
    if (const std::string name = variable.substr(0, variable.find('=')); is_taken(name)) unsetenv(name.c_str());
  for (std::size_t begin = 0, end; (end = text.find('\0', begin)) != std::string::npos; begin = end + 1) {
    const std::size_t equals = text.find('=', begin);
    if (equals >= end || equals == begin) continue;
    if (const std::string name = text.substr(begin, equals - begin); is_taken(name))
      setenv(name.c_str(), text.substr(equals + 1, end - equals - 1).c_str(), 1);
  }
}

struct Made {
  std::string problem;  // empty: it is made
  int signal = 0;       // which ended it
};

// What a batch script does before its agents start, once: what it exports is in the environment of this process afterwards.
Made make_environment(const Plan& plan, const std::string& run) {
  const std::vector<EnvironmentLine> lines = environment_lines(*plan.job.slurm);
  if (lines.empty()) return {};
  constexpr int environment = 3;
  std::string script = "set -e\n";
  for (const EnvironmentLine& line : lines) script += line.command + '\n';
  script += "command -p env -0 >&" + std::to_string(environment);
  const FileDescriptor made(memfd_create("environment", MFD_CLOEXEC));
  ProcessStart start;
  start.argv = {"bash", "-c", script};
  start.env = own_environment();
  start.cwd = run;
  start.descriptors = {{STDERR_FILENO, STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}, {made.get(), environment}};
  start.new_session = true;
  start.parent_death_signal = SIGKILL;
  const EndHeldUp held_up;
  const pid_t pid = start_process(start);
  const FileDescriptor process = open_process(pid);
  pollfd ended{process.get(), POLLIN, 0};
  while (poll(&ended, 1, 100) <= 0 && signal_to_end() == 0) {}
  if (const int signal = signal_to_end(); signal != 0) {
    kill(-pid, SIGTERM);
    if (poll(&ended, 1, 2000) <= 0) kill(-pid, SIGKILL);
    wait_for(pid);
    return {.problem = "", .signal = signal};
  }
  if (const ExitStatus status = wait_for(pid); !status.good())
    return {.problem = "what makes the environment of the ranks (slurm.setup, modules, conda, venv) " + status.str(), .signal = 0};
  std::string text;
  std::array<char, 1 << 16> buffer{};
  for (ssize_t n = 0, at = 0; (n = pread(made.get(), buffer.data(), buffer.size(), at)) > 0; at += n)
    text.append(buffer.data(), static_cast<std::size_t>(n));
  take_environment(text);
  return {};
}

void clear_variables_of_salloc() {
  clear_variables_of_srun();
  for (const char* name : {"SLURM_CPU_BIND", "SLURM_CPU_BIND_LIST", "SLURM_CPU_BIND_TYPE", "SLURM_CPU_BIND_VERBOSE", "SLURM_GPU_BIND",
                           "SLURM_TRES_BIND", "SLURM_GPUS_PER_TASK", "SLURM_TRES_PER_TASK", "SLURM_NTASKS_PER_GPU", "SLURM_NTASKS_PER_TRES",
                           "SLURM_CPUS_PER_GPU", "SLURM_NTASKS_PER_SOCKET", "SLURM_NTASKS_PER_CORE"})
    unsetenv(name);
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
  if (!text("SLURM_HET_SIZE").empty()) {
    SlurmAllocation several{.job = text("SLURM_JOB_ID_HET_GROUP_0"), .nodes = "", .cpus = {}};
    several.heterogeneous = true;
    return several;
  }
  SlurmAllocation allocation{.job = text("SLURM_JOB_ID"), .nodes = text("SLURM_JOB_NODELIST"), .cpus = {}};
  if (allocation.job.empty() || allocation.nodes.empty()) return std::nullopt;
  allocation.cpus = counts_of(text("SLURM_JOB_CPUS_PER_NODE"));
  allocation.in_step = !text("SLURM_STEP_ID").empty();
  return allocation;
}

void read_allocation(std::string_view text, SlurmAllocation& allocation) {
  // What follows may hold words of the user's.
  std::istringstream words(std::string(text.substr(0, text.find(" Command="))));
  std::int64_t gpus = std::numeric_limits<std::int64_t>::max();
  bool lists_nodes = false;
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
    if (name == "JobState") allocation.state = value;
    if (name == "Partition") allocation.partition = value;
    // Of nodes that have the same of everything together.
    if (name == "Nodes") lists_nodes = true;
    if (name == "GRES" && lists_nodes) gpus = std::min(gpus, gpus_of(value));
  }
  if (lists_nodes) allocation.gpus = gpus == std::numeric_limits<std::int64_t>::max() ? 0 : gpus;
}

void ask_about_allocation(SlurmAllocation& allocation) {
  ProcessStart start;
  start.argv = {"scontrol", "--oneliner", "--details", "show", "job", allocation.job};
  start.env = own_environment();
  try {
    const ProgramResult result = run_program(std::move(start), "", std::size_t{1} << 20, 5s);
    if (result.status.good() && !result.timed_out) read_allocation(result.output, allocation);
    else if (result.errors.find("Invalid job id") != std::string::npos) allocation.state = "not known any more";
  } catch (const std::system_error&) {}
}

Hardware hardware_in_allocation(const JobSpec& job, const SlurmAllocation& allocation, Hardware nodes) {
  if (nodes.groups.empty() || allocation.cpus.empty()) return nodes;
  HostGroup group = std::move(nodes.groups.front());
  const auto least = static_cast<std::size_t>(*std::min_element(allocation.cpus.begin(), allocation.cpus.end()));
  if (group.host.cpus.size() > least) group.host.cpus.resize(least);
  const bool open = is_auto(job.accelerator) || is_auto(job.devices) || std::get<Devices>(job.devices).all;
  if (open && allocation.gpus && group.host.gpus.size() > static_cast<std::size_t>(*allocation.gpus))
    group.host.gpus.resize(static_cast<std::size_t>(*allocation.gpus));
  group.host.numa_nodes.clear();
  group.count = static_cast<std::int64_t>(allocation.cpus.size());
  nodes.groups = {std::move(group)};
  return nodes;
}

void check_allocation(const Plan& plan, const std::optional<SlurmAllocation>& allocation, Diagnostics& diagnostics) {
  const auto refuse = [&](const char* code, std::string message, const char* field, std::string label, std::string help) {
    diagnostics.add({.code = code,
                     .message = std::move(message),
                     .at = Place(Path::parse(field).value_or(Path())),
                     .label = std::move(label),
                     .help = std::move(help)});
  };
  const std::string gres = slurm_gres(plan);
  const std::string salloc = "salloc --nodes=" + std::to_string(plan.job.num_nodes) +
                             " --ntasks-per-node=1 --cpus-per-task=" + std::to_string(slurm_cpus_per_node(plan)) +
                             (gres.empty() ? "" : " --gres=" + gres);
  if (!allocation || allocation->has_ended()) {
    refuse("FAB5248",
           !allocation ? "this shell has no allocation of SLURM"
                       : in_words(*allocation) + ", in which this shell says it is, has ended (" + allocation->state + ')',
           "backend", "not in an allocation",
           "get one, as by `" + salloc + "`, and start fabric in the shell that it gives; without `--in-allocation` the job is submitted");
    return;
  }
  const std::string which = in_words(*allocation);
  if (allocation->heterogeneous) {
    refuse("FAB5249", which + " is heterogeneous, of several jobs with nodes each", "backend", "not of one kind of nodes",
           "get one of one kind, as by `" + salloc + "`, or leave `--in-allocation` out");
    return;
  }
  if (plan.job.slurm->array)
    refuse("FAB5249", "each index of an array is a job of its own, and " + which + " is one", "slurm.array", "many jobs",
           "leave `--in-allocation` out, and the array is submitted");
  if (plan.job.slurm->shape == SlurmShape::srun)
    refuse("FAB5249", "in an allocation fabric starts an agent on each node, and the shape `srun` has none", "slurm.shape",
           "without agents", "give --set slurm.shape=agent, or leave `--in-allocation` out");
  if (allocation->cpus.empty()) return;  // then srun says it
  const std::size_t wanted = static_cast<std::size_t>(plan.job.num_nodes), has = allocation->cpus.size();
  if (has < wanted) {
    refuse("FAB5249", which + " has " + counted(static_cast<std::int64_t>(has), "node") + ", and the job wants " + std::to_string(wanted),
           "num_nodes", "more than there are", "give --set num_nodes=" + std::to_string(has) + ", or get a larger one: " + salloc);
    return;
  }
  const std::int64_t least = *std::min_element(allocation->cpus.begin(), allocation->cpus.begin() + plan.job.num_nodes);
  if (const std::int64_t cpus = slurm_cpus_per_node(plan); least < cpus)
    refuse("FAB5249", which + " has " + counted(least, "CPU") + " of a node, and the job wants " + std::to_string(cpus), "devices",
           "more than there are", "let the job want fewer ranks or `threads`, or get a larger one: " + salloc);
  if (plan.groups.front().accelerator == Accelerator::cuda && allocation->gpus && *allocation->gpus < plan.job.devices.count)
    refuse("FAB5249",
           which + " has " + counted(*allocation->gpus, "GPU") + " of a node, and the job wants " + std::to_string(plan.job.devices.count),
           "devices", "more than there are", "get another one: " + salloc);
}

Carrier agents_in_allocation(const std::string& self, const Plan& plan, const SlurmAllocation& allocation, const std::string& run) {
  Carrier agents = agents_by_srun(self, plan, run);
  std::vector<std::string>& words = agents.argv;
  // Whoever waits for nodes that another step has is to hear of it.
  std::erase(words, "--quiet");
  std::vector<std::string> more = {"--jobid=" + allocation.job, "--relative=0"};
  if (!run.empty()) more.push_back("--chdir=" + run);
  if (const std::string gres = slurm_gres(plan); plan.groups.front().accelerator == Accelerator::cuda) more.push_back("--gres=" + gres);
  // Otherwise it would wait for the end of the step that this process is.
  if (allocation.in_step) more.emplace_back("--overlap");
  words.insert(words.begin() + 1, more.begin(), more.end());
  return agents;
}

Outcome conduct_in_allocation(const std::string& self, const Plan& plan, const SlurmAllocation& allocation, RunOptions options,
                              RunObserver& observer) {
  const RunDirectory run = RunDirectory::open(options.run_directory);
  // An earlier attempt may have been a job of its own: nobody is to look for that one.
  std::error_code error;
  std::filesystem::remove(run.path() + '/' + slurm_job_file, error);
  const Conductor own = new_conductor("process " + std::to_string(getpid()) + " in " + in_words(allocation), allocation.job);
  name_conductor(run.path(), own);
  const Made made = make_environment(plan, run.path());
  if (made.signal != 0) return stop_attempt(run, options.attempt, made.signal);
  Outcome outcome;
  try {
    if (!made.problem.empty()) throw std::runtime_error(made.problem);
    if (const std::optional<double> left = time_for_ranks(plan, allocation.job);
        left && (!plan.job.time_limit || *left < plan.job.time_limit->seconds)) {
      options.time_left = left;
      options.time_words = "the end of the time of " + in_words(allocation);
    }
    take_options_of_job(plan, allocation.nodes, options);
    clear_variables_of_salloc();
    options.overruled = [&] { return overruling_of(run.path(), own); };
    options.put_back = [&](Outcome& end) -> std::optional<Value> {
      if (end.verdict == "finished") return std::nullopt;
      SlurmAllocation now = allocation;
      ask_about_allocation(now);
      if (now.has_ended()) end.message += (end.message.empty() ? "" : "; ") + in_words(now) + " is over (" + now.state + ')';
      return std::nullopt;
    };
    outcome = conduct(plan, options, {agents_in_allocation(self, plan, allocation, run.path())}, observer);
  } catch (const std::exception& failure) {
    outcome = refuse_attempt(run, options.attempt, failure.what());
  }
  const EndHeldUp held_up;
  if (const std::string failed = run_teardown(plan, run.path(), STDERR_FILENO); !failed.empty()) tell(observer, failed);
  return outcome;
}

}  // namespace fabric
