// What the schema finds wrong with a job, in words: where, what was expected, and what was probably meant.
#pragma once

#include <vector>

#include "schema/diagnostic.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

// Holds job (the long form, before defaults) against the job schema. Answers the paths of what it refused: of values, of keys that no
// field has, of fields that are missing.
std::vector<Path> check_against_schema(const Value& job, const SourceMap& origins, const Sources& sources, Diagnostics& diagnostics);

}  // namespace fabric
