#include "compiler/job_file.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "compiler/front_ends/jsonnet.hpp"
#include "compiler/front_ends/yaml.hpp"
#include "compiler/long_form.hpp"
#include "schema/json.hpp"
#include "schema/sha256.hpp"

namespace fabric {
namespace {

void mark_computed(const Value& value, const Path& path, SourceMap& origins) {
  Path found;
  if (const Origin* nearest = origins.nearest(path, found); nearest && found != path) {
    Origin computed = *origins.find(Path());
    computed.key = std::nullopt;
    origins.set(path, computed);
  }
  if (value.is_object())
    for (const Member& member : value.as_object()) mark_computed(member.value, path / member.key, origins);
  if (value.is_array())
    for (std::size_t i = 0; i < value.as_array().size(); ++i) mark_computed(value.as_array()[i], path / i, origins);
}

}  // namespace

std::string JobFile::folder() const { return std::filesystem::path(path).parent_path().string(); }

std::string shown_from(const std::string& working_directory, const std::string& path) {
  const std::string shown = std::filesystem::path(path).lexically_proximate(working_directory).string();
  return shown.starts_with("../..") ? path : shown;
}

bool read_job_file(const std::string& path, const std::string& text, const std::string& shown, const Place& at, const Reading& reading,
                   JobFile& file) {
  reading.inputs.push_back({path, sha256_hex(text)});
  file.path = path;
  file.source = reading.sources.add({shown, text, Source::Kind::file});
  const std::string extension = std::filesystem::path(path).extension().string();
  file.computed = extension == ".jsonnet" || extension == ".libsonnet";
  std::optional<Value> value;
  if (file.computed) {
    value = read_jsonnet(reading.sources, file.source, path, reading.outside, file.origins, reading.inputs, reading.diagnostics);
  } else if (extension == ".json") {
    value = read_json(reading.sources, file.source, &file.origins, reading.diagnostics);
  } else if (extension == ".yaml" || extension == ".yml") {
    value = read_yaml(reading.sources, file.source, file.origins, reading.diagnostics);
  } else {
    reading.diagnostics.add({.code = "FAB0002",
                             .message = "cannot tell what language " + shown + " is written in",
                             .at = at,
                             .help = "name it .yaml, .yml, .jsonnet or .json"});
    return false;
  }
  if (!value) return false;
  if (!value->is_object()) {
    const auto end = static_cast<std::uint32_t>(std::min(text.size(), text.find('\n')));
    reading.diagnostics.add({.code = "FAB0003",
                             .message = "a job is a map of fields, found " + std::string(kind_name(value->kind())),
                             .at = Span{file.source, 0, std::max(end, 1u)},
                             .label = "this",
                             .help = "begin with `fabric: 1`; `fabric explain` lists the fields"});
    return false;
  }
  file.value = std::move(*value);
  bring_to_long_form(file.value, file.folder(), file.origins);
  return true;
}

void mark_computed(JobFile& file) {
  if (file.computed) mark_computed(file.value, Path(), file.origins);
}

}  // namespace fabric
