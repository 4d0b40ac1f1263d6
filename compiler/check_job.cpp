#include "compiler/check_job.hpp"

#include <algorithm>
#include <array>

#include "compiler/share_batch.hpp"
#include "schema/catalog.hpp"
#include "schema/pattern.hpp"

namespace fabric {
namespace {

class JobChecker {
 public:
  JobChecker(const JobSpec& job, const SourceMap& origins, Diagnostics& diagnostics)
      : job_(job), origins_(origins), diagnostics_(diagnostics) {}

  void run() {
    what_runs();
    devices();
    strategy();
    process_group();
    if (job_.train) train(*job_.train);
    if (job_.program) program(*job_.program);
    environment();
    address();
    restart();
    lease();
  }

 private:
  void lease() {
    constexpr double shortest = 1;  // seconds
    if (job_.backend != BackendName::ssh || !job_.ssh || job_.ssh->lease.seconds >= shortest) return;
    diagnostics_.add({.code = "FAB3309",
                      .message = "a lease of " + job_.ssh->lease.str() + " would end runs of which nothing is wrong",
                      .at = Place("ssh.lease"),
                      .label = "less than 1s",
                      .help = "write the time for which a host may be silent, such as `60s`"});
  }

  void restart() {
    for (std::size_t i = 0; i < job_.restart.on.size(); ++i) {
      const RestartRule& rule = job_.restart.on[i];
      const Path path = Path("restart") / "on" / i;
      const std::string why = rule.log ? Pattern(*rule.log).error() : "";
      if (!why.empty())
        diagnostics_.add({.code = "FAB3048",
                          .message = "`" + *rule.log + "` is no regular expression: " + why,
                          .at = Place(path / "log"),
                          .label = "cannot be read",
                          .help = "the language is RE2's; a sign that stands for itself has a \\ in front"});
      if (!rule.exit_code || !rule.signal) continue;
      Diagnostic d{.code = "FAB3051",
                   .message = "a rule with an `exit_code` and a `signal` never fits: a rank ends by one of the two",
                   .at = Place(path / "signal", true),
                   .label = "the second one",
                   .help = "keep one of them, or write two rules"};
      d.notes.push_back({"the first one is here", Place(path / "exit_code", true)});
      diagnostics_.add(std::move(d));
    }
  }

  void what_runs() {
    if (job_.train && job_.program) {
      Diagnostic d{.code = "FAB3001",
                   .message = "a job has either `train` or `program`, not both",
                   .at = Place("program", true),
                   .label = "the second one",
                   .help = "keep `train` to use fabric's own runtime, or `program` to start yours"};
      d.notes.push_back({"the first one is here", Place("train", true)});
      diagnostics_.add(std::move(d));
    }
    if (!job_.train && !job_.program)
      diagnostics_.add({.code = "FAB3002",
                        .message = "the job says nothing to run: it has neither `train` nor `program`",
                        .at = Place("fabric", true),
                        .label = "a job begins here",
                        .help = "add `program: [./train.sh, --lr, \"0.1\"]`, or a `train` section; see `fabric explain train`"});
  }

  void devices() {
    if (job_.visible_devices == VisibleDevices::rank && on(Accelerator::cpu))
      diagnostics_.add({.code = "FAB3017",
                        .message = "visible_devices `rank` is about GPUs, and accelerator is `cpu`",
                        .at = Place("visible_devices"),
                        .label = "no GPU to hide",
                        .help = "remove it, or write `accelerator: cuda`"});
    if (is_auto(job_.devices) || !on(Accelerator::cpu)) return;
    const Devices& devices = std::get<Devices>(job_.devices);
    if (!devices.ids.empty())
      diagnostics_.add({.code = "FAB3014",
                        .message = "devices " + devices.str() + " names indices, and a CPU has none",
                        .at = Place("devices"),
                        .label = "indices of what?",
                        .help = "write a count: `devices: " + std::to_string(devices.count) + "` starts so many ranks"});
    if (devices.all)
      diagnostics_.add({.code = "FAB3015",
                        .message = "devices -1 means all GPUs, and on a CPU there is no such number",
                        .at = Place("devices"),
                        .label = "all of what?",
                        .help = "write how many ranks to start, such as `devices: 2`"});
  }

  void strategy() {
    if (is_auto(job_.strategy) || std::get<Strategy>(job_.strategy) != Strategy::single) return;
    const auto conflict = [&](const char* field, const std::string& what) {
      Diagnostic d{.code = "FAB3011",
                   .message = "strategy `single` is one rank, and " + what,
                   .at = Place("strategy"),
                   .label = "one rank",
                   .help = "write `strategy: ddp`, or leave it to `auto`"};
      d.notes.push_back({"asked for here", Place(field)});
      diagnostics_.add(std::move(d));
    };
    if (!is_auto(job_.devices))
      if (const Devices& d = std::get<Devices>(job_.devices); d.count > 1) conflict("devices", "devices " + d.str() + " makes more");
    if (!is_auto(job_.num_nodes))
      if (const std::int64_t n = std::get<std::int64_t>(job_.num_nodes); n > 1)
        conflict("num_nodes", std::to_string(n) + " nodes make more");
  }

  void process_group() {
    for (const auto& [field, duration] : {std::pair{"stall", job_.stall}, {"time_limit", job_.time_limit}})
      if (duration && duration->seconds <= 0)
        diagnostics_.add({.code = "FAB3016",
                          .message = std::string(field) + " is 0",
                          .at = Place(Path(field)),
                          .label = "no time at all",
                          .help = "write a time such as `10m`, or leave it out"});
    if (job_.process_group.timeout.seconds <= 0)
      diagnostics_.add({.code = "FAB3016",
                        .message = "process_group.timeout is 0: no collective could ever succeed",
                        .at = Place("process_group.timeout"),
                        .label = "no time at all",
                        .help = "write how long a rank waits for the others, such as `30m`"});
    if (is_auto(job_.process_group.backend)) return;
    const GroupBackend backend = std::get<GroupBackend>(job_.process_group.backend);
    if (backend == GroupBackend::nccl && on(Accelerator::cpu))
      diagnostics_.add({.code = "FAB3012",
                        .message = "process_group.backend `nccl` talks between GPUs, and accelerator is `cpu`",
                        .at = Place("process_group.backend"),
                        .label = "needs cuda",
                        .help = "write `gloo`, or leave it to `auto`"});
    if (backend == GroupBackend::gloo && on(Accelerator::cuda))
      diagnostics_.add({.code = "FAB3013",
                        .message = "process_group.backend `gloo` with accelerator `cuda` is not in this version of fabric",
                        .at = Place("process_group.backend"),
                        .label = "moves CPU memory",
                        .help = "write `nccl`, or leave it to `auto`"});
  }

  void train(const Train<Spec>& train) {
    if (train.epochs && train.steps) {
      Diagnostic d{.code = "FAB3003",
                   .message = "a training ends after `epochs` or after `steps`, not both",
                   .at = Place("train.steps", true),
                   .label = "the second one",
                   .help = "remove one of the two; a profile or --set takes the other back with null, as in `--set train.epochs=null`"};
      d.notes.push_back({"the first one is here", Place("train.epochs", true)});
      diagnostics_.add(std::move(d));
    }
    if (!train.epochs && !train.steps)
      diagnostics_.add({.code = "FAB3004",
                        .message = "`train` does not say when to end: it has neither `epochs` nor `steps`",
                        .at = Place("train", true),
                        .label = "no end in here",
                        .help = "add `epochs: 3`; a profile or --set that takes one back with null gives the other"});
    if (job_.checkpoint.path)
      diagnostics_.add({.code = "FAB3049",
                        .message = "`checkpoint.path` has no effect on training by fabric, which keeps its checkpoints in the run's folder",
                        .at = Place("checkpoint.path", true),
                        .label = "nothing reads this",
                        .help = "remove it; `--runs DIR` keeps runs, and their checkpoints, elsewhere"});
    only_for(train, OptimizerName::sgd, "train.optimizer.momentum", "FAB3005");
    only_for(train, OptimizerName::adamw, "train.optimizer.betas", "FAB3006");
    only_for(train, OptimizerName::adamw, "train.optimizer.eps", "FAB3007");
    if (train.steps && train.schedule.warmup_steps >= *train.steps && train.schedule.warmup_steps > 0)
      diagnostics_.add({.code = "FAB3021",
                        .message = "the warm-up of " + std::to_string(train.schedule.warmup_steps) + " steps does not end within " +
                                   std::to_string(*train.steps) + " steps",
                        .at = Place("train.schedule.warmup_steps"),
                        .label = "lr is never reached",
                        .help = "warm up over fewer steps than `train.steps`"});
    const auto written = [](const std::variant<Auto, std::int64_t>& f) { return is_auto(f) ? 0 : std::get<std::int64_t>(f); };
    if (written(train.micro_batch_size) > train.batch_size)
      diagnostics_.add({.code = "FAB3022",
                        .message = "micro_batch_size " + std::to_string(written(train.micro_batch_size)) + " is larger than batch_size " +
                                   std::to_string(train.batch_size),
                        .at = Place("train.micro_batch_size"),
                        .label = "a part is not larger than the whole",
                        .help = "batch_size = micro_batch_size x accumulation x ranks"});
    else if (const std::optional<std::int64_t> world = written_world_size(job_)) share_batch(train, *world, diagnostics_);
  }

  // A parameter of the other optimizer would be read by nobody.
  void only_for(const Train<Spec>& train, OptimizerName owner, const char* path, const char* code) {
    if (train.optimizer.name == owner || !origins_.find(path)) return;
    Diagnostic d{.code = code,
                 .message = std::string("`") + path + "` is a parameter of `" + std::string(name_of(owner)) + "`, and the optimizer is `" +
                            std::string(name_of(train.optimizer.name)) + "`",
                 .at = Place(path, true),
                 .label = "has no effect",
                 .help = "remove it, or write `name: " + std::string(name_of(owner)) + "`"};
    d.notes.push_back({"the optimizer is chosen here", Place("train.optimizer.name")});
    diagnostics_.add(std::move(d));
  }

  // A value that is written must have an effect: these reach fabric's own runtime only.
  void program(const Program& program) {
    if (job_.train) return;
    one_program(program);
    if (program.command) launcher(*program.command);
    if (program.contract == Contract::env || program.contract == Contract::none)
      for (const auto& [field, value] : {std::pair{"strategy", program.strategy}, {"precision", program.precision}})
        if (value)
          diagnostics_.add({.code = "FAB3047",
                            .message = std::string(field) + " `" + *value + "` cannot be told to the program: the contract `" +
                                       std::string(name_of(program.contract)) + "` has no variable for it",
                            .at = Place(Path("program") / field),
                            .label = "reaches nobody",
                            .help = "give it to the program as an argument, or write `contract: torchrun`"});
    if (program.contract == Contract::none) {
      const bool bound = !is_auto(job_.binding) && std::get<CpuBinding>(job_.binding) != CpuBinding::none;
      for (const auto& [field, chosen] : {std::pair{Path("binding"), bound},
                                          {Path("visible_devices"), job_.visible_devices == VisibleDevices::rank},
                                          {Path("program") / "local_rank_option", program.local_rank_option.has_value()}})
        if (chosen)
          diagnostics_.add(
              {.code = "FAB3050",
               .message = "`" + field.str() + "` is about each rank, and under the contract none fabric starts one process a node",
               .at = Place(field, true),
               .label = "has no effect",
               .help = "remove it, or let fabric start the ranks: `contract: torchrun`"});
    }
    for (const char* field : {"seed", "checkpoint", "checkpoint.every", "checkpoint.keep", "process_group"}) {
      const Path path = *Path::parse(field);
      const bool with_its_section =
          field == std::string_view("checkpoint") ? job_.checkpoint.path.has_value() : !job_.checkpoint.path && path.steps().size() > 1;
      if (with_its_section || !origins_.find(path)) continue;
      diagnostics_.add({.code = "FAB3033",
                        .message = "`" + path.str() + "` has no effect on a program",
                        .at = Place(path, true),
                        .label = "nothing reads this",
                        .help = "give it to the program as an argument or in `env`, and remove it here"});
    }
  }

  // A program is a command, a script or a module.
  void one_program(const Program& program) {
    std::vector<std::string> written;
    for (const auto& [field, there] : {std::pair{"command", program.command.has_value()},
                                       {"script", program.script.has_value()},
                                       {"module", program.module.has_value()}})
      if (there) written.push_back(field);
    const Path path("program");
    if (written.empty())
      diagnostics_.add({.code = "FAB3040",
                        .message = "`program` does not say what to start: it has neither `script` nor `module` nor `command`",
                        .at = Place(path, true),
                        .label = "nothing to start in here",
                        .help = "add `script: train.py`; see `fabric explain program`"});
    if (written.size() > 1) {
      Diagnostic d{.code = "FAB3041",
                   .message = "`program` has a `" + written[0] + "` and a `" + written[1] + "`, and starts one thing",
                   .at = Place(path / written[1], true),
                   .label = "the second one",
                   .help = "keep one of them; a profile that writes another writes null for that of the job"};
      d.notes.push_back({"the first one is here", Place(path / written[0], true)});
      diagnostics_.add(std::move(d));
    }
    if (program.command && written.size() == 1 && program.python)
      diagnostics_.add({.code = "FAB3042",
                        .message = "`python` has no effect on a `command`, which names its program itself",
                        .at = Place(path / "python", true),
                        .label = "nothing reads this",
                        .help = "write `script: ...` in place of `command`, or remove `python`"});
  }

  // A launcher would start all its ranks once for each of ours.
  void launcher(const std::vector<std::string>& command) {
    const std::string& program = command.front();
    const std::string name = program.substr(program.rfind('/') + 1);
    if (const auto world = written_world_size(job_); world && *world == 1) return;
    for (const std::string_view known : {"torchrun", "accelerate", "deepspeed", "mpirun", "mpiexec", "srun", "lightning", "horovodrun"})
      if (name == known)
        diagnostics_.add({.severity = Severity::warning,
                          .code = "FAB3034",
                          .message = "`" + name + "` starts ranks itself, and fabric starts it once for each rank",
                          .at = Place(Path("program") / "command" / std::size_t{0}),
                          .label = "a launcher inside a launcher",
                          .help = "start your script itself, `script: train.py`: fabric gives it the variables that `" + name +
                                  "` would; or write `contract: none`, so that it is started once"});
  }

  void environment() {
    variables(job_.env, Path("env"));
    if (job_.program) variables(job_.program->env, Path("program") / "env");
    if (job_.program) {
      const Path program("program");
      words(job_.program->command.value_or(std::vector<std::string>{}), program / "command");
      words(job_.program->wrapper, program / "wrapper");
      for (const std::string& word : job_.program->args.words) no_nul(word, program / "args", "argument");
      if (job_.program->cwd) no_nul(*job_.program->cwd, program / "cwd", "folder");
      if (job_.program->script) no_nul(*job_.program->script, program / "script", "argument");
      if (job_.program->python) no_nul(*job_.program->python, program / "python", "program");
    }
  }

  void words(const std::vector<std::string>& all, const Path& path) {
    for (std::size_t i = 0; i < all.size(); ++i) no_nul(all[i], path / i, "argument");
  }

  void variables(const std::map<std::string, std::string>& env, const Path& path) {
    for (const auto& [name, value] : env) {
      no_nul(value, path / name, "variable");
      const bool threads = name == "OMP_NUM_THREADS";
      if (!threads && !is_set_by_fabric(name)) continue;
      diagnostics_.add({.code = "FAB3030",
                        .message = "`" + name + "` is set by fabric for each rank",
                        .at = Place(path / name, true),
                        .label = "cannot be chosen here",
                        .help = threads ? "write `threads: " + value + "`" : "remove it; the rank's own value is always right"});
    }
    if (!on(Accelerator::cpu))
      for (const char* name : {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"})
        if (env.contains(name))
          diagnostics_.add(
              {.code = "FAB3030",
               .message = "`" + std::string(name) + "` is set by fabric for each rank on a GPU",
               .at = Place(path / name, true),
               .label = "cannot be chosen here",
               .help =
                   "name the GPUs in `devices`, such as `devices: [6, 7]`; they count within what the environment shows, in the order of the PCI bus"});
  }

  void no_nul(const std::string& text, const Path& path, const char* what) {
    if (text.find('\0') == std::string::npos) return;
    diagnostics_.add({.code = "FAB3032",
                      .message = path.str() + " holds a NUL byte, which no " + what + " of a process can",
                      .at = Place(path),
                      .label = "NUL in here",
                      .help = "remove it"});
  }

  void address() {
    if (!job_.main_address) return;
    const std::string& text = *job_.main_address;
    const std::size_t colon = text.find(':');
    const bool with_port = colon != std::string::npos && text.find_first_not_of("0123456789", colon + 1) == std::string::npos;
    const bool good = !with_port && std::all_of(text.begin(), text.end(), [](unsigned char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == ':' || c == '_';
    }) && text[0] != '-';
    if (!good)
      diagnostics_.add({.code = "FAB3031",
                        .message = "main_address `" + text + "` is neither an address nor a host name",
                        .at = Place("main_address"),
                        .label = "not a host",
                        .help = with_port ? "the port is a field of its own: `main_address: " + text.substr(0, colon) +
                                                "`, `main_port: " + text.substr(colon + 1) + "`"
                                          : "write a numeric address such as 10.0.0.1 or a host name, without a port"});
  }

  bool on(Accelerator accelerator) const { return !is_auto(job_.accelerator) && std::get<Accelerator>(job_.accelerator) == accelerator; }

  const JobSpec& job_;
  const SourceMap& origins_;
  Diagnostics& diagnostics_;
};

}  // namespace

std::vector<Question> questions_of(const Train<Spec>& train, const std::string& worker) {
  const std::string folder = train.data.path + (train.data.path.ends_with('/') ? "" : "/");
  std::vector<Question> all = {{QuestionKind::is_directory, train.data.path, "train.data.path"}};
  for (const std::string_view file : idx_files)
    all.push_back({QuestionKind::is_plain_or_gzip_file, folder + std::string(file), "train.data.path"});
  if (train.initial_weights) all.push_back({QuestionKind::is_file, *train.initial_weights, "train.initial_weights"});
  all.push_back({QuestionKind::is_program, worker, "train"});
  return all;
}

bool is_set_by_fabric(std::string_view variable) {
  // clang-format off
  static constexpr std::array<std::string_view, 27> ours{
      "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "NODE_RANK", "ROLE_NAME", "ROLE_RANK",
      "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS",
      "TORCHELASTIC_ERROR_FILE", "LT_CLI_USED", "LT_DEVICES", "LT_NUM_NODES",
      "FABRIC_RUN_ID", "FABRIC_RUN_DIR", "FABRIC_PLAN", "FABRIC_ATTEMPT", "FABRIC_RESUME_FROM", "FABRIC_STOP_FILE", "FABRIC_EVENTS",
      "FABRIC_STORE_FD"};
  // clang-format on
  return std::find(ours.begin(), ours.end(), variable) != ours.end();
}

void check_job(const JobSpec& job, const SourceMap& origins, Diagnostics& diagnostics) { JobChecker(job, origins, diagnostics).run(); }

}  // namespace fabric
