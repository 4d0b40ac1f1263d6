#include "compiler/set_option.hpp"

#include <vector>

#include "compiler/front_ends/yaml.hpp"
#include "compiler/long_form.hpp"
#include "compiler/merge_layers.hpp"
#include "schema/job_schema.hpp"

namespace fabric {
namespace {

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

}  // namespace

std::optional<SetOption> read_set(const std::string& text, const std::string& working_directory, Sources& sources,
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
    return std::nullopt;
  }
  const auto begin = static_cast<std::uint32_t>(equals + 1);
  if (begin == text.size()) {
    diagnostics.add({.code = "FAB2023",
                     .message = "`--set " + text + "` gives no value",
                     .at = whole,
                     .label = "nothing behind =",
                     .help = "is a variable unset on your command line? `" + text + "null` takes the field back, `" + text +
                             "'\"\"'` gives an empty text"});
    return std::nullopt;
  }
  SourceMap set_origins;
  std::optional<Value> value = read_yaml_flow(sources, source, begin, *path, set_origins, diagnostics);
  if (!value) return std::nullopt;
  // A shell takes quotes away: where only text can be meant, 1 is text.
  if ((value->is_number() || value->is_bool()) && takes_text_only(*path)) value = Value(text.substr(begin));
  for (const Path::Step& step : path->steps()) {
    if (std::holds_alternative<std::string>(step)) continue;
    diagnostics.add({.code = "FAB2022",
                     .message = "--set cannot change one element of a list",
                     .at = Span{source, 0, static_cast<std::uint32_t>(equals)},
                     .help = "give the whole list: --set " + path->parent().str() + "=[...]"});
    return std::nullopt;
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
  bring_to_long_form(layer, working_directory, set_origins);
  return SetOption{std::move(*path), std::move(layer), std::move(set_origins), key};
}

void merge_set(Value& job, const SetOption& set, SourceMap& origins, Diagnostics& diagnostics) {
  const Value* below = &job;
  for (std::size_t i = 0; below && i + 1 < set.path.steps().size(); ++i) {
    below = below->find(std::get<std::string>(set.path.steps()[i]));
    if (!below || !below->is_array()) continue;
    Path list;
    for (std::size_t k = 0; k <= i; ++k) list = list / std::get<std::string>(set.path.steps()[k]);
    diagnostics.add(
        {.code = "FAB2024",
         .message = "`" + list.str() + "` is a list, and has no part `" + std::get<std::string>(set.path.steps()[i + 1]) + "`",
         .at = set.key,
         .label = "a part of a list",
         .help = "give the whole list: --set " + list.str() + "=[...]; arguments of a program may be written as a map instead"});
    return;
  }
  merge_layer(job, set.layer, Path(), set.origins, origins);
}

}  // namespace fabric
