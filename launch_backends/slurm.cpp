#include "launch_backends/slurm.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "launch_backends/answer_question.hpp"
#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/probe_slurm.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/replace_file.hpp"
#include "launch_backends/run_directory.hpp"
#include "launch_backends/run_record.hpp"
#include "launch_backends/slurm_allocation.hpp"
#include "launch_backends/slurm_array.hpp"
#include "launch_backends/slurm_limits.hpp"
#include "launch_backends/slurm_needs.hpp"
#include "launch_backends/slurm_options.hpp"
#include "launch_backends/slurm_queue.hpp"
#include "launch_backends/slurm_refusals.hpp"
#include "launch_backends/slurm_script.hpp"
#include "launch_backends/slurm_srun_script.hpp"
#include "schema/joined.hpp"

namespace fabric {
namespace {

// Nodes that have what the job asks for, where nobody can say what they have. What the job leaves to fabric is then open.
Hardware assumed_nodes(const JobSpec& job, Diagnostics& diagnostics) {
  const auto open = [&](const char* field) {
    Diagnostic d{.code = "FAB5210", .message = std::string("`") + field + "` is auto, and nobody here can say what the nodes have"};
    d.at = Path::parse(field).value_or(Path());
    d.label = std::string("nothing says what `") + field + "` is";
    d.help = std::string("write `") + field + "`, or give what a node is with --hardware FILE";
    diagnostics.add(std::move(d));
  };
  Host host;
  host.hostname = "a node";
  if (is_auto(job.accelerator)) open("accelerator");
  const bool on_cpus = !is_auto(job.accelerator) && std::get<Accelerator>(job.accelerator) == Accelerator::cpu;
  if (is_auto(job.devices) && !on_cpus) open("devices");
  if (is_auto(job.threads) && !job.slurm->cpus_per_rank) open("threads");
  if (diagnostics.has_errors()) return {};
  const std::int64_t devices = is_auto(job.devices) ? 1 : std::get<Devices>(job.devices).count;
  const std::int64_t cpus = job.slurm->cpus_per_rank ? *job.slurm->cpus_per_rank : std::get<std::int64_t>(job.threads);
  for (std::int64_t i = 0; i < cpus * devices; ++i) host.cpus.push_back(i);
  host.cpus_online = cpus * devices;
  if (std::get<Accelerator>(job.accelerator) == Accelerator::cuda)
    for (std::int64_t i = 0; i < devices; ++i)
      host.gpus.push_back({.index = i, .name = job.slurm->gpu_type.value_or("GPU"), .uuid = "", .numa_node = {}});
  Hardware hardware;
  hardware.source = assumed_hardware;
  hardware.groups = {{.count = is_auto(job.num_nodes) ? 1 : std::get<std::int64_t>(job.num_nodes), .host = std::move(host)}};
  return hardware;
}

// What the job has written of its nodes.
class Wanted {
 public:
  explicit Wanted(const JobSpec& job) : job_(job) {
    if (!is_auto(job.devices) && !std::get<Devices>(job.devices).all) devices_ = std::get<Devices>(job.devices).count;
  }
  // CPUs of a node, where cpus_per_rank is written; 0: it is not.
  std::int64_t cpus(const Host& host) const {
    if (!job_.slurm->cpus_per_rank) return 0;
    const std::int64_t all = runs_on(Accelerator::cpu) ? 1 : std::max<std::int64_t>(1, static_cast<std::int64_t>(host.gpus.size()));
    return devices_.value_or(all) * *job_.slurm->cpus_per_rank;
  }
  bool fits(const Host& host) const {
    const auto gpus = static_cast<std::int64_t>(host.gpus.size());
    return (!runs_on(Accelerator::cuda) || gpus >= devices_.value_or(1)) && cpus(host) <= static_cast<std::int64_t>(host.cpus.size());
  }

 private:
  bool runs_on(Accelerator accelerator) const {
    return !is_auto(job_.accelerator) && std::get<Accelerator>(job_.accelerator) == accelerator;
  }

  const JobSpec& job_;
  std::optional<std::int64_t> devices_;
};

// Those of which a run is still to be carried out, or to its end.
std::vector<std::int64_t> unfinished_indices(const std::string& run, const std::string& array) {
  std::vector<std::int64_t> indices = indices_of_array(array);
  std::erase_if(indices, [&run](std::int64_t index) {
    try {
      return RunDirectory::open(run_of_index(run, index)).status().state == "finished";
    } catch (const std::exception&) {
      return false;
    }
  });
  return indices;
}

// sbatch would take them before what the script says.
void tell_of_dropped_variables(Diagnostics& diagnostics) {
  std::vector<std::string> names, fields;
  for (const std::string& variable : own_environment()) {
    if (!variable.starts_with("SBATCH_")) continue;
    names.push_back(variable.substr(0, variable.find('=')));
    std::string option = names.back().substr(std::string_view("SBATCH_").size());
    for (char& c : option) c = c == '_' ? '-' : static_cast<char>(c | 0x20);
    if (option == "timelimit") option = "time";
    const SlurmOption* known = find_slurm_option(option);
    if (known && !known->field.empty()) fields.emplace_back(known->field);
  }
  if (names.empty()) return;
  std::sort(names.begin(), names.end());
  std::sort(fields.begin(), fields.end());
  diagnostics.add({.severity = Severity::warning,
                   .code = "FAB5229",
                   .message = "sbatch is not told of " + joined(names) + ": the job says what it is to have",
                   .at = Place(Path("backend")),
                   .label = "from the environment",
                   .help = "write what counts into the job" + (fields.empty() ? std::string() : " (" + joined(fields) + ")") +
                           ", or unset them; who submits job.sbatch by hand has to unset them too"});
}

// /gpfs of /gpfs/data/x is not here.
bool is_on_another_disk(const std::string& path) {
  const std::size_t end = path.find('/', 1);
  std::error_code error;
  return path.starts_with('/') && end != std::string::npos && !std::filesystem::exists(path.substr(0, end), error);
}

class SlurmBackend : public LaunchBackend {
 public:
  SlurmBackend(std::string self, bool in_allocation)
      : self_(std::move(self)), in_allocation_(in_allocation), allocation_(slurm_allocation(std::getenv)) {}

  BackendRules rules(const JobSpec& job) const override {
    BackendRules rules;
    rules.waits = true;
    rules.cpus_from = "SLURM";
    if (!job.slurm) return rules;
    const Slurm& slurm = *job.slurm;
    rules.makes_environment = !slurm.modules.empty() || slurm.conda || !slurm.setup.empty() || slurm.container;
    if (slurm.venv) rules.python = *slurm.venv + "/bin/python";
    if (slurm.shape != SlurmShape::srun) return rules;
    rules.address_from = "the batch script";
    rules.address = "the name of the first host, as SLURM has it";
    rules.port_from = "the batch script, which makes one of the job's number, and nobody holds it";
    return rules;
  }

  Hardware probe(const JobSpec& job, Diagnostics& diagnostics) override {
    const Slurm& slurm = *job.slurm;
    const bool has_allocation = in_allocation_ && allocation_;
    SlurmQuery query{slurm.partition.value_or(""), slurm.constraint.value_or(""), slurm.gpu_type.value_or("")};
    if (has_allocation) {
      ask_about_allocation(*allocation_);
      query.partition = allocation_->partition, query.constraint.clear();
    }
    Diagnostics found;
    const std::optional<SlurmCluster> cluster = ask_slurm(found);
    Hardware hardware;
    if (cluster) hardware = hardware_of(*cluster, query, found);
    silent_ = !cluster;
    for (Diagnostic d : found.all()) {
      // Where the job leaves nothing open, nobody needs to answer.
      if (silent_) d.severity = Severity::warning, d.help = "what is written in the job is taken as it is, and compared with nothing";
      diagnostics.add(std::move(d));
    }
    if (silent_) return assumed_nodes(job, diagnostics);
    if (hardware.groups.empty()) return hardware;
    hardware = for_job(job, std::move(hardware));
    if (has_allocation) return hardware_in_allocation(job, *allocation_, std::move(hardware));
    check_slurm_limits(*cluster, job, hardware, diagnostics);
    return hardware;
  }

  // Of nodes that differ those that have what is written, and of them the CPUs that the job asks for. Which ones these are, and near what
  // they lie, is SLURM's choice.
  Hardware for_job(const JobSpec& job, Hardware hardware) const override {
    const Wanted wanted(job);
    std::vector<HostGroup> fitting = hardware.groups;
    std::erase_if(fitting, [&](const HostGroup& group) { return !wanted.fits(group.host); });
    if (!fitting.empty()) hardware.groups = std::move(fitting);
    for (HostGroup& group : hardware.groups) {
      const auto cpus = static_cast<std::size_t>(wanted.cpus(group.host));
      if (cpus > 0 && group.host.cpus.size() > cpus) group.host.cpus.resize(cpus);
      group.host.numa_nodes.clear();
    }
    return hardware;
  }

  // Paths are those of the nodes, which share their disks with the machine where jobs are submitted. Where there is no SLURM is another
  // machine: a disk that it does not have at all says nothing of theirs.
  std::vector<std::string> answer(const std::vector<Question>& questions) override {
    const bool elsewhere = silent_ || find_on_path("sbatch").empty();
    std::vector<std::string> answers;
    for (const Question& question : questions)
      answers.push_back(elsewhere && is_on_another_disk(question.subject) ? "" : answer_here(question));
    return answers;
  }

  void inspect(const Plan& plan, const RunIntent& intent, Diagnostics& diagnostics) override {
    detaches_ = intent.detach;
    if (in_allocation_) {
      check_allocation(plan, allocation_, diagnostics);
    } else if (allocation_) {
      ask_about_allocation(*allocation_);
      Diagnostics unfit;
      check_allocation(plan, allocation_, unfit);
      could_run_there_ = !allocation_->state.empty() && !unfit.has_errors();
    }
    const std::string program = in_allocation_ ? "srun" : "sbatch";
    if (!find_on_path(program).empty()) return;
    diagnostics.add(
        {.code = "FAB5244",
         .message = "no program `" + program + "` is on PATH: nothing can be " + (in_allocation_ ? "started" : "submitted") + " from here",
         .at = Place(Path("backend")),
         .label = "no SLURM here",
         .help = "start fabric on a login node of the cluster, perhaps after `module load slurm`; `fabric plan --render slurm -o "
                 "DIR` writes what to submit there by hand"});
  }

  Submission render(const Plan& plan, std::optional<std::int64_t> node_rank, Diagnostics& diagnostics) const override {
    if (node_rank)
      diagnostics.add({.code = "FAB5206",
                       .message = "SLURM starts all nodes of a job",
                       .at = Place(Path("backend")),
                       .label = "not by hand",
                       .help = "leave --node-rank out"});
    Submission submission;
    submission.hands_over = !in_allocation_;
    if (!in_allocation_) tell_of_dropped_variables(diagnostics);
    refuse_for_slurm(plan, diagnostics);
    if (diagnostics.has_errors()) return submission;
    if (in_allocation_) {
      submission.questions = questions_for_slurm(plan);
      submission.commands.push_back(
          agents_in_allocation(plan.job.slurm->fabric.value_or(self_), plan, allocation_.value_or(SlurmAllocation{}), "").argv);
      return submission;
    }
    submission.files.push_back(slurm_script(plan, plan.job.slurm->fabric.value_or(self_)));
    submission.questions = questions_for_slurm(plan);
    if (plan.job.slurm->shape == SlurmShape::srun) submission.cannot_promise = srun_cannot_promise(plan);
    submission.commands.push_back({"sbatch", "--parsable", slurm_script_name});
    return submission;
  }

  std::vector<std::string> remarks() const override {
    if (!allocation_ || (!in_allocation_ && !could_run_there_)) return {};
    const std::string which = "allocation " + allocation_->job + " of SLURM";
    if (!in_allocation_) return {"this shell is in " + which + ", and the run is a job of its own: `--in-allocation` starts it there"};
    std::vector<std::string> all = {"in " + which + ", " + allocation_->nodes};
    if (detaches_) all.push_back("the run ends with the allocation, which its shell may give back");
    return all;
  }

  std::optional<Outcome> submit(const Plan& plan, const Submission& submission, const RunOptions& options, RunObserver& observer) override {
    if (in_allocation_) return conduct_in_allocation(plan.job.slurm->fabric.value_or(self_), plan, *allocation_, options, observer);
    for (const Submission::File& file : submission.files) replace_file(options.run_directory + '/' + file.path, file.content);
    RunStatus status;
    status.state = "queued";
    status.attempt = options.attempt;
    status.started = now_seconds();
    const RunDirectory run = RunDirectory::open(options.run_directory);
    try {
      // Before, since the job may start before sbatch has returned.
      run.write_status(status);
      if (const std::string folder = slurm_output_folder(plan); !folder.empty()) std::filesystem::create_directories(folder);
      SlurmJob job;
      std::optional<std::string> indices;
      if (const std::optional<SlurmJob> before = slurm_job_of(options.run_directory)) job.task = before->task;
      if (job.task) indices = std::to_string(*job.task);
      else if ((job.array = plan.job.slurm->array))
        if (const auto left = unfinished_indices(options.run_directory, *job.array); left != indices_of_array(*job.array))
          indices = array_of(left, *job.array);
      submit_to_slurm(options.run_directory, slurm_script_name, slurm_output(plan), std::move(job), indices);
      return std::nullopt;
    } catch (const std::runtime_error& error) {
      return refuse_attempt(run, options.attempt, error.what());
    }
  }

 private:
  const std::string self_;
  const bool in_allocation_;
  std::optional<SlurmAllocation> allocation_;  // in which this process stands
  bool could_run_there_ = false;               // though that was not asked for
  bool detaches_ = false;
  bool silent_ = false;  // SLURM was asked, and said nothing
};

}  // namespace

std::unique_ptr<LaunchBackend> make_slurm_backend(const std::string& self, bool in_allocation) {
  return std::make_unique<SlurmBackend>(self, in_allocation);
}

}  // namespace fabric
