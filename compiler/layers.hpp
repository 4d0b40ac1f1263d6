// The layers of a job, lowest first: what `extends` names, sites under files; the job file; the profiles chosen with --profile, each over
// what it extends; each --set. Maps merge, everything else is replaced, and null takes a value back so that the schema's default holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compiler/outside.hpp"
#include "schema/diagnostic.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

// A text that lies under the job or a profile, by the name that `extends` has for it: site:juwels, base.yaml.
struct ExtendedSource {
  std::uint32_t source = 0;
  std::string name;
};

struct Layered {
  Value job;                             // every layer applied, in the long form, `profiles` still in it; no defaults yet
  std::vector<Input> inputs;             // the job file first
  std::vector<ExtendedSource> extended;  // lowest first
  std::string folder;                    // of the job file, absolute
};

// Reads every layer. origins says for each value which layer won and where it stands there. nullopt if the file cannot be read
// or is not a map; other problems leave a value that later stages can still judge.
std::optional<Layered> read_layers(const Request& request, const Outside& outside, Sources& sources, SourceMap& origins,
                                   Diagnostics& diagnostics);

// Fills what is absent from the schema's defaults, within sections that are there or that have a default of their own.
void fill_defaults(Value& job);

}  // namespace fabric
