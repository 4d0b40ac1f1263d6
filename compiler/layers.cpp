#include "compiler/layers.hpp"

#include <filesystem>

#include "compiler/front_ends/jsonnet.hpp"
#include "compiler/front_ends/yaml.hpp"
#include "compiler/spelling.hpp"
#include "schema/job_schema.hpp"
#include "schema/json.hpp"
#include "schema/sha256.hpp"

namespace fabric {
namespace {

const Value& job_definition() { return *job_schema().find("definitions")->find("job"); }

std::string absolute_from(const std::string& base, const std::string& path) {
  return (std::filesystem::path(base) / path).lexically_normal().string();
}

// Brings a layer to the long form: `model: cnn` to `model: {name: cnn}`, and paths that count from `base` to absolute ones. The
// member that a short form stands for gets the origin of the short form.
class LongForm {
 public:
  LongForm(SourceMap& origins, std::string base) : origins_(origins), base_(std::move(base)) {}

  void bring(Value& value, const Value& schema, const Path& path) {
    // The short form is of the kind that the first branch takes.
    const auto is_short = [&] {
      const Value* branches = schema.find("anyOf");
      const Value* type = branches ? branches->as_array().front().find("type") : nullptr;
      return type && *type == Value("integer") ? value.is_integer() : value.is_string();
    };
    if (const Value* key = schema.find("x-short"); key && is_short()) {
      wrap(value, key->as_string(), path);
    } else if (const Value* list_key = schema.find("x-short-list"); list_key && value.is_array()) {
      wrap(value, list_key->as_string(), path);
      script_of(value, path);
    }
    if (const Value* unit = schema.find("x-unit"); unit && unit->as_string() == "path" && value.is_string() && !value.as_string().empty())
      value = absolute_from(base_, value.as_string());
    if (!value.is_object()) return;
    const Value* properties = field_properties(schema);
    for (Member& member : value.as_object()) {
      const Value* field = properties ? properties->find(member.key) : nullptr;
      if (path.empty() && member.key == "profiles" && member.value.is_object()) {
        for (Member& profile : member.value.as_object()) bring(profile.value, job_definition(), path / "profiles" / profile.key);
      } else if (field) {
        bring(member.value, *field, path / member.key);
      }
    }
    // A program named by a relative path counts from the file too; a bare name is looked up on PATH.
    if (schema.find("x-short-list"))
      if (Value* command = value.find("command"); command && command->is_array() && !command->as_array().empty())
        if (Value& program = command->as_array().front(); program.is_string() && program.as_string().find('/') != std::string::npos)
          program = absolute_from(base_, program.as_string());
  }

 private:
  // [train.py, --lr, "0.1"] is a script with its arguments.
  void script_of(Value& program, const Path& path) {
    Value* command = program.find("command");
    const auto is_script = [](const Value& word) { return word.is_string() && word.as_string().ends_with(".py"); };
    if (command->as_array().empty() || !is_script(command->as_array().front())) return;
    Value::Array words = command->as_array();
    program.erase("command");
    const auto move = [&](std::size_t from, const Path& to) {
      if (const Origin* origin = origins_.find(path / "command" / from)) origins_.set(to, *origin);
    };
    program.set("script", words.front());
    move(0, path / "script");
    if (words.size() > 1) {
      for (std::size_t i = 1; i < words.size(); ++i) move(i, path / "args" / (i - 1));
      if (const Origin* origin = origins_.find(path / "args" / std::size_t{0})) origins_.set(path / "args", *origin);
      program.set("args", Value::Array(words.begin() + 1, words.end()));
    }
    origins_.erase_below(path / "command");
  }

  void wrap(Value& value, const std::string& key, const Path& path) {
    if (value.is_array()) {
      for (std::size_t i = 0; i < value.as_array().size(); ++i)
        if (const Origin* item = origins_.find(path / i)) origins_.set(path / key / i, *item);
    }
    Value inner = std::move(value);
    value = Value::object();
    value.set(key, std::move(inner));
    if (const Origin* origin = origins_.find(path)) origins_.set(path / key, *origin);
  }

  SourceMap& origins_;
  std::string base_;
};

// Members that are null were taken back, or were never given: to the later stages they are absent.
void drop_nulls(Value& value) {
  if (value.is_array())
    for (Value& item : value.as_array()) drop_nulls(item);
  if (!value.is_object()) return;
  std::erase_if(value.as_object(), [](const Member& m) { return m.value.is_null(); });
  for (Member& m : value.as_object()) drop_nulls(m.value);
}

// Puts `upper` over `lower`. from says where upper's values stand in upper_origins; the winners' origins go to origins.
void merge(Value& lower, const Value& upper, const Path& to, const Path& from, const SourceMap& upper_origins, SourceMap& origins) {
  if (!lower.is_object() || !upper.is_object()) {
    origins.erase_below(to);
    if (const Origin* origin = upper_origins.find(from)) origins.set(to, *origin);
    lower = upper;
    drop_nulls(lower);  // there was nothing to take back
    for (auto it = upper_origins.all().upper_bound(from); it != upper_origins.all().end() && it->first.starts_with(from); ++it) {
      Path path = to;
      for (std::size_t i = from.steps().size(); i < it->first.steps().size(); ++i) {
        const Path::Step& step = it->first.steps()[i];
        path = std::holds_alternative<std::size_t>(step) ? path / std::get<std::size_t>(step) : path / std::get<std::string>(step);
      }
      origins.set(path, it->second);
    }
    return;
  }
  for (const Member& member : upper.as_object()) {
    Value* below = lower.find(member.key);
    if (member.value.is_null()) {
      lower.erase(member.key);
      origins.erase_below(to / member.key);
      continue;
    }
    if (!below) below = &lower.set(member.key, Value());
    merge(*below, member.value, to / member.key, from / member.key, upper_origins, origins);
  }
}

// Beside a program, strategy and precision are what it is told: fabric itself has no use for them.
void tell_program(Value& job, SourceMap& origins, const Path& at, bool runs_program) {
  if (const Value* program = job.find("program"); !runs_program || (program && !program->is_object())) return;
  for (const char* field : {"strategy", "precision"}) {
    Value* told = job.find(field);
    if (!told) continue;
    Value value = told->is_integer() ? Value(std::to_string(told->as_integer())) : *told;
    job.erase(field);
    Value* program = job.find("program");
    if (!program) program = &job.set("program", Value::object());
    if (!program->find(field)) {
      program->set(field, std::move(value));
      if (const Origin* origin = origins.find(at / field)) origins.set(at / "program" / field, Origin(*origin));
    }
    origins.erase_below(at / field);
  }
}

struct JobFile {
  Value value;
  std::string folder;
  bool computed = false;  // by Jsonnet
};

std::optional<JobFile> read_job_file(const Request& request, const Outside& outside, Sources& sources, SourceMap& origins,
                                     std::vector<Input>& inputs, Diagnostics& diagnostics) {
  const std::string path = absolute_from(outside.working_directory, request.job);
  const std::filesystem::path as_path(path);
  const ReadFile file = request.text ? ReadFile{*request.text, ""} : outside.read_file(path);
  if (!file.text) {
    diagnostics.add({.code = "FAB0001",
                     .message = "cannot read the job file " + request.job + ": " + file.error,
                     .help = "give the path of a .yaml or .jsonnet file; `fabric help` shows how to start"});
    return std::nullopt;
  }
  inputs.push_back({path, sha256_hex(*file.text)});
  const std::string shown = std::filesystem::path(request.job).is_absolute()
                                ? std::filesystem::path(path).lexically_proximate(outside.working_directory).string()
                                : request.job;
  const std::string name = request.text ? (as_path.filename() == "stdin.yaml" ? "standard input" : "the command line as a job")
                           : shown.starts_with("../..") ? path
                                                        : shown;
  const std::uint32_t source = sources.add({name, *file.text, Source::Kind::file});

  const std::string extension = as_path.extension().string();
  const bool computed = extension == ".jsonnet" || extension == ".libsonnet";
  std::optional<Value> value;
  if (computed) {
    value = read_jsonnet(sources, source, path, outside, origins, inputs, diagnostics);
  } else if (extension == ".json") {
    value = read_json(sources, source, &origins, diagnostics);
  } else if (extension == ".yaml" || extension == ".yml") {
    value = read_yaml(sources, source, origins, diagnostics);
  } else {
    diagnostics.add({.code = "FAB0002",
                     .message = "cannot tell what language " + shown + " is written in",
                     .help = "name it .yaml, .yml, .jsonnet or .json"});
    return std::nullopt;
  }
  if (!value) return std::nullopt;
  if (!value->is_object()) {
    const auto end = static_cast<std::uint32_t>(std::min(file.text->size(), file.text->find('\n')));
    diagnostics.add({.code = "FAB0003",
                     .message = "a job is a map of fields, found " + std::string(kind_name(value->kind())),
                     .at = Span{source, 0, std::max(end, 1u)},
                     .label = "this",
                     .help = "begin with `fabric: 1`; `fabric explain` lists the fields"});
    return std::nullopt;
  }
  return JobFile{std::move(*value), as_path.parent_path().string(), computed};
}

// In a profile null takes a variable back, and a Jsonnet program may compute null for "not this time". Written in the job itself and
// left there by every layer, it may have been meant as an empty value.
void refuse_null_variables(const Value& job, Diagnostics& diagnostics) {
  const Value* env = job.find("env");
  if (!env || !env->is_object()) return;
  for (const Member& variable : env->as_object()) {
    const Path path = Path("env") / variable.key;
    if (variable.value.is_null())
      diagnostics.add({.code = "FAB2002",
                       .message = path.str() + ": expected a string, found null",
                       .at = Place(path),
                       .label = "neither a value nor empty",
                       .help = "write `" + variable.key + ": \"\"` for an empty value, or leave it out"});
  }
}

void apply_profiles(const Request& request, Value& job, Sources& sources, SourceMap& origins, Diagnostics& diagnostics) {
  const Value* profiles = job.find("profiles");
  std::vector<std::string> names;
  if (profiles && profiles->is_object())
    for (const Member& m : profiles->as_object()) names.push_back(m.key);
  for (const std::string& name : request.profiles) {
    const Value* profile = profiles ? profiles->find(name) : nullptr;
    if (!profile || !profile->is_object()) {
      if (profile) continue;  // the schema says what is wrong with it
      const std::uint32_t source = sources.add({"--profile", name, Source::Kind::option});
      const std::optional<std::string> meant = closest(name, names);
      std::string known;
      for (const std::string& n : names) known += (known.empty() ? "" : ", ") + n;
      Diagnostic d{.code = "FAB2020",
                   .message = "the job has no profile `" + name + "`",
                   .at = Span{source, 0, static_cast<std::uint32_t>(name.size())},
                   .help = names.empty() ? "the file has no `profiles` section" : "its profiles are: " + known};
      if (meant) {
        d.help = "did you mean `" + *meant + "`?";
        d.fix = Fix{*d.at.span, *meant};
      }
      diagnostics.add(std::move(d));
      continue;
    }
    const Value chosen = *profile;  // job changes below
    const SourceMap before = origins;
    merge(job, chosen, Path(), Path() / "profiles" / name, before, origins);
    profiles = job.find("profiles");
  }
}

// Whether a field holds a string and nothing else, as a variable of env does.
bool takes_text_only(const Path& path) {
  std::vector<std::string> names;
  for (const Path::Step& step : path.steps()) {
    if (!std::holds_alternative<std::string>(step)) return false;
    names.push_back(std::get<std::string>(step));
  }
  if (names.size() == 2 && names[0] == "env") return true;
  const Value* field = field_schema(names);
  const Value* type = field ? field->find("type") : nullptr;
  return type && *type == Value("string");
}

void apply_set(const std::string& text, const Outside& outside, Value& job, Sources& sources, SourceMap& origins,
               Diagnostics& diagnostics) {
  const std::uint32_t source = sources.add({"--set", text, Source::Kind::option});
  const auto whole = Span{source, 0, static_cast<std::uint32_t>(text.size())};
  const std::size_t equals = text.find('=');
  std::optional<Path> path = equals == std::string::npos ? std::nullopt : Path::parse(std::string_view(text).substr(0, equals));
  if (!path || path->empty()) {
    diagnostics.add({.code = "FAB2021",
                     .message = "`--set " + text + "` is not of the form path=value",
                     .at = whole,
                     .help = "write for example --set train.optimizer.lr=0.01"});
    return;
  }
  const auto begin = static_cast<std::uint32_t>(equals + 1);
  if (begin == text.size()) {
    diagnostics.add({.code = "FAB2023",
                     .message = "`--set " + text + "` gives no value",
                     .at = whole,
                     .label = "nothing behind =",
                     .help = "is a variable unset on your command line? `" + text + "null` takes the field back, `" + text +
                             "'\"\"'` gives an empty text"});
    return;
  }
  SourceMap set_origins;
  std::optional<Value> value = read_yaml_flow(sources, source, begin, *path, set_origins, diagnostics);
  if (!value) return;
  // A shell takes quotes away: where only text can be meant, 1 is text.
  if ((value->is_number() || value->is_bool()) && takes_text_only(*path)) value = Value(text.substr(begin));
  for (const Path::Step& step : path->steps()) {
    if (std::holds_alternative<std::string>(step)) continue;
    diagnostics.add({.code = "FAB2022",
                     .message = "--set cannot change one element of a list",
                     .at = Span{source, 0, static_cast<std::uint32_t>(equals)},
                     .help = "give the whole list: --set " + path->parent().str() + "=[...]"});
    return;
  }
  const Value* below = &job;
  for (std::size_t i = 0; below && i + 1 < path->steps().size(); ++i) {
    below = below->find(std::get<std::string>(path->steps()[i]));
    if (!below || !below->is_array()) continue;
    Path list;
    for (std::size_t k = 0; k <= i; ++k) list = list / std::get<std::string>(path->steps()[k]);
    diagnostics.add(
        {.code = "FAB2024",
         .message = "`" + list.str() + "` is a list, and has no part `" + std::get<std::string>(path->steps()[i + 1]) + "`",
         .at = Span{source, 0, static_cast<std::uint32_t>(equals)},
         .label = "a part of a list",
         .help = "give the whole list: --set " + list.str() + "=[...]; arguments of a program may be written as a map instead"});
    return;
  }
  // The value alone at its path is a layer like any other.
  Value layer = std::move(*value);
  const Span key{source, 0, static_cast<std::uint32_t>(equals)};
  for (Path at = *path; !at.empty(); at = at.parent()) {
    const Origin* written = set_origins.find(at);
    set_origins.set(at, Origin{key, written ? written->value : Span{source, begin, whole.end}, false});
    Value outer = Value::object();
    outer.set(std::get<std::string>(at.steps().back()), std::move(layer));
    layer = std::move(outer);
  }
  LongForm(set_origins, outside.working_directory).bring(layer, job_definition(), Path());
  merge(job, layer, Path(), Path(), set_origins, origins);
}

void fill(Value& value, const Value& schema) {
  const Value* properties = field_properties(schema);
  if (!properties || !value.is_object()) return;
  for (const Member& property : properties->as_object()) {
    if (property.key == "profiles") continue;
    Value* present = value.find(property.key);
    const bool section = field_properties(property.value) != nullptr;
    if (!present) {
      if (const Value* fallback = property.value.find("default")) {
        present = &value.set(property.key, *fallback);
      } else if (section && !property.value.find("x-short") && !property.value.find("x-short-list") && property.key != "train") {
        present = &value.set(property.key, Value::object());
      }
    }
    if (present && section) fill(*present, property.value);
  }
}

}  // namespace

std::optional<Layered> read_layers(const Request& request, const Outside& outside, Sources& sources, SourceMap& origins,
                                   Diagnostics& diagnostics) {
  Layered layered;
  std::optional<JobFile> file = read_job_file(request, outside, sources, origins, layered.inputs, diagnostics);
  if (!file) return std::nullopt;
  layered.job = std::move(file->value);
  LongForm(origins, file->folder).bring(layered.job, job_definition(), Path());
  apply_profiles(request, layered.job, sources, origins, diagnostics);
  for (const std::string& set : request.sets) apply_set(set, outside, layered.job, sources, origins, diagnostics);
  if (!file->computed) refuse_null_variables(layered.job, diagnostics);
  drop_nulls(layered.job);
  layered.folder = file->folder;
  const bool runs_program = layered.job.find("program") && !layered.job.find("train");
  tell_program(layered.job, origins, Path(), runs_program);
  if (Value* profiles = layered.job.find("profiles"); profiles && profiles->is_object())
    for (Member& profile : profiles->as_object())
      if (profile.value.is_object()) tell_program(profile.value, origins, Path("profiles") / profile.key, runs_program);
  return layered;
}

void fill_defaults(Value& job) { fill(job, job_definition()); }

}  // namespace fabric
