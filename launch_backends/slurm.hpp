// Ranks on the nodes of a SLURM cluster, by a batch job or in an allocation that is there already.
#pragma once

#include <memory>
#include <string>

#include "launch_backends/launch_backend.hpp"

namespace fabric {

// self: absolute path of this program, the same on the nodes. in_allocation: in the job of SLURM in which this process stands; nothing is
// submitted.
std::unique_ptr<LaunchBackend> make_slurm_backend(const std::string& self, bool in_allocation);

}  // namespace fabric
