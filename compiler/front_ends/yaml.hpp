// YAML -> Value with positions. The only door to yaml-cpp. What it accepts is YAML 1.2 with the traps taken out: duplicate keys,
// merge keys, tags beyond YAML's core schema, several documents, control characters and plain scalars that readers take for different
// values (yes, 010) are errors.
#pragma once

#include <cstdint>
#include <optional>

#include "schema/diagnostic.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

// Reads sources[source].text; origins receives the place of every key and value. Problems go to diagnostics (FAB0xxx); as many
// as can be found are reported. Answers nullopt if there were errors.
std::optional<Value> read_yaml(const Sources& sources, std::uint32_t source, SourceMap& origins, Diagnostics& diagnostics);

// One scalar as --set writes it: 4 -> integer, true -> boolean, [0, 2] and {a: 1} -> flow collections, else a string.
// The text of sources[source] from byte `begin` on is read; origins receives places below `path`.
std::optional<Value> read_yaml_flow(const Sources& sources, std::uint32_t source, std::uint32_t begin, const Path& path, SourceMap& origins,
                                    Diagnostics& diagnostics);

}  // namespace fabric
