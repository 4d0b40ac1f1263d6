#include "compiler/read_job.hpp"

#include "schema/job_schema.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

void use_canonical_words(Value& value, const Value& schema) {
  if (const Value* aliases = schema.find("x-aliases"); aliases && !value.is_object()) {
    const std::string word = value.is_string() ? value.as_string() : canonical_json(value);
    if (const Value* canonical = aliases->find(word)) value = *canonical;
  }
  const Value* properties = field_properties(schema);
  if (!properties || !value.is_object()) return;
  for (Member& member : value.as_object())
    if (const Value* field = properties->find(member.key)) use_canonical_words(member.value, *field);
}

}  // namespace

JobSpec read_job(Value job) {
  use_canonical_words(job, *job_schema().find("definitions")->find("job"));
  return from_value<JobSpec>(job);
}

}  // namespace fabric
