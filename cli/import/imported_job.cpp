#include "cli/import/imported_job.hpp"

#include <algorithm>

#include "cli/job_as_yaml.hpp"

namespace fabric {
namespace {

constexpr std::size_t widest_list = 90;
constexpr std::size_t widest_line = 60;  // that origins line up behind

struct YamlLine {
  std::string text;
  std::string origin;
  bool aligned = true;
};

class YamlWriter {
 public:
  explicit YamlWriter(const ImportedJob& job) : job_(job) {}

  std::vector<YamlLine> write() {
    map(job_.job, Path(), "");
    return std::move(lines_);
  }

 private:
  std::string origin(const Path& path) const {
    const auto found = job_.origins.find(path);
    return found == job_.origins.end() ? "" : found->second;
  }

  // In single quotes where double ones would need backslashes.
  static std::string one_line(const Value& value) {
    const std::string flow = yaml_flow(value);
    if (!value.is_string() || flow.find('\\') == std::string::npos) return flow;
    const std::string& text = value.as_string();
    if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; })) return flow;
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
    return quoted + '\'';
  }

  static bool has_lines(const Value& value) { return value.is_string() && value.as_string().find('\n') != std::string::npos; }

  // A text of several lines as they are, where a block can hold it.
  static bool fits_block(const std::string& text) {
    const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
    return printable && text.front() != ' ' && text.front() != '\n' && text.back() != '\n' && text.find(" \n") == std::string::npos;
  }

  void block_text(const std::string& head, const std::string& text, const std::string& indent, const std::string& from) {
    lines_.push_back({head + " |-", from, false});
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      lines_.push_back({end == at ? "" : indent + text.substr(at, end - at), ""});
      at = end + 1;
    }
  }

  void map(const Value& map_value, const Path& path, const std::string& indent) {
    for (const Member& member : map_value.as_object()) {
      const Path here = path / member.key;
      const std::string key = indent + yaml_flow(Value(member.key)) + ':';
      const Value& value = member.value;
      if (value.is_object() && !value.as_object().empty()) {
        lines_.push_back({key, origin(here)});
        map(value, here, indent + "  ");
      } else if (value.is_array() && !value.as_array().empty()) {
        list(key, value, here, indent);
      } else if (has_lines(value) && fits_block(value.as_string())) {
        block_text(key, value.as_string(), indent + "  ", origin(here));
      } else {
        lines_.push_back({key + ' ' + one_line(value), origin(here)});
      }
    }
  }

  void list(const std::string& key, const Value& value, const Path& path, const std::string& indent) {
    const Value::Array& items = value.as_array();
    const std::string flow = yaml_flow(value);
    bool traced = false;
    for (std::size_t i = 0; i < items.size(); ++i) traced = traced || !origin(path / i).empty();
    const bool several = std::any_of(items.begin(), items.end(), has_lines);
    if (!traced && !several && key.size() + flow.size() < widest_list && flow.find('\\') == std::string::npos) {
      lines_.push_back({key + ' ' + flow, origin(path)});
      return;
    }
    lines_.push_back({key, origin(path)});
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (has_lines(items[i]) && fits_block(items[i].as_string()))
        block_text(indent + "  -", items[i].as_string(), indent + "    ", origin(path / i));
      else lines_.push_back({indent + "  - " + one_line(items[i]), origin(path / i), false});
    }
  }

  const ImportedJob& job_;
  std::vector<YamlLine> lines_;
};

}  // namespace

void ImportedJob::set(const Path& path, Value value, std::string origin) {
  Value* at = &job;
  for (std::size_t i = 0; i < path.steps().size(); ++i) {
    const std::string& key = std::get<std::string>(path.steps()[i]);
    if (i + 1 == path.steps().size()) {
      at->set(key, std::move(value));
      break;
    }
    Value* inner = at->find(key);
    at = inner ? inner : &at->set(key, Value::object());
  }
  if (!origin.empty()) origins[path] = std::move(origin);
}

std::string imported_job_text(const ImportedJob& job, const std::string& head) {
  const std::vector<YamlLine> lines = YamlWriter(job).write();
  std::size_t column = 0;
  for (const YamlLine& line : lines)
    if (!line.origin.empty() && line.aligned) column = std::max(column, std::min(line.text.size(), widest_line));
  std::string text = head;
  for (const YamlLine& line : lines) {
    text += line.text;
    if (!line.origin.empty()) {
      if (line.aligned && line.text.size() < column) text.append(column - line.text.size(), ' ');
      text += "  # " + line.origin;
    }
    text += '\n';
  }
  return text;
}

}  // namespace fabric
