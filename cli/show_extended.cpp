#include "cli/show_extended.hpp"

#include <algorithm>
#include <variant>

#include <fmt/core.h>

#include "cli/outside.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr std::size_t longest_value = 60;

std::string shortened(const Value& value) {
  std::string text = !value.is_string()                   ? canonical_json(value)
                     : value.as_string().starts_with('/') ? shown_path(value.as_string())
                                                          : value.as_string();
  if (text.size() > longest_value) text = text.substr(0, longest_value - 3) + "...";
  return sanitised(text);
}

// site:juwels, /etc/fabric/sites/juwels.yaml:3
std::string written_at(const ExtendedSource& extended, const Source& source, const Origin& origin) {
  std::string place = source.name;
  if (!origin.computed) place += fmt::format(":{}", position_of(source.text, origin.value.begin).line);
  return sanitised(extended.name == source.name ? place : extended.name + ", " + place);
}

}  // namespace

std::string show_extended(const Compilation& compilation, const Terminal& terminal) {
  if (!compilation.checked) return "";
  std::vector<std::vector<std::string>> rows;
  for (const auto& [path, origin] : compilation.origins.all()) {
    const auto& all = compilation.extended;
    const auto extended = std::find_if(all.begin(), all.end(), [&](const ExtendedSource& e) { return e.source == origin.value.source; });
    if (extended == all.end() || path.empty() || std::holds_alternative<std::size_t>(path.steps().back())) continue;
    const Value* value = find(compilation.checked->merged, path);
    if (!value || value->is_object()) continue;
    rows.push_back({path.str(), terminal.paint(Style::accent, shortened(*value)),
                    terminal.paint(Style::faint, written_at(*extended, compilation.sources[extended->source], origin))});
  }
  if (rows.empty()) return "";
  return '\n' + terminal.paint(Style::strong, "From what the job extends") + '\n' + table(rows, 2, terminal.width);
}

}  // namespace fabric
