// Which logical CPUs share a core, from /sys/devices/system/cpu/cpuN/topology.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "launch_backends/probes/probe_root.hpp"

namespace fabric {

// The CPUs of each core that has several of these, ascending; nullopt where the kernel tells of none of them.
std::optional<std::vector<std::vector<std::int64_t>>> smt_siblings(const ProbeRoot& root, const std::vector<std::int64_t>& cpus);

}  // namespace fabric
