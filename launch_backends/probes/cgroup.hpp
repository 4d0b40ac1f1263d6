// How much CPU time and memory the control groups of this process allow, versions 1 and 2 and mixtures of both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launch_backends/probes/probe_root.hpp"
#include "schema/diagnostic.hpp"

namespace fabric {

// The smallest limit on the way from the own group up to the top of what is mounted, since each group binds all below it; absent where
// nothing limits. A group above the mount (outside of a container) cannot be seen.
struct CgroupLimits {
  std::optional<double> cpus;  // quota divided by period: CPUs' worth of time
  std::optional<std::int64_t> memory_bytes;
  std::string cpus_file;  // who says so: /sys/fs/cgroup/job/cpu.max; empty where nothing limits
  std::string memory_file;
};

// A limit file that cannot be understood is passed over with a warning (FAB4020).
CgroupLimits cgroup_limits(const ProbeRoot& root, Diagnostics& diagnostics);

}  // namespace fabric
