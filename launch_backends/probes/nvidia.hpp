// NVIDIA GPUs, asked of their driver through NVML: the only door to that library, which is opened at run time, so that the same
// program runs where there is none. No CUDA context is made and no memory of a GPU is taken.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launch_backends/probes/probe_root.hpp"
#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"

namespace fabric {

struct NvidiaDevices {
  std::optional<std::string> driver;  // 580.65.06; absent: no usable driver
  std::vector<Gpu> gpus;              // the visible ones in CUDA's order; index is CUDA's ordinal
};

// Without library or driver: nothing found, nothing said. What is there and does not work is a warning (FAB4030 to FAB4035) with NVML's own
// words and a way out; a GPU that fails is left out and the others keep their numbers.
//
// The numbers are those of the order of the PCI bus, and of CUDA_VISIBLE_DEVICES if set. CUDA's own order is by speed unless
// CUDA_DEVICE_ORDER=PCI_BUS_ID; among GPUs that are alike the two are one, and where they are not a warning says so.
NvidiaDevices probe_nvidia(const ProbeRoot& root, Diagnostics& diagnostics);

// Who computes on each visible GPU now, one entry a GPU that can be asked, by Gpu::index. A holder with pid 0 stands for memory in use
// whose process cannot be seen from here (another container). memory_bytes is 0 where the driver does not tell. program is the name of the
// executable and of the script that it was given, user a login name or a number.
std::vector<Occupancy> gpu_occupancy(const ProbeRoot& root, Diagnostics& diagnostics);

}  // namespace fabric
