#include "compiler/merge_layers.hpp"

namespace fabric {
namespace {

// Within a profile null is a word to a later layer, and stays.
bool is_of_a_profile(const Path& path) { return !path.empty() && path.steps().front() == Path::Step("profiles"); }

// Puts the value at `from` of one layer over lower, which stands at `to` of the job.
void put(Value& lower, const Value& upper, const Path& to, const Path& from, const SourceMap& upper_origins, SourceMap& origins) {
  if (!lower.is_object() || !upper.is_object()) {
    origins.erase_below(to);
    if (const Origin* origin = upper_origins.find(from)) origins.set(to, *origin);
    lower = upper;
    if (!is_of_a_profile(to)) drop_nulls(lower);  // there was nothing to take back
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
    if (member.value.is_null() && !is_of_a_profile(to)) {
      lower.erase(member.key);
      origins.erase_below(to / member.key);
      continue;
    }
    if (!below) below = &lower.set(member.key, Value());
    put(*below, member.value, to / member.key, from / member.key, upper_origins, origins);
  }
}

std::vector<std::string> variables_without_a_value(const Value& job) {
  std::vector<std::string> names;
  const Value* env = job.find("env");
  if (!env || !env->is_object()) return names;
  for (const Member& variable : env->as_object())
    if (variable.value.is_null()) names.push_back(variable.key);
  return names;
}

}  // namespace

// Members that are null were taken back, or were never given: to the later stages they are absent.
void drop_nulls(Value& value) {
  if (value.is_array())
    for (Value& item : value.as_array()) drop_nulls(item);
  if (!value.is_object()) return;
  std::erase_if(value.as_object(), [](const Member& m) { return m.value.is_null(); });
  for (Member& m : value.as_object()) drop_nulls(m.value);
}

void merge_layer(Value& job, const Value& upper, const Path& from, const SourceMap& upper_origins, SourceMap& origins) {
  put(job, upper, Path(), from, upper_origins, origins);
}

void merge_file(Value& job, const JobFile& file, SourceMap& origins) {
  const SourceMap& own = file.origins;
  std::vector<std::pair<Path, Origin>> first;  // of this file, with nothing below
  for (const auto& [path, origin] : own.all())
    if (!find(job, path)) first.emplace_back(path, origin);
  std::vector<std::string> without_a_value = file.computed ? std::vector<std::string>() : variables_without_a_value(file.value);
  std::erase_if(without_a_value, [&](const std::string& name) { return find(job, Path("env") / name); });

  merge_layer(job, file.value, Path(), own, origins);
  for (const std::string& name : without_a_value) job.find("env")->set(name, Value());
  // A section that was left empty takes nothing back, and was written all the same.
  for (const auto& [path, origin] : first) origins.set(path, origin);
  // What is missing in a map is to be written in the topmost file that has it.
  for (const auto& [path, origin] : own.all())
    if (const Value* value = find(job, path); value && value->is_object()) origins.set(path, origin);
}

}  // namespace fabric
