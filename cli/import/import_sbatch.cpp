#include "cli/import/import_sbatch.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/command_line_job.hpp"
#include "cli/import/body_reader.hpp"
#include "cli/import/script_import.hpp"
#include "compiler/check_job.hpp"
#include "launch_backends/slurm_needs.hpp"
#include "schema/units.hpp"

namespace fabric {

namespace fs = std::filesystem;

std::optional<std::int64_t> count_in_text(const std::string& text) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && end == text.data() + text.size() && n > 0 ? std::optional(n) : std::nullopt;
}

std::optional<std::int64_t> count_in(const std::optional<BashField>& field) {
  return field && field->known() ? count_in_text(field->text()) : std::nullopt;
}

std::string plain_path(const std::string& folder, const std::string& path) {
  std::string plain = (fs::path(folder) / path).lexically_normal().string();
  while (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
  return plain;
}

ImportedJob ScriptImport::run() {
  look_at_the_form();
  directives_ = read_sbatch_directives(text_, source_, diagnostics_);
  if (is_for_a_shell()) body_ = read_batch_body(text_, directives_.body, source_, variables_of_slurm(), folders(), diagnostics_);
  needs_ = sbatch_needs(options(true));
  // A step need not name again what its GPUs are.
  if (needs_.gpu_type.empty()) needs_.gpu_type = sbatch_needs(options(false)).gpu_type;
  out_.set("fabric", 1);
  name();
  ranks();
  threads();
  time();
  if (body_.launch) program();
  variables();
  out_.set("backend", "slurm");
  slurm();
  in_order();
  return std::move(out_);
}

// As a reader expects them: what the job is, what it runs, where.
void ScriptImport::in_order() {
  Value ordered = Value::object();
  for (const char* key : {"fabric", "name", "accelerator", "devices", "num_nodes", "strategy", "precision", "threads", "binding",
                          "time_limit", "stop", "restart", "program", "env", "backend", "slurm"})
    if (Value* value = out_.job.find(key)) ordered.set(key, std::move(*value));
  out_.job = std::move(ordered);
}

std::map<std::string, std::string> ScriptImport::options(bool with_launch) const {
  std::map<std::string, std::string> options;
  for (const SbatchDirective& d : directives_.list) options[d.name] = d.value.value_or("");
  if (!with_launch || !body_.launch) return options;
  for (const char* name : {"nodes", "ntasks", "ntasks-per-node", "cpus-per-task", "gres", "gpus", "gpus-per-node", "gpus-per-task"}) {
    const BashField* value = srun_option(name);
    if (!value || !value->known()) continue;
    if (std::string_view(name) == "ntasks") options.erase("ntasks-per-node");
    options[name] = value->text();
  }
  return options;
}

BashVariables ScriptImport::variables_of_slurm() const {
  const SbatchNeeds needs = sbatch_needs(options(false));
  BashVariables variables;
  const auto set = [&](const char* name, std::optional<std::int64_t> number) {
    if (number) variables.set(name, std::to_string(*number));
  };
  set("SLURM_NNODES", needs.node_count());
  set("SLURM_JOB_NUM_NODES", needs.node_count());
  set("SLURM_NTASKS", needs.tasks_on_a_node() * needs.node_count());
  set("SLURM_NPROCS", needs.tasks_on_a_node() * needs.node_count());
  set("SLURM_NTASKS_PER_NODE", needs.tasks_per_node);
  set("SLURM_CPUS_PER_TASK", needs.cpus_per_task);
  set("SLURM_GPUS_ON_NODE", needs.gpus_per_node);
  set("SLURM_GPUS_PER_NODE", needs.gpus_per_node);
  variables.set("SLURM_SUBMIT_DIR", place_.folder);
  variables.set("PWD", folders().start.text);
  if (const SbatchDirective* d = directive("job-name")) variables.set("SLURM_JOB_NAME", *d->value);
  if (place_.arguments) variables.set_arguments(*place_.arguments);
  return variables;
}

std::string ScriptImport::line(std::size_t at) const { return "line " + std::to_string(position_of(text_, at).line); }

const SbatchDirective* ScriptImport::directive(std::string_view name) const {
  for (const SbatchDirective& d : directives_.list)
    if (d.name == name) return &d;
  return nullptr;
}

std::string ScriptImport::line_of(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names)
    if (const SbatchDirective* d = directive(name)) return line(d->at.begin);
  return "";
}

const BashField* ScriptImport::srun_option(const char* name) const {
  if (!body_.launch) return nullptr;
  const auto found = body_.launch->srun_options.find(name);
  return found == body_.launch->srun_options.end() ? nullptr : &found->second;
}

Span ScriptImport::at_launch() const {
  const std::size_t end = std::min(text_.find('\n', body_.launch_at), text_.size());
  return {source_, static_cast<std::uint32_t>(body_.launch_at), static_cast<std::uint32_t>(std::max(end, body_.launch_at + 1))};
}

void ScriptImport::warn(const char* code, std::string message, Span at, std::string label, std::string help) {
  diagnostics_.add({.severity = Severity::warning,
                    .code = code,
                    .message = std::move(message),
                    .at = Place(at),
                    .label = std::move(label),
                    .help = std::move(help)});
}

std::string ScriptImport::from_job(const std::string& path) const {
  if (path.starts_with('/') || place_.from_job.empty()) return path;
  return (fs::path(place_.from_job) / path).lexically_normal().string();
}
std::string ScriptImport::shortened_path(const std::string& path) const {
  if (path == place_.folder) return from_job(".");
  if (path.starts_with(place_.folder + '/')) return from_job(path.substr(place_.folder.size() + 1));
  return path;
}

// SLURM starts the script in --chdir, and reads a relative one from where it is submitted.
ScriptFolders ScriptImport::folders() const {
  const SbatchDirective* d = directive("chdir");
  if (!d) return {place_.folder, {place_.folder, 0}};
  return {place_.folder, {plain_path(place_.folder, *d->value), d->at.begin}};
}
std::string ScriptImport::launch_folder() const {
  const std::string folder = body_.folder ? body_.folder->text : place_.folder;
  const BashField* of_step = srun_option("chdir");
  return of_step && of_step->known() ? plain_path(folder, of_step->text()) : folder;
}
std::string ScriptImport::from_launch(const std::string& path) const {
  const std::string folder = launch_folder();
  return folder == place_.folder || path.starts_with('/') ? from_job(path) : shortened_path(plain_path(folder, path));
}

Span ScriptImport::first_line() const {
  return {source_, 0, static_cast<std::uint32_t>(std::max<std::size_t>(1, std::min(text_.find('\n'), text_.size())))};
}

void ScriptImport::look_at_the_form() {
  if (!text_.starts_with("#!"))
    warn("FAB6103", "sbatch refuses a script whose first line names no interpreter", first_line(), "no #!",
         text_.find("\n#!") == std::string::npos ? "write #!/bin/bash above it" : "move " + line(text_.find("\n#!") + 1) + " above it");
  if (place_.dos)
    warn("FAB6103", "sbatch refuses a script with line ends of DOS", first_line(), "has them", "convert it, as by `dos2unix`");
  const std::string line = text_.substr(0, text_.find('\n'));
  if (line.ends_with(" -l") || line.ends_with(" --login"))
    warn("FAB6104", "the batch script of fabric is read by no login shell", first_line(), "a login shell",
         "write `source /etc/profile` under slurm.setup, if commands such as `module` are not found");
}

// What is behind #! may be Python as well.
bool ScriptImport::is_for_a_shell() {
  const std::string line = text_.starts_with("#!") ? text_.substr(0, text_.find('\n')) : "#!/bin/bash";
  for (const char* shell : {"bash", "/sh", "zsh", "ksh", "dash", "env sh"})
    if (line.find(shell) != std::string::npos) return true;
  diagnostics_.add({.code = "FAB6101",
                    .message = "this script is for no shell, and its commands were not read",
                    .at = Place(first_line()),
                    .label = "another interpreter",
                    .help = "write into the job what it starts: `program: {script: ...}`"});
  return false;
}

void ScriptImport::name() {
  const SbatchDirective* d = directive("job-name");
  const std::string written = d ? *d->value : place_.script_name;
  const std::string name = job_name_after(d ? written + ".x" : written);
  out_.set("name", name, d ? line(d->at.begin) : "");
  if (d && name != written)
    warn("FAB6104", "a job's name has letters, digits, dot, dash and underscore", d->at, "becomes " + name,
         "give it another one, if you like");
}

void ScriptImport::threads() {
  if (!body_.threads) return;
  if (const auto count = count_in_text(body_.threads->text)) out_.set("threads", *count, line(body_.threads->at));
  else if (body_.threads->text == "auto" && (needs_.cpus_per_task || !directive("exclusive")))
    out_.set("threads", "auto", line(body_.threads->at) + ": as many as a rank has CPUs");
}

void ScriptImport::time() {
  double lead = 0;
  if (const SbatchDirective* d = directive("signal")) lead = signal(*d);
  const SbatchDirective* d = directive("time");
  if (!d) return;
  const std::optional<double> seconds = sbatch_seconds(*d->value);
  if (!seconds)
    return warn("FAB6104", "a time without end has no word in a job", d->at, "not taken",
                "where time_limit is not written, the partition's own counts");
  out_.set("time_limit", Duration{*seconds}.str(), line(d->at.begin));
  if (d->value->find(':') == std::string::npos && d->value->find('-') == std::string::npos)
    warn("FAB6104", "a time that is one number is minutes", d->at, "is " + Duration{*seconds}.str(),
         "write 0:" + *d->value + " in the script, if seconds are meant");
  if (*seconds <= std::max(lead, Duration::parse("30s")->seconds + slurm_warning))
    warn("FAB6104", "in so short a time there is none to stop in order", d->at, "is " + Duration{*seconds}.str(),
         "write a longer time_limit, or a shorter stop.grace");
}

// [R|B]:SIGNAL@SECONDS. How long before the end.
double ScriptImport::signal(const SbatchDirective& d) {
  const std::string& text = *d.value;
  const std::size_t colon = text.find(':');
  const std::size_t at = text.find('@');
  std::string name = text.substr(colon == std::string::npos ? 0 : colon + 1,
                                 at == std::string::npos ? at : at - (colon == std::string::npos ? 0 : colon + 1));
  if (name.starts_with("SIG")) name.erase(0, 3);
  if (name == "10") name = "USR1";
  if (name == "12") name = "USR2";
  if (name == "15") name = "TERM";
  double seconds = 60;
  if (at != std::string::npos) seconds = static_cast<double>(count_in_text(text.substr(at + 1)).value_or(60));
  const double grace = std::max(1.0, seconds - slurm_warning);
  const bool to_batch = text.starts_with("B:") || text.starts_with("RB:") || text.starts_with("BR:");
  const bool taken = name == "TERM" || name == "INT" || name == "USR1" || name == "USR2" || name == "HUP";
  if (!taken) {
    warn("FAB6104", "ranks cannot be stopped by this signal", d.at, "not taken", "write stop.signal: TERM, INT, USR1, USR2 or HUP");
    return 0;
  }
  if (!to_batch) out_.set(Path("stop") / "signal", name, line(d.at.begin));
  else
    warn("FAB6107", "this signal goes to the batch script, whose place fabric takes", d.at, "to the script alone",
         "the ranks get stop.signal, TERM by default, in time: write what your program saves on");
  out_.set(Path("stop") / "grace", Duration{grace}.str(), line(d.at.begin));
  return seconds;
}

void ScriptImport::variable(const std::string& name, const std::string& value, const std::string& origin, Span at) {
  if (is_set_by_fabric(name) || name == "CUDA_VISIBLE_DEVICES") return;
  if (name == "OMP_NUM_THREADS") {
    if (!out_.job.find("threads"))
      if (const auto n = count_in_text(value)) out_.set("threads", *n, origin);
    return;
  }
  if (name == "PYTHONUNBUFFERED" && value == "1") return;
  for (const std::string_view secret : {"KEY", "TOKEN", "SECRET", "PASSWORD"})
    if (name.find(secret) != std::string::npos && value.size() > 7) {
      warn("FAB6114", "`" + name + "` looks like a secret, which would stand in each plan", at, "not taken",
           "write it into a file that only you can read, and name that in program.env_file");
      return;
    }
  out_.set(Path("env") / name, value, origin);
}

void ScriptImport::variables() {
  for (const auto& [name, part] : body_.variables)
    variable(name, part.text, line(part.at),
             {source_, static_cast<std::uint32_t>(part.at), static_cast<std::uint32_t>(std::min(text_.find('\n', part.at), text_.size()))});
  if (const SbatchDirective* d = directive("export")) exported(*d->value, line(d->at.begin), d->at);
  if (!body_.launch) return;
  for (const auto& [name, value] : body_.launch->variables)
    if (value.known()) variable(name, value.text(), line(body_.launch_at), at_launch());
  if (const BashField* list = srun_option("export"); list && list->known()) exported(list->text(), line(body_.launch_at), at_launch());
}

// ALL, NONE, or names and NAME=value.
void ScriptImport::exported(const std::string& list, const std::string& origin, Span at) {
  Value names = Value::array();
  bool all = false;
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  values_cut_at_commas(parts, at);
  for (const std::string& part : parts) {
    const std::size_t equals = part.find('=');
    if (part == "ALL") all = true;
    else if (part == "NONE" || part == "NIL")
      warn("FAB6104", "ranks of a job inherit what the batch script has set, and its own environment", at, "not taken",
           "write `inherit` under `program`, a list of patterns or none");
    else if (equals != std::string::npos) variable(part.substr(0, equals), part.substr(equals + 1), origin, at);
    else if (!part.empty()) names.as_array().push_back(part);
  }
  if (!all && !names.as_array().empty() && body_.launch) {
    for (const char* always : {"PATH", "HOME", "USER", "SLURM_*"}) names.as_array().push_back(always);
    out_.set(Path("program") / "inherit", std::move(names), origin);
  }
}

// FOO=a,b is FOO=a to SLURM, and b a variable to hand on.
void ScriptImport::values_cut_at_commas(const std::vector<std::string>& parts, Span at) {
  const bool all = std::find(parts.begin(), parts.end(), "ALL") != parts.end();
  const auto may_be_meant = [all](const std::string& name) {
    return !all && is_bash_name(name) && name.find_first_of("abcdefghijklmnopqrstuvwxyz") == std::string::npos;
  };
  for (std::size_t i = 0; i < parts.size();) {
    const std::string& first = parts[i++];
    std::string lost;
    bool meant = true;
    for (; i < parts.size() && parts[i].find('=') == std::string::npos && parts[i] != "ALL" && parts[i] != "NONE" && parts[i] != "NIL";
         ++i) {
      lost += ',' + parts[i];
      meant = meant && may_be_meant(parts[i]);
    }
    const std::size_t equals = first.find('=');
    if (equals == std::string::npos || meant) continue;
    const std::string name = first.substr(0, equals);
    warn("FAB6104", "SLURM cuts --export at each comma: `" + name + "` is `" + first.substr(equals + 1) + "`, and `" + lost + "` is lost",
         at, "lost: " + lost,
         "if it belongs to the value, write `" + name + ": \"" + first.substr(equals + 1) + lost +
             "\"` under `env` of the job, or export it in the script");
  }
}

ImportedJob import_sbatch(const Sources& sources, std::uint32_t source, const ImportPlace& place, Diagnostics& diagnostics) {
  return ScriptImport(sources[source].text, source, place, diagnostics).run();
}

}  // namespace fabric
