// A process that uses a GPU, in words that its owner recognises.
#pragma once

#include <cstdint>

#include "launch_backends/probes/probe_root.hpp"
#include "schema/hardware.hpp"

namespace fabric {

// program and user stay empty for a process that cannot be looked up: it has ended, or lives in another container.
GpuHolder gpu_holder(const ProbeRoot& root, std::int64_t pid, std::int64_t memory_bytes);

}  // namespace fabric
