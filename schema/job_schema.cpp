#include "schema/job_schema.hpp"

#include <algorithm>
#include <cassert>

#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr std::string_view embedded_schema =
#include "job_schema_text.inc"
    ;

}  // namespace

std::string_view job_schema_text() { return embedded_schema; }

const Value& job_schema() {
  static const Value schema = [] {
    std::string why;
    std::optional<Value> parsed = read_json(embedded_schema, &why);
    assert(parsed && "job.schema.json is not JSON");
    return std::move(*parsed);
  }();
  return schema;
}

const Value& follow_reference(const Value& schema) {
  const Value* reference = schema.find("$ref");
  if (!reference) return schema;
  constexpr std::string_view prefix = "#/definitions/";
  assert(reference->as_string().starts_with(prefix));
  const Value* target = job_schema().find("definitions")->find(std::string_view(reference->as_string()).substr(prefix.size()));
  assert(target);
  return *target;
}

const Value* field_properties(const Value& schema) {
  const Value& at = follow_reference(schema);
  if (const Value* properties = at.find("properties")) return properties;
  if (const Value* branches = at.find("anyOf"))
    if (at.find("x-short") || at.find("x-short-list"))
      for (const Value& branch : branches->as_array())
        if (const Value* properties = field_properties(branch)) return properties;
  return nullptr;
}

bool field_is_required(const std::vector<std::string>& names) {
  const Value* at = job_schema().find("definitions")->find("required");
  for (std::size_t i = 0; at && i < names.size(); ++i) {
    if (const Value* map = at->find("then")) at = map;
    if (i + 1 == names.size()) {
      const Value* required = at->find("required");
      return required && std::find(required->as_array().begin(), required->as_array().end(), Value(names[i])) != required->as_array().end();
    }
    const Value* properties = at->find("properties");
    at = properties ? properties->find(names[i]) : nullptr;
  }
  return false;
}

const Value* field_schema(const std::vector<std::string>& names) {
  const Value* at = job_schema().find("definitions")->find("job");
  for (const std::string& name : names) {
    const Value* properties = field_properties(*at);
    at = properties ? properties->find(name) : nullptr;
    if (!at) return nullptr;
    at = &follow_reference(*at);
  }
  return at;
}

}  // namespace fabric
