// Which CPUs and how much memory lie together. Read from /sys and not through hwloc: docs/decisions/0001-numa-from-sys.md says why.
#pragma once

#include <cstdint>
#include <vector>

#include "launch_backends/probes/probe_root.hpp"
#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"

namespace fabric {

// The online nodes, ascending, each with all its online CPUs, those outside of the affinity mask too. A node may have no CPUs
// (memory of an accelerator, an expander) or no memory. A kernel without NUMA is one node 0 with online_cpus and memory_bytes.
std::vector<NumaNode> numa_nodes(const ProbeRoot& root, const std::vector<std::int64_t>& online_cpus, std::int64_t memory_bytes,
                                 Diagnostics& diagnostics);

}  // namespace fabric
