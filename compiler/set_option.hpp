// --set PATH=VALUE: a layer with one value, with a place on the command line.
#pragma once

#include <optional>
#include <string>

#include "schema/diagnostic.hpp"
#include "schema/path.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

struct SetOption {
  Path path;          // names alone
  Value layer;        // the value at its path, in the long form
  SourceMap origins;  // of the layer
  Span key;           // the path on the command line
};

// Reads text, PATH=VALUE. nullopt if it is not that.
std::optional<SetOption> read_set(const std::string& text, const std::string& working_directory, Sources& sources,
                                  Diagnostics& diagnostics);

// Puts it over the job.
void merge_set(Value& job, const SetOption& set, SourceMap& origins, Diagnostics& diagnostics);

}  // namespace fabric
