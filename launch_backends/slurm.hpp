// Ranks on the nodes of a SLURM cluster, by a batch job.
#pragma once

#include <memory>
#include <string>

#include "launch_backends/launch_backend.hpp"

namespace fabric {

// self: absolute path of this program, the same on the nodes.
std::unique_ptr<LaunchBackend> make_slurm_backend(const std::string& self);

}  // namespace fabric
