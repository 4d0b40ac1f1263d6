// A hostfile, as OpenMPI and DeepSpeed read it: a host a line, `slots=N` behind it or nothing, comments behind #. What is no such line is
// an error at its place (FAB3304).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/diagnostic.hpp"
#include "schema/source_map.hpp"

namespace fabric {

struct HostfileEntry {
  std::string host;
  std::optional<std::int64_t> slots;
  Span place;  // of the host's name
};

// The hosts of sources[source].text, in their order; the lines that cannot be read are left out.
std::vector<HostfileEntry> read_hostfile(const Sources& sources, std::uint32_t source, Diagnostics& diagnostics);

}  // namespace fabric
