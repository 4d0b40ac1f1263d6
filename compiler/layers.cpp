#include "compiler/layers.hpp"

#include "compiler/extends.hpp"
#include "compiler/long_form.hpp"
#include "compiler/merge_layers.hpp"
#include "compiler/set_option.hpp"
#include "schema/job_schema.hpp"
#include "schema/joined.hpp"
#include "schema/spelling.hpp"
#include "schema/utf8.hpp"

namespace fabric {
namespace {

const Value& job_definition() { return *job_schema().find("definitions")->find("job"); }

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

std::optional<JobFile> read_the_job(const Request& request, const Reading& reading, SourceMap& origins) {
  const std::string path = absolute_from(reading.outside.working_directory, request.job);
  const ReadFile text = request.text ? ReadFile{*request.text, ""} : reading.outside.read_file(path);
  if (!text.text) {
    reading.diagnostics.add({.code = "FAB0001",
                             .message = "cannot read the job file " + request.job + ": " + text.error,
                             .help = "give the path of a .yaml or .jsonnet file; `fabric help` shows how to start"});
    return std::nullopt;
  }
  const std::string shown = request.text ? (path.ends_with("/stdin.yaml") ? "standard input" : "the command line as a job")
                            : request.job.starts_with('/') || request.job.starts_with("../..")
                                ? shown_from(reading.outside.working_directory, path)
                                : request.job;
  // Below it are the folder of the ranks and every relative path, and plan and messages are JSON.
  if (!is_utf8(path)) {
    reading.diagnostics.add({.code = "FAB0009",
                             .message = "the path of the job file is not UTF-8: " + path,
                             .help = "rename the folder or the file; `convmv -f LATIN1 -t UTF-8` does it for many"});
    return std::nullopt;
  }
  JobFile file;
  if (read_job_file(path, *text.text, shown, Place(), reading, file)) return file;
  origins = std::move(file.origins);
  return std::nullopt;
}

// `--set extends=...` says what lies under the job in place of what the job says.
void set_extends(JobFile& file, std::vector<SetOption>& sets) {
  for (SetOption& set : sets) {
    if (set.path != Path("extends")) continue;
    file.origins.erase_below(set.path);
    file.value.set("extends", *set.layer.find("extends"));
    for (const auto& [path, origin] : set.origins.all()) file.origins.set(path, origin);
  }
  std::erase_if(sets, [](const SetOption& set) { return set.path == Path("extends"); });
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

// False if something that a profile extends cannot be read.
bool apply_profiles(const Request& request, const JobFile& file, const Reading& reading, Layered& layered, SourceMap& origins) {
  Value& job = layered.job;
  const Value* profiles = job.find("profiles");
  std::vector<std::string> names;
  if (profiles && profiles->is_object())
    for (const Member& m : profiles->as_object()) names.push_back(m.key);
  for (const std::string& name : request.profiles) {
    const Value* profile = profiles ? profiles->find(name) : nullptr;
    if (!profile || !profile->is_object()) {
      if (profile) continue;  // the schema says what is wrong with it
      const std::uint32_t source = reading.sources.add({"--profile", name, Source::Kind::option});
      const std::optional<std::string> meant = closest(name, names);
      Diagnostic d{.code = "FAB2020",
                   .message = "the job has no profile `" + name + "`",
                   .at = Span{source, 0, static_cast<std::uint32_t>(name.size())},
                   .help = names.empty() ? "the file has no `profiles` section" : "its profiles are: " + joined(names)};
      if (meant) {
        d.help = "did you mean `" + *meant + "`?";
        d.fix = Fix{*d.at.span, *meant};
      }
      reading.diagnostics.add(std::move(d));
      continue;
    }
    Value chosen = *profile;  // job changes below
    const SourceMap before = origins;
    const Path at = Path() / "profiles" / name;
    const std::optional<std::vector<Extended>> below = read_extended(chosen, at, before, file, reading);
    if (!below) return false;
    chosen.erase("extends");
    for (const Extended& extended : *below) {
      merge_layer(job, extended.file.value, Path(), extended.file.origins, origins);
      layered.extended.push_back({extended.file.source, extended.name});
    }
    merge_layer(job, chosen, at, before, origins);
    profiles = job.find("profiles");
  }
  return true;
}

void fill(Value& value, const Value& schema) {
  const Value* properties = field_properties(schema);
  if (!properties || !value.is_object()) return;
  for (const Member& property : properties->as_object()) {
    if (property.key == "profiles") continue;
    Value* present = value.find(property.key);
    if (const Value* backend = property.value.find("x-backend"); backend && !present) {
      const Value* chosen = value.find("backend");
      if (chosen && *chosen == *backend) present = &value.set(property.key, Value::object());
      else continue;
    }
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
  const Reading reading{outside, sources, layered.inputs, diagnostics};
  std::optional<JobFile> file = read_the_job(request, reading, origins);
  if (!file) return std::nullopt;
  std::vector<SetOption> sets;
  for (const std::string& text : request.sets)
    if (std::optional<SetOption> set = read_set(text, outside.working_directory, sources, diagnostics)) sets.push_back(std::move(*set));
  set_extends(*file, sets);

  const std::optional<std::vector<Extended>> below = read_extended(file->value, Path(), file->origins, *file, reading);
  if (!below) {
    origins = std::move(file->origins);
    return std::nullopt;
  }
  if (!below->empty()) mark_computed(*file);
  layered.job = Value::object();
  for (const Extended& extended : *below) {
    merge_file(layered.job, extended.file, origins);
    layered.extended.push_back({extended.file.source, extended.name});
  }
  merge_file(layered.job, *file, origins);
  if (!apply_profiles(request, *file, reading, layered, origins)) return std::nullopt;
  for (const SetOption& set : sets) merge_set(layered.job, set, origins, diagnostics);
  refuse_null_variables(layered.job, diagnostics);
  drop_nulls(layered.job);
  layered.folder = file->folder();
  const bool runs_program = layered.job.find("program") && !layered.job.find("train");
  tell_program(layered.job, origins, Path(), runs_program);
  if (Value* profiles = layered.job.find("profiles"); profiles && profiles->is_object())
    for (Member& profile : profiles->as_object())
      if (profile.value.is_object()) tell_program(profile.value, origins, Path("profiles") / profile.key, runs_program);
  return layered;
}

void fill_defaults(Value& job) { fill(job, job_definition()); }

}  // namespace fabric
