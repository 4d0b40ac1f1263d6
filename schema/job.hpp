// What a job is. Each field is declared once; Job<Spec> is what the user asked, where some fields may still be `auto`, and
// Job<Resolved> is what will run. Meaning, units, defaults and choices stand in job.schema.json and nowhere else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "schema/binding.hpp"
#include "schema/units.hpp"

namespace fabric {

struct Spec;      // as written: a Field may be `auto`
struct Resolved;  // as decided: a Field is a plain value

template <class Stage, class T>
using Field = std::conditional_t<std::is_same_v<Stage, Spec>, std::variant<Auto, T>, T>;

// Whether the compiler may be left to fill a field in.
template <class T>
constexpr bool is_auto(const std::variant<Auto, T>& f) {
  return std::holds_alternative<Auto>(f);
}

enum class Accelerator { cpu, cuda };
enum class Strategy { single, ddp };
enum class Precision { fp64_true, fp32_true, bf16_mixed };
enum class GroupBackend { gloo, nccl };
enum class BackendName { local, slurm, ssh };
enum class CpuBinding { none, numa, cores };
enum class VisibleDevices { node, rank };
enum class TaskName { image_classifier };
enum class ModelName { mlp, cnn };
enum class OptimizerName { sgd, adamw };
enum class ScheduleName { constant, cosine, linear };
enum class AfterFailure { restart, stop };
enum class CodeTake { none, snapshot, sync };
enum class SshController { here, first_host };
enum class SlurmShape { agent, srun };
enum class ContainerRuntime { pyxis, apptainer };
enum class Contract { torchrun, fabric_cli, env, none };

// clang-format off
template <> struct Names<Accelerator> { static constexpr std::array<std::pair<std::string_view, Accelerator>, 2> table{{{"cpu", Accelerator::cpu}, {"cuda", Accelerator::cuda}}}; };
template <> struct Names<Strategy> { static constexpr std::array<std::pair<std::string_view, Strategy>, 2> table{{{"single", Strategy::single}, {"ddp", Strategy::ddp}}}; };
template <> struct Names<Precision> { static constexpr std::array<std::pair<std::string_view, Precision>, 3> table{{{"64-true", Precision::fp64_true}, {"32-true", Precision::fp32_true}, {"bf16-mixed", Precision::bf16_mixed}}}; };
template <> struct Names<GroupBackend> { static constexpr std::array<std::pair<std::string_view, GroupBackend>, 2> table{{{"gloo", GroupBackend::gloo}, {"nccl", GroupBackend::nccl}}}; };
template <> struct Names<BackendName> { static constexpr std::array<std::pair<std::string_view, BackendName>, 3> table{{{"local", BackendName::local}, {"slurm", BackendName::slurm}, {"ssh", BackendName::ssh}}}; };
template <> struct Names<CpuBinding> { static constexpr std::array<std::pair<std::string_view, CpuBinding>, 3> table{{{"none", CpuBinding::none}, {"numa", CpuBinding::numa}, {"cores", CpuBinding::cores}}}; };
template <> struct Names<VisibleDevices> { static constexpr std::array<std::pair<std::string_view, VisibleDevices>, 2> table{{{"node", VisibleDevices::node}, {"rank", VisibleDevices::rank}}}; };
template <> struct Names<TaskName> { static constexpr std::array<std::pair<std::string_view, TaskName>, 1> table{{{"image_classifier", TaskName::image_classifier}}}; };
template <> struct Names<ModelName> { static constexpr std::array<std::pair<std::string_view, ModelName>, 2> table{{{"mlp", ModelName::mlp}, {"cnn", ModelName::cnn}}}; };
template <> struct Names<OptimizerName> { static constexpr std::array<std::pair<std::string_view, OptimizerName>, 2> table{{{"sgd", OptimizerName::sgd}, {"adamw", OptimizerName::adamw}}}; };
template <> struct Names<ScheduleName> { static constexpr std::array<std::pair<std::string_view, ScheduleName>, 3> table{{{"constant", ScheduleName::constant}, {"cosine", ScheduleName::cosine}, {"linear", ScheduleName::linear}}}; };
template <> struct Names<AfterFailure> { static constexpr std::array<std::pair<std::string_view, AfterFailure>, 2> table{{{"restart", AfterFailure::restart}, {"stop", AfterFailure::stop}}}; };
template <> struct Names<CodeTake> { static constexpr std::array<std::pair<std::string_view, CodeTake>, 3> table{{{"none", CodeTake::none}, {"snapshot", CodeTake::snapshot}, {"sync", CodeTake::sync}}}; };
template <> struct Names<SshController> { static constexpr std::array<std::pair<std::string_view, SshController>, 2> table{{{"here", SshController::here}, {"first_host", SshController::first_host}}}; };
template <> struct Names<SlurmShape> { static constexpr std::array<std::pair<std::string_view, SlurmShape>, 2> table{{{"agent", SlurmShape::agent}, {"srun", SlurmShape::srun}}}; };
template <> struct Names<ContainerRuntime> { static constexpr std::array<std::pair<std::string_view, ContainerRuntime>, 2> table{{{"pyxis", ContainerRuntime::pyxis}, {"apptainer", ContainerRuntime::apptainer}}}; };
template <> struct Names<Contract> { static constexpr std::array<std::pair<std::string_view, Contract>, 4> table{{{"torchrun", Contract::torchrun}, {"fabric-cli", Contract::fabric_cli}, {"env", Contract::env}, {"none", Contract::none}}}; };
// clang-format on

struct Model {
  ModelName name{};
  std::int64_t width = 0;
  static constexpr auto fields() { return listed(field("name", &Model::name), field("width", &Model::width)); }
  friend bool operator==(const Model&, const Model&) = default;
};

struct Data {
  std::string path;
  double mean = 0;
  double std = 0;
  static constexpr auto fields() { return listed(field("path", &Data::path), field("mean", &Data::mean), field("std", &Data::std)); }
  friend bool operator==(const Data&, const Data&) = default;
};

struct Optimizer {
  OptimizerName name{};
  double lr = 0;
  double weight_decay = 0;
  double momentum = 0;
  std::vector<double> betas;
  double eps = 0;
  static constexpr auto fields() {
    return listed(field("name", &Optimizer::name), field("lr", &Optimizer::lr), field("weight_decay", &Optimizer::weight_decay),
                  field("momentum", &Optimizer::momentum), field("betas", &Optimizer::betas), field("eps", &Optimizer::eps));
  }
  friend bool operator==(const Optimizer&, const Optimizer&) = default;
};

struct Schedule {
  ScheduleName name{};
  std::int64_t warmup_steps = 0;
  static constexpr auto fields() { return listed(field("name", &Schedule::name), field("warmup_steps", &Schedule::warmup_steps)); }
  friend bool operator==(const Schedule&, const Schedule&) = default;
};

template <class Stage>
struct Train {
  TaskName task{};
  Model model;
  Data data;
  Optimizer optimizer;
  Schedule schedule;
  std::int64_t batch_size = 0;
  Field<Stage, std::int64_t> micro_batch_size{};
  Field<Stage, std::int64_t> accumulation{};
  std::optional<std::int64_t> epochs;
  std::optional<std::int64_t> steps;
  Field<Stage, std::int64_t> data_workers{};
  std::int64_t log_every = 0;
  std::optional<std::string> initial_weights;
  static constexpr auto fields() {
    return listed(field("task", &Train::task), field("model", &Train::model), field("data", &Train::data),
                  field("optimizer", &Train::optimizer), field("schedule", &Train::schedule), field("batch_size", &Train::batch_size),
                  field("micro_batch_size", &Train::micro_batch_size), field("accumulation", &Train::accumulation),
                  field("epochs", &Train::epochs), field("steps", &Train::steps), field("data_workers", &Train::data_workers),
                  field("log_every", &Train::log_every), field("initial_weights", &Train::initial_weights));
  }
  friend bool operator==(const Train&, const Train&) = default;
};

// The program of somebody else: one of command, script and module.
struct Program {
  std::optional<std::vector<std::string>> command;
  std::optional<std::string> script;
  std::optional<std::string> module;
  std::optional<std::string> python;  // as written; resolve_program makes a path of it
  ProgramArguments args;
  std::vector<std::string> wrapper;
  Contract contract{};
  std::optional<std::string> local_rank_option;
  std::optional<std::string> strategy;  // told to the program, as written
  std::optional<std::string> precision;
  std::optional<std::string> cwd;
  std::map<std::string, std::string> env;
  std::optional<std::string> env_file;
  Inherit inherit;
  static constexpr auto fields() {
    return listed(field("command", &Program::command), field("script", &Program::script), field("module", &Program::module),
                  field("python", &Program::python), field("args", &Program::args), field("wrapper", &Program::wrapper),
                  field("contract", &Program::contract), field("local_rank_option", &Program::local_rank_option),
                  field("strategy", &Program::strategy), field("precision", &Program::precision), field("cwd", &Program::cwd),
                  field("env", &Program::env), field("env_file", &Program::env_file), field("inherit", &Program::inherit));
  }
  friend bool operator==(const Program&, const Program&) = default;
};

struct CheckpointPolicy {
  Interval every;
  std::int64_t keep = 0;
  std::optional<std::string> path;  // glob(7), absolute: where a program keeps its own
  static constexpr auto fields() {
    return listed(field("every", &CheckpointPolicy::every), field("keep", &CheckpointPolicy::keep), field("path", &CheckpointPolicy::path));
  }
  friend bool operator==(const CheckpointPolicy&, const CheckpointPolicy&) = default;
};

template <class Stage>
struct CodePolicy {
  Field<Stage, CodeTake> take{};
  std::optional<std::string> sync;  // once decided: there if and only if that is taken
  std::vector<std::string> exclude;
  static constexpr auto fields() {
    return listed(field("take", &CodePolicy::take), field("sync", &CodePolicy::sync), field("exclude", &CodePolicy::exclude));
  }
  friend bool operator==(const CodePolicy&, const CodePolicy&) = default;
};

struct Stop {
  std::string signal;
  Duration grace;
  static constexpr auto fields() { return listed(field("signal", &Stop::signal), field("grace", &Stop::grace)); }
  friend bool operator==(const Stop&, const Stop&) = default;
};

// What follows if a rank fails in this way; what is absent fits any.
struct RestartRule {
  std::optional<std::int64_t> exit_code;
  std::optional<std::string> signal;
  std::optional<std::string> log;
  AfterFailure then{};
  static constexpr auto fields() {
    return listed(field("exit_code", &RestartRule::exit_code), field("signal", &RestartRule::signal), field("log", &RestartRule::log),
                  field("then", &RestartRule::then));
  }
  friend bool operator==(const RestartRule&, const RestartRule&) = default;
};

struct Restart {
  std::int64_t max = 0;
  std::vector<RestartRule> on;
  Duration backoff;
  std::int64_t no_progress = 0;
  static constexpr auto fields() {
    return listed(field("max", &Restart::max), field("on", &Restart::on), field("backoff", &Restart::backoff),
                  field("no_progress", &Restart::no_progress));
  }
  friend bool operator==(const Restart&, const Restart&) = default;
};

struct Container {
  std::string image;
  ContainerRuntime runtime{};
  std::vector<std::string> mounts;
  static constexpr auto fields() {
    return listed(field("image", &Container::image), field("runtime", &Container::runtime), field("mounts", &Container::mounts));
  }
  friend bool operator==(const Container&, const Container&) = default;
};

// What the backend slurm asks for beside the job's own fields.
struct Slurm {
  SlurmShape shape{};
  std::optional<std::string> partition;
  std::optional<std::string> account;
  std::optional<std::string> qos;
  std::optional<std::int64_t> cpus_per_rank;
  std::optional<std::string> mem;
  std::optional<std::string> gpu_type;
  std::optional<std::string> constraint;
  std::optional<std::string> reservation;
  bool exclusive = false;
  std::optional<std::string> nodelist;
  std::optional<std::string> exclude;
  std::optional<std::string> array;
  std::optional<std::string> dependency;
  bool requeue = false;
  Duration lease;
  std::optional<std::string> output;
  std::vector<std::string> modules;
  std::optional<std::string> conda;
  std::optional<std::string> venv;
  std::vector<std::string> setup;
  std::vector<std::string> teardown;
  std::optional<Container> container;
  std::optional<std::string> fabric;        // its path on the nodes
  std::map<std::string, Value> directives;  // a string, an integer, or true
  static constexpr auto fields() {
    return listed(field("shape", &Slurm::shape), field("partition", &Slurm::partition), field("account", &Slurm::account),
                  field("qos", &Slurm::qos), field("cpus_per_rank", &Slurm::cpus_per_rank), field("mem", &Slurm::mem),
                  field("gpu_type", &Slurm::gpu_type), field("constraint", &Slurm::constraint), field("reservation", &Slurm::reservation),
                  field("exclusive", &Slurm::exclusive), field("nodelist", &Slurm::nodelist), field("exclude", &Slurm::exclude),
                  field("array", &Slurm::array), field("dependency", &Slurm::dependency), field("requeue", &Slurm::requeue),
                  field("lease", &Slurm::lease), field("output", &Slurm::output), field("modules", &Slurm::modules),
                  field("conda", &Slurm::conda), field("venv", &Slurm::venv), field("setup", &Slurm::setup),
                  field("teardown", &Slurm::teardown), field("container", &Slurm::container), field("fabric", &Slurm::fabric),
                  field("directives", &Slurm::directives));
  }
  friend bool operator==(const Slurm&, const Slurm&) = default;
};

struct SshHost {
  std::string host;  // as ssh is given it
  std::optional<Devices> devices;
  std::optional<std::int64_t> slots;
  static constexpr auto fields() {
    return listed(field("host", &SshHost::host), field("devices", &SshHost::devices), field("slots", &SshHost::slots));
  }
  friend bool operator==(const SshHost&, const SshHost&) = default;
};

// How the backend ssh reaches its hosts.
struct Ssh {
  std::optional<std::vector<SshHost>> hosts;  // once chosen: those of the hostfile too, and only those that are taken
  std::optional<std::string> hostfile;
  std::optional<std::string> include;
  std::optional<std::string> exclude;
  std::string interface;  // or `auto`: found out at start
  std::optional<std::string> fabric;
  std::optional<SshController> controller;
  std::vector<std::string> options;
  std::vector<std::string> send;  // patterns of variables
  Duration lease;
  static constexpr auto fields() {
    return listed(field("hosts", &Ssh::hosts), field("hostfile", &Ssh::hostfile), field("include", &Ssh::include),
                  field("exclude", &Ssh::exclude), field("interface", &Ssh::interface), field("fabric", &Ssh::fabric),
                  field("controller", &Ssh::controller), field("options", &Ssh::options), field("send", &Ssh::send),
                  field("lease", &Ssh::lease));
  }
  friend bool operator==(const Ssh&, const Ssh&) = default;
};

template <class Stage>
struct ProcessGroup {
  Field<Stage, GroupBackend> backend{};
  Duration timeout;
  static constexpr auto fields() { return listed(field("backend", &ProcessGroup::backend), field("timeout", &ProcessGroup::timeout)); }
  friend bool operator==(const ProcessGroup&, const ProcessGroup&) = default;
};

template <class Stage>
struct Job {
  std::int64_t fabric = 0;
  std::string name;
  Field<Stage, Accelerator> accelerator{};
  Field<Stage, Devices> devices{};
  Field<Stage, std::int64_t> num_nodes{};
  Field<Stage, Strategy> strategy{};
  Field<Stage, Precision> precision{};
  Field<Stage, std::int64_t> threads{};
  Field<Stage, CpuBinding> binding{};
  VisibleDevices visible_devices{};
  ProcessGroup<Stage> process_group;
  // Bound at start when absent; who binds them is a Decision.
  std::optional<std::string> main_address;
  std::optional<std::int64_t> main_port;
  std::optional<Train<Stage>> train;
  std::optional<Program> program;
  std::map<std::string, std::string> env;
  CheckpointPolicy checkpoint;
  Stop stop;
  Restart restart;
  std::optional<Duration> stall;
  std::optional<Duration> time_limit;
  std::int64_t seed = 0;
  CodePolicy<Stage> code;
  BackendName backend{};
  std::optional<Slurm> slurm;  // where backend is slurm
  std::optional<Ssh> ssh;      // where backend is ssh
  static constexpr auto fields() {
    return listed(field("fabric", &Job::fabric), field("name", &Job::name), field("accelerator", &Job::accelerator),
                  field("devices", &Job::devices), field("num_nodes", &Job::num_nodes), field("strategy", &Job::strategy),
                  field("precision", &Job::precision), field("threads", &Job::threads), field("binding", &Job::binding),
                  field("visible_devices", &Job::visible_devices), field("process_group", &Job::process_group),
                  field("main_address", &Job::main_address), field("main_port", &Job::main_port), field("train", &Job::train),
                  field("program", &Job::program), field("env", &Job::env), field("checkpoint", &Job::checkpoint),
                  field("stop", &Job::stop), field("restart", &Job::restart), field("stall", &Job::stall),
                  field("time_limit", &Job::time_limit), field("seed", &Job::seed), field("code", &Job::code),
                  field("backend", &Job::backend), field("slurm", &Job::slurm), field("ssh", &Job::ssh));
  }
  friend bool operator==(const Job&, const Job&) = default;
};

using JobSpec = Job<Spec>;
using ResolvedJob = Job<Resolved>;

// Compiled once, in bindings.cpp.
extern template JobSpec from_value<JobSpec>(const Value&, const Path&);
extern template Value to_value<JobSpec>(const JobSpec&);
extern template ResolvedJob from_value<ResolvedJob>(const Value&, const Path&);
extern template Value to_value<ResolvedJob>(const ResolvedJob&);

}  // namespace fabric
