// The list of launch backends: a row each.
#pragma once

#include <memory>
#include <string>

#include "launch_backends/launch_backend.hpp"

namespace fabric {

// The backend of that name. self: absolute path of the running `fabric`, which it starts as its agent. stage: it is copied to hosts of ssh
// that lack it; other backends have no such hosts.
std::unique_ptr<LaunchBackend> make_launch_backend(BackendName name, const std::string& self, bool stage = false);

}  // namespace fabric
