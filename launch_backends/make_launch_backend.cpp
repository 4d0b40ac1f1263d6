#include "launch_backends/make_launch_backend.hpp"

#include <cassert>

#include "launch_backends/local.hpp"

namespace fabric {

std::unique_ptr<LaunchBackend> make_launch_backend(BackendName name, const std::string& self) {
  switch (name) {
    case BackendName::local: return make_local_backend(self);
  }
  assert(!"a backend without a row");
  return nullptr;
}

}  // namespace fabric
