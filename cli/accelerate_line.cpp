#include "cli/accelerate_line.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string_view>

#include "cli/accelerate_words.hpp"
#include "cli/command.hpp"
#include "cli/outside.hpp"
#include "compiler/front_ends/yaml.hpp"
#include "schema/json.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

// Maps of the file, and what is put in front of their keys where it is not there.
constexpr std::pair<std::string_view, std::string_view> sections[] = {{"fsdp_config", "fsdp_"},     {"fp8_config", "fp8_"},
                                                                      {"dynamo_config", "dynamo_"}, {"deepspeed_config", ""},
                                                                      {"parallelism_config", ""},   {"mpirun_config", ""}};

bool is_true(std::string_view text) { return text == "True" || text == "true" || text == "1" || text == "yes" || text == "on"; }

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string upper_case(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

// As Python's str() writes it into a variable.
std::string python_text(const Value& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return value.as_bool() ? "True" : "False";
  std::string text = canonical_json(value);
  if (value.is_real() && text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

class Reader {
 public:
  AccelerateLine read(const std::vector<std::string>& words) {
    const std::vector<std::string> rest = command_line(words);
    // Accelerate reads no file under --cpu unless one is named.
    if (const std::string* file = value("config_file")) config_file(*file);
    else if (const std::string found = default_file(); !found.empty() && !is_set("cpu")) {
      out_.remarks.push_back("what the line leaves open is taken from " + shown_path(found) + ", as `accelerate launch` does");
      config_file(found);
    }
    check();
    place();
    choices();
    program(rest);
    return std::move(out_);
  }

 private:
  struct Written {
    std::string value;
    std::string where;  // --num_processes 4, or FILE:3: num_processes
  };

  [[noreturn]] void refuse(const std::string& what, const std::string& help) const { throw UsageError(what, help); }

  const std::string* value(std::string_view name) const {
    const auto found = written_.find(name);
    return found == written_.end() ? nullptr : &found->second.value;
  }
  bool is_set(std::string_view name) const {
    const std::string* text = value(name);
    return text && is_true(*text);
  }
  std::string where(std::string_view name) const {
    const auto found = written_.find(name);
    return found == written_.end() ? std::string(name) : found->second.where;
  }

  std::optional<std::int64_t> number(std::string_view name) const {
    const std::string* text = value(name);
    if (!text) return std::nullopt;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error != std::errc() || end != text->data() + text->size())
      refuse("`" + where(name) + "` is not a whole number", "give a number, such as --" + std::string(name) + " 2");
    return number;
  }

  // What stands in front of the script; returns the script and what follows it.
  std::vector<std::string> command_line(const std::vector<std::string>& words) {
    std::size_t at = 0;
    while (at < words.size() && words[at].size() > 1 && words[at][0] == '-') {
      if (words[at] == "--") {
        ++at;
        break;
      }
      const std::string& word = words[at++];
      const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
      std::string name = word.substr(0, equals);
      const std::string shown = name;
      for (const auto& [letter, whole] : {std::pair{"-m", "--module"}, {"-q", "--quiet"}, {"-t", "--tee"}})
        if (name == letter) name = whole;
      name.erase(0, name.starts_with("--") ? 2 : 0);
      std::replace(name.begin(), name.end(), '-', '_');
      const AccelerateWord* known = find_accelerate_word(name);
      if (!known || is_of_file_alone(*known)) refuse_unknown(shown, name);
      Written written{"True", shown};
      if (!known->is_switch) {
        if (equals != std::string::npos) written.value = word.substr(equals + 1);
        else if (at < words.size()) written.value = words[at++];
        else refuse("`" + shown + "` needs a value", "`accelerate launch --help` shows how it is used");
        written.where += ' ' + written.value;
      } else if (equals != std::string::npos) {
        refuse("`" + shown + "` takes no value", "write `" + shown + "`");
      }
      if (known->fate == AccelerateFate::refused)
        refuse("`" + written.where + "` cannot be carried: " + std::string(known->text), "leave it out");
      if (known->fate == AccelerateFate::remarked) out_.remarks.push_back(shown + ' ' + std::string(known->text));
      written_[name] = std::move(written);
    }
    if (at == words.size())
      refuse("`fabric run accelerate launch` needs a SCRIPT",
             "for example: fabric run accelerate launch --num_processes 2 train.py --lr 0.1");
    return {words.begin() + static_cast<std::ptrdiff_t>(at), words.end()};
  }

  [[noreturn]] void refuse_unknown(const std::string& shown, const std::string& name) const {
    if (name.starts_with("megatron_lm_")) refuse("`" + shown + "` cannot be carried: " + std::string(no_megatron), "leave it out");
    std::vector<std::string> names;
    for (const AccelerateWord& word : accelerate_words()) names.push_back("--" + std::string(word.name));
    const std::optional<std::string> meant = closest("--" + name, names);
    refuse("unknown option `" + shown + "` for `accelerate launch`",
           meant ? "did you mean `" + *meant + "`?" : "options of fabric stand in front of `accelerate`, those of the script behind it");
  }

  static std::string default_file() {
    const auto variable = [](const char* name) {
      const char* value = std::getenv(name);
      return std::string(value ? value : "");
    };
    std::filesystem::path folder = variable("HF_HOME");
    if (folder.empty())
      folder = std::filesystem::path(variable("XDG_CACHE_HOME").empty() ? variable("HOME") + "/.cache" : variable("XDG_CACHE_HOME")) /
               "huggingface";
    const std::filesystem::path file = folder / "accelerate" / "default_config.yaml";
    std::error_code error;
    return std::filesystem::is_regular_file(file, error) ? file.string() : "";
  }

  void config_file(const std::string& path) {
    const ReadFile file = read_file(path);
    if (!file.text) refuse("cannot read " + path + ": " + file.error, "give --config_file a file that `accelerate config` has written");
    Sources sources;
    SourceMap origins;
    Diagnostics diagnostics;
    const std::uint32_t source = sources.add({path, *file.text, Source::Kind::file});
    const std::optional<Value> map =
        path.ends_with(".json") ? read_json(sources, source, &origins, diagnostics) : read_yaml(sources, source, origins, diagnostics);
    for (const Diagnostic& d : diagnostics.all()) {
      if (d.severity != Severity::error) continue;
      const std::size_t line = d.at.span ? position_of(*file.text, d.at.span->begin).line : 1;
      refuse(path + ":" + std::to_string(line) + ": " + d.message, d.help);
    }
    if (!map || !map->is_object())
      refuse(path + " is no map of Accelerate's fields", "give --config_file a file that `accelerate config` has written");
    const auto at_line = [&](const Path& field) {
      const Origin* origin = origins.find(field);
      return path + ':' + std::to_string(origin ? position_of(*file.text, (origin->key ? *origin->key : origin->value).begin).line : 1);
    };
    for (const Member& member : map->as_object()) {
      const auto section = std::find_if(std::begin(sections), std::end(sections), [&](const auto& s) { return s.first == member.key; });
      if (member.key == "megatron_lm_config" && member.value.is_object() && member.value.as_object().empty()) continue;
      if (section == std::end(sections)) {
        from_file(member.key, member.value, at_line(Path() / member.key));
        continue;
      }
      if (!member.value.is_object()) {
        if (member.value.is_null()) continue;
        refuse(at_line(Path() / member.key) + ": `" + member.key + "` is no map", "write its fields below it, or leave it out");
      }
      for (const Member& inner : member.value.as_object()) {
        if (section->first == "deepspeed_config") deepspeed_fields_ += (deepspeed_fields_.empty() ? "" : ",") + inner.key;
        const std::string name = inner.key.starts_with(section->second) ? inner.key : std::string(section->second) + inner.key;
        from_file(name, inner.value, at_line(Path() / member.key / inner.key));
      }
    }
    if (!value("distributed_type"))
      refuse(path + " has no `distributed_type`", "write `distributed_type: MULTI_GPU`, or what else is meant");
  }

  // The command line wins.
  void from_file(const std::string& name, const Value& found, const std::string& at) {
    const AccelerateWord* known = find_accelerate_word(name);
    if (!known || name == "config_file") {
      if (name.starts_with("megatron_lm_")) refuse(at + ": `" + name + "` cannot be carried: " + std::string(no_megatron), "leave it out");
      std::vector<std::string> names;
      for (const AccelerateWord& word : accelerate_words()) names.emplace_back(word.name);
      const std::optional<std::string> meant = closest(name, names);
      refuse(at + ": Accelerate has no field `" + name + "`", meant ? "did you mean `" + *meant + "`?" : "remove it");
    }
    const bool empty =
        found.is_null() || (found.is_array() && found.as_array().empty()) || (found.is_object() && found.as_object().empty());
    if (empty) return;
    const bool all_off =
        found.is_array() && std::all_of(found.as_array().begin(), found.as_array().end(), [](const Value& v) { return v == Value(false); });
    if (known->fate == AccelerateFate::refused && (all_off || found == Value(false))) return;
    if (known->fate == AccelerateFate::refused)
      refuse(at + ": `" + name + "` cannot be carried: " + std::string(known->text), "remove it, or write null");
    if (found.is_array() || found.is_object()) refuse(at + ": `" + name + "` is no single value", "write one value");
    if (known->fate == AccelerateFate::remarked) out_.remarks.push_back(at + ": " + name + ' ' + std::string(known->text));
    const auto [there, made] = written_.try_emplace(name, Written{python_text(found), at + ": " + name + ": " + python_text(found)});
    if (made && name == "mixed_precision") precision_from_file_ = true;
  }

  void check() {
    int ways = 0;
    for (const char* name : {"multi_gpu", "cpu", "use_deepspeed", "use_fsdp"}) ways += is_set(name);
    if (ways > 1)
      refuse("--cpu, --multi_gpu, --use_deepspeed and --use_fsdp exclude each other", "give one of them, as Accelerate asks for");
    if (const std::string* where_it_runs = value("compute_environment"); where_it_runs && *where_it_runs != "LOCAL_MACHINE")
      refuse("`" + where("compute_environment") + "`: fabric starts ranks on machines, and not at " + *where_it_runs,
             "write LOCAL_MACHINE");
    const std::string* type = value("distributed_type");
    // What the line says of it comes first.
    if (type && ways == 0) {
      if (*type == "MULTI_GPU") written_["multi_gpu"] = {"True", where("distributed_type")};
      else if (*type == "FSDP") written_["use_fsdp"] = {"True", where("distributed_type")};
      else if (*type == "DEEPSPEED") written_["use_deepspeed"] = {"True", where("distributed_type")};
      else if (*type == "MULTI_CPU") written_["use_cpu"] = {"True", where("distributed_type")};
      else if (*type == "MEGATRON_LM")
        refuse("`" + where("distributed_type") + "`: " + std::string(no_megatron), "write MULTI_GPU, FSDP or DEEPSPEED");
      else if (*type != "NO")
        refuse("`" + where("distributed_type") + "`: fabric starts ranks on CPUs and NVIDIA GPUs",
               "write NO, MULTI_CPU, MULTI_GPU, FSDP or DEEPSPEED");
    }
    if (is_set("module") && is_set("no_python")) refuse("`--module` and `--no_python` exclude each other", "leave one of them out");
    if (is_set("use_parallelism_config") && (!is_set("use_fsdp") || !value("fsdp_version") || *value("fsdp_version") != "2"))
      refuse("--use_parallelism_config needs --use_fsdp and --fsdp_version 2", "give them, as Accelerate asks for");
  }

  // How many, where, and who this is.
  void place() {
    Value& job = out_.job;
    const std::optional<std::int64_t> processes = number("num_processes");
    const std::int64_t machines = number("num_machines").value_or(1);
    if (machines < 1) refuse("`" + where("num_machines") + "` is no number of machines", "give 1 or more");
    if (processes && *processes == -1) refuse("the file leaves num_processes open", "give it on the command line: --num_processes 4");
    if (processes && *processes < 1) refuse("`" + where("num_processes") + "` is no number of processes", "give 1 or more");
    if (processes && *processes % machines != 0)
      refuse("--num_processes counts those of all machines, and " + std::to_string(*processes) + " cannot be shared out over " +
                 std::to_string(machines),
             "give a multiple of " + std::to_string(machines));
    const bool cpu = is_set("cpu") || is_set("use_cpu");
    const bool several = is_set("multi_gpu") || is_set("use_fsdp") || is_set("use_deepspeed");
    if (is_set("multi_gpu") && processes && *processes < 2)
      refuse("--multi_gpu needs at least 2 processes", "give --num_processes 2, or leave --multi_gpu out");
    const std::optional<std::int64_t> each = processes ? std::optional(*processes / machines) : std::nullopt;
    if (!each && machines > 1)
      refuse("several machines need --num_processes, the processes of all of them together",
             "give it, such as --num_processes " + std::to_string(2 * machines));
    job.set("devices", each ? Value(*each) : cpu ? Value(1) : Value("auto"));
    if (const std::string* ids = value("gpu_ids"); ids && *ids != "all" && !cpu) gpu_ids(*ids, each);
    if (cpu) job.set("accelerator", "cpu");
    else if (is_set("multi_gpu")) job.set("accelerator", "cuda");
    if (machines > 1) {
      job.set("num_nodes", machines);
      out_.node_rank = number("machine_rank");
      if (!out_.node_rank)
        refuse("several machines need --machine_rank, the number of this one", "give 0 on the first machine, 1 on the next, and so on");
    } else if (number("machine_rank").value_or(0) != 0) {
      refuse("`" + where("machine_rank") + "`, and there is one machine", "give --num_machines too, or leave it out");
    }
    if (const std::string* host = value("main_process_ip")) job.set("main_address", *host);
    if (const auto port = number("main_process_port"); port && *port != 0) job.set("main_port", *port);
    if (const auto threads = number("num_cpu_threads_per_process")) job.set("threads", *threads);
    if (const auto restarts = number("max_restarts"); restarts && *restarts != 0) job.set("restart", *restarts);
    if (each && *each * machines > 1 && cpu && !several)
      out_.remarks.push_back("on a CPU `accelerate launch` itself starts one process a machine unless mpirun does; fabric starts " +
                             std::to_string(*each));
  }

  // Ranks take the first of them, in this order.
  void gpu_ids(const std::string& text, std::optional<std::int64_t> each) {
    Value::Array ids;
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      const std::size_t first = std::min(text.find_first_not_of(' ', at), comma);
      std::int64_t id = -1;
      const auto [end, error] = std::from_chars(text.data() + first, text.data() + comma, id);
      if (error != std::errc() || id < 0 || text.find_first_not_of(' ', static_cast<std::size_t>(end - text.data())) < comma)
        refuse("`" + where("gpu_ids") + "` is no list of GPUs", "give `all`, or numbers such as 0,1");
      ids.emplace_back(id);
      at = comma + 1;
    }
    const auto count = static_cast<std::int64_t>(ids.size());
    if (each && *each > count)
      refuse(
          "`" + where("gpu_ids") + "` names " + std::to_string(count) + ", and each machine starts " + std::to_string(*each) + " processes",
          "name as many GPUs, or start fewer");
    if (each) ids.resize(static_cast<std::size_t>(*each));
    out_.job.set("devices", Value(std::move(ids)));
  }

  void choices() {
    Value& job = out_.job;
    const bool cpu = is_set("cpu");  // it takes the place of all other ways
    if (cpu || is_set("use_cpu")) {
      if (!is_set("use_fsdp") && !is_set("use_deepspeed")) {
        set("ACCELERATE_USE_CPU", "True");
        set("KMP_AFFINITY", "granularity=fine,compact,1,0");
        set("KMP_BLOCKTIME", "1");
      }
    }
    if (is_set("debug")) set("ACCELERATE_DEBUG_MODE", "true");
    if (is_set("enable_cpu_affinity")) set("ACCELERATE_CPU_AFFINITY", "1");
    if (const std::string* written = value("mixed_precision")) {
      const std::string precision = lower_case(*written);
      if (precision == "fp8") {
        set("ACCELERATE_MIXED_PRECISION", "fp8");
        group(AccelerateFate::fp8);
        for (const char* name : {"FPROP", "DGRAD", "WGRAD"}) set(std::string("ACCELERATE_FP8_OVERRIDE_") + name, "False");
      } else if (precision == "no" || precision == "fp16" || precision == "bf16") {
        job.set("precision", precision == "no" ? "32-true" : precision == "fp16" ? "16-mixed" : "bf16-mixed");
      } else {
        refuse("`" + where("mixed_precision") + "` is not known", "the choices are no, fp16, bf16 and fp8");
      }
    }
    const bool dynamo = std::any_of(written_.begin(), written_.end(),
                                    [](const auto& w) { return find_accelerate_word(w.first)->fate == AccelerateFate::dynamo; });
    if (dynamo) {
      if (const auto backend = written_.find("dynamo_backend"); backend != written_.end())
        backend->second.value = upper_case(backend->second.value);
      group(AccelerateFate::dynamo);
    }
    if (is_set("use_fsdp")) {
      job.set("strategy", "fsdp");
      group(AccelerateFate::fsdp);
    }
    if (is_set("use_deepspeed")) deepspeed();
    if (is_set("use_parallelism_config")) {
      set("ACCELERATE_USE_PARALLELISM_CONFIG", "true");
      group(AccelerateFate::parallelism);
    }
  }

  void deepspeed() {
    const std::string* stage = value("zero_stage");
    const bool named = stage && (*stage == "1" || *stage == "2" || *stage == "3");
    out_.job.set("strategy", named ? "deepspeed_stage_" + *stage : "deepspeed");
    group(AccelerateFate::deepspeed);
    // The strategy says it.
    if (named) environment_.erase("ACCELERATE_DEEPSPEED_ZERO_STAGE");
    if (precision_from_file_) deepspeed_fields_ += deepspeed_fields_.empty() ? "mixed_precision" : ",mixed_precision";
    set("ACCELERATE_CONFIG_DS_FIELDS", lower_case(deepspeed_fields_));
    const char* path = std::getenv("PYTHONPATH");
    set("PYTHONPATH", (path && *path ? path + std::string(":") : "") + std::filesystem::current_path().string());
  }

  void set(const std::string& name, const std::string& text) { environment_[name] = text; }

  // The variables of one way, with Accelerate's defaults.
  void group(AccelerateFate fate) {
    const auto larger_than_one = [this](const char* name) { return number(name).value_or(1) > 1; };
    for (const AccelerateWord& word : accelerate_words()) {
      if (word.fate != fate) continue;
      if (word.name == "parallelism_config_cp_comm_strategy" && !larger_than_one("parallelism_config_cp_size")) continue;
      const bool of_sequence = word.name.starts_with("parallelism_config_sp_") && word.name != "parallelism_config_sp_size" &&
                               word.name != "parallelism_config_sp_backend";
      if (of_sequence && !larger_than_one("parallelism_config_sp_size")) continue;
      const std::string* written = value(word.name);
      if (!written && word.otherwise.empty()) continue;
      std::string text = written ? *written : std::string(word.otherwise);
      if (written && (word.name == "fp8_enable_fsdp_float8_all_gather" || word.name == "fp8_pad_inner_dim"))
        text = is_true(text) ? "1" : "0";
      set(std::string(word.text), word.lower ? lower_case(text) : text);
    }
  }

  void program(const std::vector<std::string>& rest) {
    Value program = Value::object();
    if (is_set("no_python")) program.set("command", Value(Value::Array{Value(rest.front())}));
    else program.set(is_set("module") ? "module" : "script", rest.front());
    if (rest.size() > 1) program.set("args", Value(Value::Array(rest.begin() + 1, rest.end())));
    if (!environment_.empty()) {
      Value variables = Value::object();
      for (const auto& [name, text] : environment_) variables.set(name, text);
      program.set("env", std::move(variables));
    }
    out_.job.set("program", std::move(program));
  }

  AccelerateLine out_;
  std::map<std::string, Written, std::less<>> written_;
  std::map<std::string, std::string> environment_;
  std::string deepspeed_fields_;  // of the file
  bool precision_from_file_ = false;
};

}  // namespace

AccelerateLine read_accelerate_line(const std::vector<std::string>& words) { return Reader().read(words); }

}  // namespace fabric
