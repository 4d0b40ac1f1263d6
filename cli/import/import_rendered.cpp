#include "cli/import/import_rendered.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "cli/import/bash_expansion.hpp"
#include "cli/import/bash_statements.hpp"
#include "cli/import/sbatch_directives.hpp"
#include "cli/import/sbatch_needs.hpp"
#include "cli/outside.hpp"
#include "compiler/check_job.hpp"
#include "compiler/layers.hpp"
#include "compiler/read_job.hpp"
#include "launch_backends/slurm_needs.hpp"
#include "launch_backends/slurm_options.hpp"
#include "schema/joined.hpp"
#include "schema/json.hpp"
#include "schema/plan.hpp"

namespace fabric {
namespace {

constexpr std::string_view begin_of_task = "<<'END_OF_TASK'\n", end_of_task = "END_OF_TASK\n)";

std::string second_line(const std::string& text) {
  const std::size_t begin = std::min(text.find('\n'), text.size() - 1) + 1;
  return text.substr(begin, std::min(text.find('\n', begin), text.size()) - begin);
}

// The first twelve digits of the plan's id.
std::string id_in(const std::string& text) {
  const std::string line = second_line(text);
  const std::size_t at = line.rfind(", plan ");
  return at == std::string::npos ? "" : line.substr(at + 7, 12);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// --- by the plan ---

// What of a job is not there by itself: neither null nor as by default.
void keep_what_is_written(Value& job, const Value& defaults) {
  std::vector<std::string> gone;
  for (Member& member : job.as_object()) {
    const Value* by_default = defaults.is_object() ? defaults.find(member.key) : nullptr;
    if (member.value.is_null() || (by_default && member.value == *by_default)) {
      gone.push_back(member.key);
      continue;
    }
    if (!member.value.is_object()) continue;
    keep_what_is_written(member.value, by_default ? *by_default : Value());
    if (member.value.as_object().empty()) gone.push_back(member.key);
  }
  for (const std::string& key : gone) job.erase(key);
}

void take_out(Value& job, const Path& path) {
  Value* at = &job;
  for (std::size_t i = 0; at && i + 1 < path.steps().size(); ++i) {
    const auto* key = std::get_if<std::string>(&path.steps()[i]);
    at = key ? at->find(*key) : nullptr;
  }
  if (const auto* key = path.steps().empty() ? nullptr : std::get_if<std::string>(&path.steps().back()); at && key && at->is_object())
    at->erase(*key);
}

// The least that a job of this kind has, and so what the rest is by default.
Value least_job(const Plan& plan, const Value& job) {
  Value least = Value::object();
  least.set("fabric", 1);
  least.set("backend", "slurm");
  least.set("slurm", Value::object());
  if (plan.job.program) {
    Value program = Value::object();
    program.set("command", Value::Array{Value("true")});
    least.set("program", std::move(program));
  } else if (const Value* written = job.find("train")) {
    Value train = Value::object();
    for (const char* field : {"task", "batch_size", "epochs", "steps"})
      if (const Value* value = written->find(field); value && !value->is_null()) train.set(field, *value);
    for (const auto& [field, inner] : {std::pair{"model", "name"}, {"data", "path"}, {"optimizer", "name"}}) {
      Value section = Value::object();
      section.set(inner, *written->find(field)->find(inner));
      train.set(field, std::move(section));
    }
    least.set("train", std::move(train));
  }
  fill_defaults(least);
  return to_value(read_job(least));
}

ImportedJob job_of(const Plan& plan) {
  Value job = to_value(plan.job);
  Value defaults = least_job(plan, job);
  for (const Decision& decision : plan.decisions)
    if (const std::optional<Path> field = Path::parse(decision.field)) take_out(job, *field);
  for (const char* key : {"fabric", "backend"}) defaults.erase(key);
  if (Value* program = defaults.find("program")) program->erase("command");
  if (Value* train = defaults.find("train"))
    for (const char* field : {"task", "batch_size", "epochs", "steps", "model", "data", "optimizer"}) {
      Value* section = train->find(field);
      if (section && section->is_object()) section->erase(section->find("name") ? "name" : "path");
      else train->erase(field);
    }
  if (plan.job.program)
    for (const char* key : {"strategy", "precision", "process_group"}) job.erase(key);  // it decides these itself
  keep_what_is_written(job, defaults);
  if (Value* devices = job.find("devices"); devices && devices->is_object())
    *devices = plan.job.devices.ids.empty() ? Value(plan.job.devices.count) : *devices->find("ids");
  const Text& cwd = plan.groups.front().rank.cwd;
  if (Value* program = job.find("program"); program && !program->find("cwd") && cwd.is_literal()) program->set("cwd", cwd.str());
  for (Value* holder : {&job, job.find("stop"), job.find("restart")})
    for (const char* key : {"time_limit", "stall", "grace", "backoff"})
      if (Value* seconds = holder ? holder->find(key) : nullptr; seconds && seconds->is_number())
        *seconds = Duration{seconds->as_real()}.str();
  ImportedJob out;
  for (Member& member : job.as_object()) out.set(Path() / member.key, std::move(member.value));
  // What it is where nothing is written differs from one machine to another.
  if (!out.job.find("accelerator")) out.set("accelerator", std::string(name_of(plan.job.accelerator)));
  return out;
}

// --- by the script ---

class RenderedReader {
 public:
  RenderedReader(const std::string& text, const SbatchDirectives& directives) : text_(text), directives_(directives) {
    for (const SbatchDirective& d : directives.list) options_[d.name] = d.value.value_or("");
    needs_ = sbatch_needs(options_);
  }

  ImportedJob read() {
    out_.set("fabric", 1);
    out_.set("name", options_["job-name"]);
    out_.set("accelerator", needs_.gpus_per_node ? "cuda" : "cpu");
    const std::int64_t devices = needs_.gpus_per_node.value_or(needs_.tasks_on_a_node());
    out_.set("devices", devices);
    if (needs_.node_count() > 1) out_.set("num_nodes", needs_.node_count());
    if (const auto seconds = sbatch_seconds(options_["time"])) out_.set("time_limit", Duration{*seconds}.str());
    const std::size_t begin = text_.find(begin_of_task) + begin_of_task.size();
    task(text_.substr(begin, text_.find(end_of_task, begin) - begin), devices);
    meeting_place();
    out_.set("backend", "slurm");
    section();
    return std::move(out_);
  }

 private:
  // What a command says, its comment gone.
  static std::vector<BashField> fields_of(const std::string& line) {
    std::vector<BashField> fields;
    for (const BashStatement& statement : bash_statements(line, 0, line.size()))
      for (const BashCommand& command : statement.commands)
        for (const BashField& field : BashVariables().expand(command.words)) fields.push_back(field);
    return fields;
  }

  void task(const std::string& text, std::int64_t devices) {
    bool torchrun = false, cli = false, ranks = false;
    Value env = Value::object();
    for (const std::string& line : lines_of(text)) {
      if (line.starts_with("export ")) {
        const std::vector<BashField> fields = fields_of(line);
        if (fields.size() < 2) continue;
        const std::string name = assigned_name(fields[1].text());
        const std::string value = fields[1].text().substr(std::min(name.size() + 1, fields[1].text().size()));
        torchrun = torchrun || name == "TORCHELASTIC_RUN_ID";
        cli = cli || name == "LT_CLI_USED";
        ranks = ranks || name == "RANK";
        if (name == "CUDA_VISIBLE_DEVICES" && value.find("fabric_devices") != std::string::npos) out_.set("visible_devices", "rank");
        variable(name, fields[1].known() ? value : "", env);
      } else if (line.starts_with("for fabric_name in $(compgen -e); do ")) {
        inherited(line);
      } else if (line.starts_with("cd -- ")) {
        cwd_ = fields_of(line.substr(0, line.find(" || ")))[2].text();
      } else if (line.starts_with("exec -- ")) {
        command(fields_of(line));
      }
    }
    const bool alone = devices > 1 && needs_.tasks_on_a_node() == 1;
    if (!ranks || alone) out_.set(Path("program") / "contract", "none");
    else if (cli) out_.set(Path("program") / "contract", "fabric-cli");
    else if (!torchrun) out_.set(Path("program") / "contract", "env");
    if (!cwd_.empty()) out_.set(Path("program") / "cwd", cwd_);
    if (!env.as_object().empty()) out_.set("env", std::move(env));
  }

  void variable(const std::string& name, const std::string& value, Value& env) {
    if (name == "OMP_NUM_THREADS") {
      std::int64_t threads = 0;
      std::from_chars(value.data(), value.data() + value.size(), threads);
      threads_ = threads;
      return out_.set("threads", threads);
    }
    if (name == "LT_STRATEGY") return out_.set(Path("program") / "strategy", value);
    if (name == "LT_PRECISION") return out_.set(Path("program") / "precision", value);
    const bool follows = name.starts_with("ACCELERATE_USE_") || name.starts_with("ACCELERATE_MIXED_PRECISION") ||
                         name == "ACCELERATE_DEEPSPEED_ZERO_STAGE" || name == "LT_ACCELERATOR" || name == "CUDA_DEVICE_ORDER" ||
                         name == "CUDA_VISIBLE_DEVICES";
    if (follows || is_set_by_fabric(name) || (name == "PYTHONUNBUFFERED" && value == "1")) return;
    env.set(name, value);
  }

  // ... case $fabric_name in A | B*) ;; *) ...
  void inherited(const std::string& line) {
    const std::size_t begin = line.find(" in ", line.find("case "));
    if (line.find("case ") == std::string::npos) return out_.set(Path("program") / "inherit", "none");
    Value patterns = Value::array();
    const std::string list = line.substr(begin + 4, line.find(") ;;") - begin - 4);
    for (std::size_t at = 0; at <= list.size();) {
      const std::size_t end = std::min(list.find(" | ", at), list.size());
      patterns.as_array().push_back(list.substr(at, end - at));
      at = end + 3;
    }
    out_.set(Path("program") / "inherit", std::move(patterns));
  }

  void command(std::vector<BashField> fields) {
    fields.erase(fields.begin(), fields.begin() + 2);
    if (fields.size() > 2 && fields[0].text() == "apptainer") {
      std::size_t at = 2;
      while (at < fields.size() && fields[at].text().starts_with("--")) {
        if (fields[at].text() == "--bind" && at + 1 < fields.size() && fields[at + 1].known()) mount(fields[at + 1].text());
        at += fields[at].text() == "--nv" ? 1 : 2;
      }
      image_ = fields[at].text();
      runtime_ = "apptainer";
      fields.erase(fields.begin(), fields.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    // What runs of a copy of the code was taken from the folder of the ranks.
    constexpr std::string_view copy = "$fabric_run/code/";
    const bool copied = fields.size() > 1 && fields[1].text().starts_with(copy);
    Value words = Value::array();
    for (std::size_t i = copied ? 2 : 0; i < fields.size(); ++i) {
      const bool told = i + 1 < fields.size() && fields[i + 1].text() == "$fabric_local_rank";
      if (told) out_.set(Path("program") / "local_rank_option", fields[i].text());
      if (told) ++i;
      else words.as_array().push_back(fields[i].text());
    }
    if (!copied) return out_.set(Path("program") / "command", std::move(words));
    out_.set(Path("program") / "script", cwd_ + '/' + fields[1].text().substr(copy.size()));
    out_.set(Path("program") / "python", fields[0].text());
    if (!words.as_array().empty()) out_.set(Path("program") / "args", std::move(words));
  }

  // The folder of the ranks is mounted by itself.
  void mount(const std::string& written) {
    const std::size_t colon = written.find(':');
    if (written == cwd_ + ':' + cwd_) return;
    const bool same = colon != std::string::npos && written.substr(0, colon) == written.substr(colon + 1);
    mounts_.as_array().push_back(same ? written.substr(0, colon) : written);
  }

  void meeting_place() {
    for (const std::string& line : lines_of(text_)) {
      const auto literal = [&](std::string_view name) -> std::string {
        if (!line.starts_with(name)) return "";
        const std::vector<BashField> fields = fields_of("x " + line.substr(name.size()));
        return fields.size() > 1 && fields[1].known() ? fields[1].text() : "";
      };
      if (const std::string address = literal("fabric_main_address="); !address.empty() && line.find("$1") == std::string::npos)
        out_.set("main_address", address);
      if (const std::string port = literal("fabric_main_port="); !port.empty()) out_.set("main_port", std::int64_t{std::stoll(port)});
      if (const std::size_t at = line.find("(compgen -G "); at != std::string::npos) {
        const std::vector<BashField> fields = fields_of(line.substr(at + 1, line.rfind(')') - at - 1));
        if (fields.size() > 2) out_.set(Path("checkpoint") / "path", fields[2].text());
      }
      if (line.starts_with("  --container-image=")) container(fields_of(line.substr(0, line.rfind('\\'))));
    }
  }

  void container(const std::vector<BashField>& fields) {
    runtime_ = "pyxis";
    for (const BashField& field : fields) {
      const std::string text = field.text();
      if (text.starts_with("--container-image=")) image_ = text.substr(18);
      if (!text.starts_with("--container-mounts=")) continue;
      const std::string list = text.substr(19);
      for (std::size_t at = 0; at < list.size();) {
        const std::size_t end = std::min(list.find(',', at), list.size());
        if (list[at] != '$') mount(list.substr(at, end - at));
        at = end + 1;
      }
    }
  }

  void section() {
    const Path slurm("slurm");
    out_.set(slurm / "shape", "srun");
    for (const char* name : {"partition", "account", "qos", "constraint", "reservation", "nodelist", "exclude", "array", "dependency"})
      if (options_.contains(name)) out_.set(slurm / name, options_[name]);
    if (!needs_.gpu_type.empty()) out_.set(slurm / "gpu_type", needs_.gpu_type);
    if (needs_.cpus_per_task && *needs_.cpus_per_task != threads_) out_.set(slurm / "cpus_per_rank", *needs_.cpus_per_task);
    if (options_.contains("mem")) out_.set(slurm / "mem", options_["mem"] == "0" ? "all" : options_["mem"] + "iB");
    if (options_.contains("exclusive")) out_.set(slurm / "exclusive", true);
    if (options_.contains("requeue")) out_.set(slurm / "requeue", true);
    if (const std::string& output = options_["output"]; output != "slurm-%j.out" && output != "slurm-%A_%a.out")
      out_.set(slurm / "output", output);
    if (const std::string& signal = options_["signal"]; signal.find('@') != std::string::npos) {
      if (signal.substr(0, signal.find('@')) != "TERM") out_.set(Path("stop") / "signal", signal.substr(0, signal.find('@')));
      const double grace = std::stod(signal.substr(signal.find('@') + 1)) - slurm_warning;
      if (grace != 30) out_.set(Path("stop") / "grace", Duration{grace}.str());
    }
    commands(slurm);
    if (!image_.empty()) {
      out_.set(slurm / "container" / "image", image_);
      out_.set(slurm / "container" / "runtime", runtime_);
      if (!mounts_.as_array().empty()) out_.set(slurm / "container" / "mounts", std::move(mounts_));
    }
    for (const SbatchDirective& d : directives_.list) {
      const SlurmOption* option = find_slurm_option(d.name);
      const std::string others = d.name == "gres" ? joined(resources_that_are_no_gpus(d.value.value_or("")), ",") : "";
      if (!others.empty()) out_.set(slurm / "directives" / "gres", others);
      if (option && option->own) continue;
      out_.set(slurm / "directives" / d.name, d.value ? Value(*d.value) : Value(true));
    }
  }

  void commands(const Path& slurm) {
    Value modules = Value::array(), setup = Value::array(), teardown = Value::array();
    bool in_setup = false, in_teardown = false;
    for (const std::string& line : lines_of(text_)) {
      if (line == "unset SLURM_EXPORT_ENV") {
        in_setup = true;
      } else if (line.starts_with("# One task of srun is one rank.")) {
        in_setup = false;
      } else if (in_setup && line.starts_with("module load ")) {
        modules.as_array().push_back(fields_of(line)[2].text());
      } else if (in_setup && line == "eval \"$(conda shell.bash hook)\"") {
        continue;
      } else if (in_setup && line.starts_with("conda activate ")) {
        out_.set(slurm / "conda", fields_of(line)[2].text());
      } else if (in_setup && line.starts_with("source ") && line.find("/bin/activate") != std::string::npos && setup.as_array().empty()) {
        const std::string file = fields_of(line)[1].text();
        out_.set(slurm / "venv", file.substr(0, file.size() - std::string_view("/bin/activate").size()));
      } else if (in_setup && !line.empty()) {
        setup.as_array().push_back(line);
      } else if (line == "(") {
        in_teardown = true;
      } else if (line == ")" && in_teardown) {
        in_teardown = false;
      } else if (in_teardown && !line.empty()) {
        teardown.as_array().push_back(line);
      }
    }
    if (!modules.as_array().empty()) out_.set(slurm / "modules", std::move(modules));
    if (!setup.as_array().empty()) out_.set(slurm / "setup", std::move(setup));
    if (!teardown.as_array().empty()) out_.set(slurm / "teardown", std::move(teardown));
  }

  const std::string& text_;
  const SbatchDirectives& directives_;
  std::map<std::string, std::string> options_;
  SbatchNeeds needs_;
  ImportedJob out_;
  std::int64_t threads_ = 0;
  std::string cwd_, image_, runtime_;
  Value mounts_ = Value::array();
};

}  // namespace

bool is_rendered_script(const std::string& text) {
  const std::string line = second_line(text);
  return text.starts_with("#!/bin/bash\n# ") && line.find(", by fabric ") != std::string::npos && id_in(text).size() == 12;
}

ImportedJob import_rendered(const Sources& sources, std::uint32_t source, const ImportPlace& place, Diagnostics& diagnostics) {
  const std::string& text = sources[source].text;
  if (const ReadFile file = read_file(place.folder + "/plan.json"); file.text) {
    const std::optional<Value> document = read_json(*file.text);
    const Value* id = document ? document->find("plan_id") : nullptr;
    if (id && id->is_string() && id->as_string().starts_with(id_in(text))) try {
        return job_of(from_value<Plan>(*document->find("plan")));
      } catch (const BindingError&) {
        // Of another version of fabric: what the script says has to do.
      }
  }
  const bool whole = text.find(begin_of_task) != std::string::npos && text.find(end_of_task) != std::string::npos;
  const bool trains =
      text.find("export FABRIC_STORE_FD=") != std::string::npos || text.find("unset -v FABRIC_STORE_FD") != std::string::npos;
  if (!whole || trains) {
    const std::size_t begin = std::min(text.find('\n'), text.size() - 1) + 1;
    diagnostics.add(
        {.code = "FAB6115",
         .message = whole ? "this script trains by fabric's own runtime, and what it trains stands in its plan alone"
                          : "this script starts what its plan says, and that does not stand beside it",
         .at = Place(Span{source, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(begin + second_line(text).size())}),
         .label = "of this plan",
         .help = "import it where it was written, in the folder that holds plan.json"});
    return {};
  }
  Diagnostics ignored;  // there is nothing that sbatch would not take
  return RenderedReader(text, read_sbatch_directives(text, source, ignored)).read();
}

}  // namespace fabric
