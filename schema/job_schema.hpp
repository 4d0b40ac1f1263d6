// The job schema, as compiled in from job.schema.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/value.hpp"

namespace fabric {

std::string_view job_schema_text();
const Value& job_schema();

// A schema of the job's document, or what its $ref names.
const Value& follow_reference(const Value& schema);

// The schema of the field at a path of field names, such as {"train", "optimizer", "lr"}, with the map branch of a short form
// taken and references followed; or nullptr.
const Value* field_schema(const std::vector<std::string>& names);

// Whether its section, if that is written as a map, must have this field.
bool field_is_required(const std::vector<std::string>& names);

// The properties of an object schema with short forms and references resolved, or nullptr if it is not a map with named fields.
const Value* field_properties(const Value& schema);

}  // namespace fabric
