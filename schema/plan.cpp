#include "schema/plan.hpp"

#include <algorithm>

#include "schema/json.hpp"
#include "schema/sha256.hpp"

namespace fabric {

std::string Text::str() const {
  if (const std::string* literal = std::get_if<std::string>(&base)) return *literal;
  return '<' + std::string(name_of(std::get<Binding>(base))) + '>' + then;
}

Text Text::from_value(const Value& value, const Path& path) {
  if (value.is_string()) return Text(value.as_string());
  const Value* bind = value.find("bind");
  if (!bind) throw BindingError(path, "expected a string or {\"bind\": ...}");
  const Value* then = value.find("then");
  return Text(fabric::from_value<Binding>(*bind, path / "bind"), then ? fabric::from_value<std::string>(*then, path / "then") : "");
}

Value Text::to_value() const {
  if (const std::string* literal = std::get_if<std::string>(&base)) return *literal;
  Value out = Value::object();
  out.set("bind", name_of(std::get<Binding>(base)));
  if (!then.empty()) out.set("then", then);
  return out;
}

bool is_inherited(const RankTemplate& rank, std::string_view name) {
  const auto matches = [name](const std::string& pattern) { return matches_variable(pattern, name); };
  const bool asked = !rank.inherit || std::any_of(rank.inherit->begin(), rank.inherit->end(), matches);
  return asked && std::none_of(rank.scrub.begin(), rank.scrub.end(), matches);
}

Inherited inherited_of(const RankTemplate& rank, const std::vector<std::string>& environment) {
  std::map<std::string, std::string> variables;
  for (const std::string& variable : environment) {
    const std::string name = variable.substr(0, variable.find('='));
    // The first of two alike is the one that getenv finds. A string without '=' is no variable.
    if (name.size() < variable.size() && is_inherited(rank, name)) variables.emplace(name, variable);
  }
  Inherited inherited;
  std::string all;
  for (const auto& [name, variable] : variables) {
    inherited.names.push_back(name);
    all += variable + '\0';
  }
  inherited.sha256 = sha256_hex(all);
  return inherited;
}

std::string plan_id(const Plan& plan) { return sha256_hex(canonical_json(to_value(plan))); }

std::string save_plan(const Plan& plan) {
  Value saved = Value::object();
  saved.set("plan_id", plan_id(plan));
  saved.set("plan", to_value(plan));
  return canonical_json(saved) + '\n';
}

}  // namespace fabric
