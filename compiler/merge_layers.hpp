// One layer over another: maps merge, everything else is replaced, and null takes a value back.
#pragma once

#include "compiler/job_file.hpp"
#include "schema/path.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

// Members that are null were taken back, or were never given: to the later stages they are absent.
void drop_nulls(Value& value);

// Puts upper over job. from: where the values of upper stand in upper_origins; the winners' origins go to origins.
void merge_layer(Value& job, const Value& upper, const Path& from, const SourceMap& upper_origins, SourceMap& origins);

// Puts a file over what lies under it, an empty map where nothing does. A variable of env without a value stays, for
// refuse_null_variables, unless a program computed it or it takes one back.
void merge_file(Value& job, const JobFile& file, SourceMap& origins);

}  // namespace fabric
