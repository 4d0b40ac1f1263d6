#include "launch_backends/make_launch_backend.hpp"

#include <cassert>

#include "launch_backends/local.hpp"
#include "launch_backends/slurm.hpp"
#include "launch_backends/ssh.hpp"

namespace fabric {

std::unique_ptr<LaunchBackend> make_launch_backend(BackendName name, const std::string& self, const BackendOptions& options) {
  switch (name) {
    case BackendName::local: return make_local_backend(self);
    case BackendName::slurm: return make_slurm_backend(self, options.in_allocation);
    case BackendName::ssh: return make_ssh_backend(self, options.stage);
  }
  assert(!"a backend without a row");
  return nullptr;
}

}  // namespace fabric
