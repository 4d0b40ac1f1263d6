// Looks at this machine: the facts that a plan is made from. Takes under 2 ms where there is no GPU, starts nothing, writes nothing,
// and always answers; what could not be found out is a warning and a stated assumption.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch_backends/probes/probe_root.hpp"
#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"

namespace fabric {

// One group of one host, with everything below, cgroup.hpp, network.hpp and nvidia.hpp. A memory limit at or above the physical
// memory limits nothing and is absent.
Hardware probe_this_host(const ProbeRoot& root, Diagnostics& diagnostics);

// As the kernel has it; "localhost" if it tells none.
std::string hostname(const ProbeRoot& root);

// Logical CPUs that are online. Assumed where unreadable: those this process may use.
std::vector<std::int64_t> online_cpus(const ProbeRoot& root, Diagnostics& diagnostics);

// Logical CPUs that this process may use: sched_getaffinity here, Cpus_allowed_list of /proc/self/status in a recorded tree. Both
// follow taskset, cpusets and the scheduler's binding. Assumed where unreadable: the online ones, and at the very least CPU 0.
std::vector<std::int64_t> affinity_cpus(const ProbeRoot& root, Diagnostics& diagnostics);

// Physical memory in bytes; 0, with a warning, where /proc/meminfo does not say.
std::int64_t physical_memory(const ProbeRoot& root, Diagnostics& diagnostics);

}  // namespace fabric
