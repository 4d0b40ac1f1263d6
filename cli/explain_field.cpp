#include "cli/explain_field.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "cli/show_plan.hpp"
#include "schema/job_schema.hpp"
#include "schema/joined.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

// What a schema demands, gathered over its branches (anyOf), parts (allOf) and references.
struct Demand {
  std::vector<std::string> types;
  std::vector<std::string> choices;
  std::vector<std::string> bounds;
  std::string unit;
  std::string items;   // of a list: what its elements are
  std::string values;  // of a map with names of the user's own: what its values are
};

std::string plain(const Value& value) { return value.is_string() ? value.as_string() : canonical_json(value); }

void add(std::vector<std::string>& list, std::string word) {
  if (std::find(list.begin(), list.end(), word) == list.end()) list.push_back(std::move(word));
}

void gather(const Value& reference, Demand& demand) {
  const Value& schema = follow_reference(reference);
  for (const std::string_view part : {"allOf", "anyOf"})
    if (const Value* branches = schema.find(part))
      for (const Value& branch : branches->as_array()) gather(branch, demand);
  if (const Value* type = schema.find("type")) {
    if (type->is_string()) add(demand.types, type->as_string());
    if (type->is_array())
      for (const Value& t : type->as_array()) add(demand.types, t.as_string());
  }
  if (const Value* choices = schema.find("enum"))
    for (const Value& c : choices->as_array()) add(demand.choices, plain(c));
  if (const Value* unit = schema.find("x-unit")) demand.unit = unit->as_string();
  static constexpr std::pair<std::string_view, std::string_view> bounds[] = {{"minimum", "at least"},
                                                                             {"exclusiveMinimum", "more than"},
                                                                             {"maximum", "at most"},
                                                                             {"exclusiveMaximum", "less than"},
                                                                             {"maxLength", "characters at most"}};
  for (const auto& [key, words] : bounds)
    if (const Value* bound = schema.find(key)) add(demand.bounds, fmt::format("{} {}", words, plain(*bound)));
  if (const Value* items = schema.find("items"); items && items->is_object())
    if (const Value* type = items->find("type"); type && type->is_string()) demand.items = type->as_string();
  if (const Value* values = schema.find("additionalProperties"); values && values->is_object())
    if (const Value* type = values->find("type"); type && type->is_string()) demand.values = type->as_string();
}

std::string type_text(const Value& schema) {
  Demand d;
  gather(schema, d);
  if (d.unit == "duration") return "a duration: 90s, 10m, 1h30m, 4:00:00, 1-12:00:00, or a number of seconds";
  if (d.unit == "interval") return "an interval: `500 steps`, `1 epoch`, or a number of steps";
  if (d.unit == "extends") return "a path, `site:NAME`, or a list of these";
  if (d.unit == "inherit") return "`all`, `none`, or a list of patterns";
  if (d.unit == "devices") return "devices of a node: a count, a list of indices, or -1 for all";
  if (!d.choices.empty()) return "one of the choices";
  std::string text;
  const bool map = std::find(d.types.begin(), d.types.end(), "object") != d.types.end();
  for (const std::string& type : d.types) {
    std::string word = type == "object" ? "map" : type == "array" ? "list" : type;
    if (type == "array" && !d.items.empty()) word += " of " + d.items + "s";
    if (type == "object" && !d.values.empty()) word += " of " + d.values + "s";
    if (type == "string" && (d.unit == "path" || d.unit == "path pattern" || d.unit == "sbatch pattern")) word = d.unit;
    text += (text.empty() ? "" : " or ") + word;
  }
  // Bounds of a map's or a list's parts are theirs.
  if (!map && d.items.empty())
    for (const std::string& bound : d.bounds) text += ", " + bound;
  return text.empty() ? "any value" : text;
}

bool may_be_auto(const Value& schema) {
  const Value* mark = schema.find("x-auto");
  return mark && mark->is_bool() && mark->as_bool();
}

std::string description(const Value& schema) {
  if (const Value* text = schema.find("description")) return text->as_string();
  return "";
}

const Value* given_example(const Value& schema) {
  const Value* examples = schema.find("examples");
  return examples && !examples->as_array().empty() ? &examples->as_array().front() : nullptr;
}

// A value on one line of YAML.
std::string flow(const Value& value) {
  std::string text;
  if (value.is_object()) {
    for (const Member& m : value.as_object()) text += (text.empty() ? "" : ", ") + m.key + ": " + flow(m.value);
    return '{' + text + '}';
  }
  if (value.is_array()) {
    for (const Value& item : value.as_array()) text += (text.empty() ? "" : ", ") + flow(item);
    return '[' + text + ']';
  }
  const bool word =
      value.is_string() && !value.as_string().empty() && value.as_string().find_first_not_of("0123456789.") != std::string::npos;
  return word ? value.as_string() : canonical_json(value);
}

// A value to show in an example: one that the schema gives, else its default, its first choice, or its least.
std::string example_value(const Value& schema) {
  if (const Value* example = given_example(schema)) return flow(*example);
  Demand d;
  gather(schema, d);
  if (const Value* preset = schema.find("default"); preset && *preset != Value("auto") && !preset->is_object()) return flow(*preset);
  if (!d.choices.empty()) return d.choices.front();
  if (d.unit == "devices") return "2";
  if (d.unit == "samples") return "128";
  const auto has = [&](std::string_view type) { return std::find(d.types.begin(), d.types.end(), type) != d.types.end(); };
  if (has("integer")) return "2";
  if (has("number")) return "0.1";
  return "TEXT";
}

std::string example(const FieldNames& field, const Value& schema, std::string indent) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    text += indent + field[i] + ':';
    if (i + 1 < field.size()) text += '\n';
    indent += "  ";
  }
  const Value* properties = field_properties(schema);
  if (const Value* map = given_example(schema); map && map->is_object()) {
    text += '\n';
    for (const Member& m : map->as_object()) text += indent + m.key + ": " + flow(m.value) + '\n';
    return text;
  }
  if (!properties) return text + ' ' + example_value(schema) + '\n';
  text += '\n';
  for (const Member& m : properties->as_object())
    if (!field_properties(m.value)) text += indent + m.key + ": " + example_value(m.value) + '\n';
  return text;
}

void collect(const Value& schema, const FieldNames& at, std::vector<FieldNames>& out) {
  const Value* properties = field_properties(schema);
  if (!properties) return;
  for (const Member& m : properties->as_object()) {
    FieldNames below = at;
    below.push_back(m.key);
    out.push_back(below);
    collect(m.value, below, out);
  }
}

// What there is to know of a field besides its description: (type, number), (default, 0.001) ...
std::vector<std::pair<std::string, std::string>> facts_of(const FieldNames& field) {
  const Value& schema = *field_schema(field);
  Demand demand;
  gather(schema, demand);
  std::vector<std::pair<std::string, std::string>> facts;
  const auto row = [&](std::string_view what, std::string value) { facts.emplace_back(what, std::move(value)); };
  row("type", type_text(schema));
  if (!demand.choices.empty() && !field_properties(schema)) row("choices", joined(demand.choices));
  if (const Value* aliases = schema.find("x-aliases")) {
    std::vector<std::string> words;
    for (const Member& m : aliases->as_object()) words.push_back(m.key + " for " + plain(m.value));
    row("also", joined(words));
  }
  if (!demand.unit.empty() && demand.unit != "duration" && demand.unit != "interval" && demand.unit != "path" &&
      demand.unit != "path pattern" && demand.unit != "sbatch pattern" && demand.unit != "devices" && demand.unit != "extends" &&
      demand.unit != "inherit")
    row("unit", demand.unit);
  const Value* preset = schema.find("default");
  if (field_is_required(field))
    row("required", field.size() == 1 ? "yes" : "wherever " + dotted({field.begin(), field.end() - 1}) + " stands");
  else if (preset && !preset->is_object()) row("default", plain(*preset));
  else row("default", field_properties(schema) ? "that of its fields" : "no default");
  if (may_be_auto(schema)) row("auto", "may be `auto`: then fabric chooses, and `fabric plan` says why");
  if (const Value* shorter = schema.find("x-short"))
    row("short form", fmt::format("{}: X stands for {}: {{{}: X}}", field.back(), field.back(), shorter->as_string()));
  if (const Value* shorter = schema.find("x-short-list"))
    row("short form", fmt::format("{}: [...] stands for {}: {{{}: [...]}}", field.back(), field.back(), shorter->as_string()));
  if (const Value* later = schema.find("x-later")) {
    std::vector<std::string> words;
    for (const Value& v : later->as_array()) add(words, plain(v));
    row("not yet", joined(words));
  }
  if (const Value* properties = field_properties(schema)) {
    std::vector<std::string> names;
    for (const Member& m : properties->as_object()) names.push_back(m.key);
    row("fields", joined(names));
  }
  return facts;
}

std::string first_sentence(const std::string& text) {
  const std::size_t end = text.find(". ");
  return end == std::string::npos ? text : text.substr(0, end + 1);
}

}  // namespace

std::string dotted(const FieldNames& field) {
  std::string text;
  for (const std::string& name : field) text += (text.empty() ? "" : ".") + name;
  return text;
}

std::vector<FieldNames> all_fields() {
  std::vector<FieldNames> fields;
  collect(*job_schema().find("definitions")->find("job"), {}, fields);
  return fields;
}

std::optional<FieldNames> find_field(const std::string& asked) {
  std::optional<FieldNames> by_last_name;
  bool several = false;
  for (FieldNames& field : all_fields()) {
    if (dotted(field) == asked) return std::move(field);
    if (field.back() != asked) continue;
    several = by_last_name.has_value();
    by_last_name = std::move(field);
  }
  return several ? std::nullopt : by_last_name;
}

std::string explain_field(const FieldNames& field, const Terminal& terminal) {
  const Value& schema = *field_schema(field);
  std::string text = terminal.paint(Style::strong, dotted(field)) + "\n\n";
  for (const std::string& line : wrapped(description(schema), std::min<std::size_t>(terminal.width, 100) - 2)) text += "  " + line + '\n';
  text += '\n';
  std::vector<std::vector<std::string>> rows;
  for (const auto& [what, value] : facts_of(field)) rows.push_back({terminal.paint(Style::faint, what), value});
  text += table(rows, 2, terminal.width);
  text += '\n' + terminal.paint(Style::faint, "  In a job") + '\n' + example(field, schema, "    ");
  if (!field_properties(schema))
    text += '\n' + terminal.paint(Style::faint, "  On the command line") + "\n    " +
            shell_line({"--set", dotted(field) + '=' + example_value(schema)}) + '\n';
  return text;
}

std::string fields_page() {
  std::string text =
      "# The job file\n\n"
      "Every field of a job, as `fabric explain FIELD` tells it. This page is written by `fabric explain --markdown` from\n"
      "`schema/job.schema.json`, and a test holds it to that.\n";
  for (const FieldNames& field : all_fields()) {
    const Value& schema = *field_schema(field);
    text +=
        '\n' + std::string(std::min<std::size_t>(field.size() + 1, 4), '#') + " `" + dotted(field) + "`\n\n" + description(schema) + "\n\n";
    for (const auto& [what, value] : facts_of(field))
      text += "- " + what + ": " + (what == "default" && schema.find("default") ? '`' + value + '`' : value) + '\n';
    text += "\n```yaml\n" + example(field, schema, "") + "```\n";
  }
  return text;
}

std::string fields_tree(const Terminal& terminal) {
  std::vector<std::vector<std::string>> rows;
  for (const FieldNames& field : all_fields()) {
    const Value& schema = *field_schema(field);
    const Value* preset = schema.find("default");
    std::string value = preset && !preset->is_object() ? plain(*preset) : "";
    rows.push_back({std::string(2 * (field.size() - 1), ' ') + terminal.paint(Style::accent, field.back()),
                    terminal.paint(Style::faint, value), first_sentence(description(schema))});
  }
  return table(rows, 0, terminal.width);
}

}  // namespace fabric
