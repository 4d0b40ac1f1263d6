#include "launch_backends/batch_lines.hpp"

#include <algorithm>
#include <string_view>

namespace fabric {
namespace {

// As sbatch reads it back from a line of the script: it takes quotes and backslashes away, and ends a value at a space or a #.
std::string directive_value(const std::string& value) {
  constexpr std::string_view plain = "_-./:=,@%+*[]&|()~^!?{}<>";
  const auto is_plain = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || plain.find(c) != std::string_view::npos;
  };
  if (!value.empty() && std::all_of(value.begin(), value.end(), is_plain)) return value;
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

void BatchLines::line(const std::string& text, const std::string& field) {
  if (!field.empty()) file_.causes.push_back({lines_, field});
  file_.content += text + '\n';
  lines_ += 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void BatchLines::directive(const std::string& name, const std::optional<std::string>& value, const std::string& field) {
  line("#SBATCH --" + name + (value ? '=' + directive_value(*value) : ""), field);
}

}  // namespace fabric
