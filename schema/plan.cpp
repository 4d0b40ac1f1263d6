#include "schema/plan.hpp"

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

std::string plan_id(const Plan& plan) { return sha256_hex(canonical_json(to_value(plan))); }

std::string save_plan(const Plan& plan) {
  Value saved = Value::object();
  saved.set("plan_id", plan_id(plan));
  saved.set("plan", to_value(plan));
  return canonical_json(saved) + '\n';
}

}  // namespace fabric
