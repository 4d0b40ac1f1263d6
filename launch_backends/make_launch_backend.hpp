// The list of launch backends: a row each.
#pragma once

#include <memory>
#include <string>

#include "launch_backends/launch_backend.hpp"

namespace fabric {

// What is asked of a backend beside the job. Each is for one of them.
struct BackendOptions {
  bool stage = false;          // ssh: fabric is copied to hosts that lack it
  bool in_allocation = false;  // slurm: in the job of SLURM in which this process stands, and not by one of its own
};

// The backend of that name. self: absolute path of the running `fabric`, which it starts as its agent.
std::unique_ptr<LaunchBackend> make_launch_backend(BackendName name, const std::string& self, const BackendOptions& options = {});

}  // namespace fabric
