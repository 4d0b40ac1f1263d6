#include "cli/job_as_yaml.hpp"

#include <algorithm>
#include <cstdio>

#include "cli/terminal.hpp"
#include "schema/json.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

bool is_plain(const std::string& text) {
  constexpr std::string_view safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./";
  if (text.empty() || text.find_first_not_of(std::string(safe) + "-+") != std::string::npos) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  // ./here, ../there and .venv, but neither .5 nor .inf nor .nan.
  const std::size_t dots = std::min(text.find_first_not_of('.'), std::size_t{3});
  const char first = dots < text.size() && dots < 3 ? text[dots] : '-';
  if (dots > 0 && std::string_view("iInN").find(first) != std::string_view::npos) return false;
  if (!is_letter(first) && first != '/' && first != '_') return false;
  for (const std::string_view word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
    if (spelling_distance(text, word) == 0) return false;
  return true;
}

// In double quotes, with what YAML would not take raw as an escape.
std::string quoted(const std::string& text) {
  const std::string json = canonical_json(Value(text));
  std::string out;
  for (std::size_t at = 0; at < json.size();) {
    const std::size_t begin = at;
    const CodePoint point = next_code_point(json, at);
    // Those that turn the direction of text round are refused where they stand as they are.
    const bool turns = (point.value >= 0x202a && point.value <= 0x202e) || (point.value >= 0x2066 && point.value <= 0x2069);
    const bool odd =
        (point.value >= 0x7f && point.value <= 0x9f) || point.value == 0x2028 || point.value == 0x2029 || point.value == 0xfeff || turns;
    if (!odd) {
      out.append(json, begin, at - begin);
      continue;
    }
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(point.value));
    out += escape;
  }
  return out;
}

}  // namespace

std::string yaml_flow(const Value& value) {
  if (value.is_string()) return is_plain(value.as_string()) ? value.as_string() : quoted(value.as_string());
  if (value.is_array()) {
    std::string text;
    for (const Value& item : value.as_array()) text += (text.empty() ? "" : ", ") + yaml_flow(item);
    return '[' + text + ']';
  }
  return canonical_json(value);
}

namespace {

void block(const Value& map, const std::string& indent, std::string& out) {
  for (const Member& m : map.as_object()) {
    out += indent + yaml_flow(Value(m.key)) + ':';
    if (m.value.is_object() && !m.value.as_object().empty()) {
      out += '\n';
      block(m.value, indent + "  ", out);
    } else {
      out += ' ' + yaml_flow(m.value) + '\n';
    }
  }
}

}  // namespace

std::string job_as_yaml(const Value& job) {
  std::string text;
  block(job, "", text);
  return text;
}

}  // namespace fabric
