// Ranks on this machine.
#pragma once

#include <memory>
#include <string>

#include "launch_backends/launch_backend.hpp"

namespace fabric {

std::unique_ptr<LaunchBackend> make_local_backend(const std::string& self);

}  // namespace fabric
