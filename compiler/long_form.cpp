#include "compiler/long_form.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string_view>

#include "schema/job_schema.hpp"

namespace fabric {
namespace {

const Value& whole_job() { return *job_schema().find("definitions")->find("job"); }

// A folder in which no sign means anything to glob(7).
std::string with_literal_signs(const std::string& folder) {
  std::string out;
  for (const char c : folder) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// A folder in which no sign means anything to sbatch: % begins a pattern, and where there is a backslash patterns are none.
std::string without_patterns(const std::string& folder) {
  const bool has_patterns = folder.find('\\') == std::string::npos;
  std::string out;
  for (const char c : folder) out += c == '\\' || (c == '%' && has_patterns) ? std::string(2, c) : std::string(1, c);
  return out;
}

// python, python3, /opt/bin/python3.12
bool is_python(std::string_view program) {
  const std::string_view name = program.substr(program.rfind('/') + 1);
  return name.starts_with("python") && name.find_first_not_of("0123456789.", std::string_view("python").size()) == std::string_view::npos;
}

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
      // It says all that is started: what an earlier layer has of that is not left. A command names its interpreter itself.
      for (const char* other : {"script", "module", "command", "args"})
        if (!value.find(other)) value.set(other, Value());
      if (!value.find("command")->is_null()) value.set("python", Value());
    }
    if (const Value* unit = schema.find("x-unit"); unit && value.is_string() && !value.as_string().empty()) {
      if (*unit == Value("path")) value = absolute_from(base_, value.as_string());
      if (*unit == Value("path pattern")) value = absolute_from(with_literal_signs(base_), value.as_string());
      if (*unit == Value("sbatch pattern")) value = absolute_from(without_patterns(base_), value.as_string());
    }
    if (const Value* unit = schema.find("x-unit"); unit && *unit == Value("extends")) return name_files(value);
    if (const Value* items = schema.find("items"); items && value.is_array())
      for (std::size_t i = 0; i < value.as_array().size(); ++i) bring(value.as_array()[i], *items, path / i);
    if (!value.is_object()) return;
    const Value* properties = field_properties(schema);
    for (Member& member : value.as_object()) {
      const Value* field = properties ? properties->find(member.key) : nullptr;
      if (path.empty() && member.key == "profiles" && member.value.is_object()) {
        for (Member& profile : member.value.as_object()) bring(profile.value, whole_job(), path / "profiles" / profile.key);
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
  // What `extends` names is a file unless it is a site.
  void name_files(Value& extends) const {
    if (extends.is_array())
      for (Value& item : extends.as_array()) name_files(item);
    if (extends.is_string() && !extends.as_string().empty() && !extends.as_string().starts_with("site:"))
      extends = absolute_from(base_, extends.as_string());
  }

  // [train.py, --lr, "0.1"] is a script with its arguments, and so is [python, train.py, ...]; [python, -m, pkg.train, ...] is a module.
  void script_of(Value& program, const Path& path) {
    const Value::Array words = program.find("command")->as_array();
    if (!std::all_of(words.begin(), words.end(), [](const Value& word) { return word.is_string(); })) return;
    const auto word = [&](std::size_t i) { return i < words.size() ? std::string_view(words[i].as_string()) : std::string_view(); };
    const bool by_python = is_python(word(0));
    std::size_t at = by_python ? 1 : 0;
    if (by_python && word(at) == "-u") ++at;  // PYTHONUNBUFFERED is set in any case
    const bool is_module = by_python && word(at) == "-m" && at + 1 < words.size();
    if (is_module) ++at;
    if (!is_module && !word(at).ends_with(".py")) return;
    program.erase("command");
    const auto move = [&](std::size_t from, const Path& to) {
      if (const Origin* origin = origins_.find(path / "command" / from)) origins_.set(to, *origin);
    };
    const auto put = [&](const char* field, std::size_t from) {
      program.set(field, words[from]);
      move(from, path / field);
    };
    if (by_python) put("python", 0);
    put(is_module ? "module" : "script", at);
    if (const std::size_t first = at + 1; first < words.size()) {
      for (std::size_t i = first; i < words.size(); ++i) move(i, path / "args" / (i - first));
      if (const Origin* origin = origins_.find(path / "args" / std::size_t{0})) origins_.set(path / "args", *origin);
      program.set("args", Value::Array(words.begin() + static_cast<std::ptrdiff_t>(first), words.end()));
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

}  // namespace

std::string absolute_from(const std::string& base, const std::string& path) {
  return (std::filesystem::path(base) / path).lexically_normal().string();
}

void bring_to_long_form(Value& layer, const std::string& base, SourceMap& origins) {
  LongForm(origins, base).bring(layer, whole_job(), Path());
}

}  // namespace fabric
