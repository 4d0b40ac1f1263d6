// The folder in which the connections of a fleet have their sockets and their words, while the fleet lives.
#pragma once

#include <string>

#include "launch_backends/descriptor.hpp"

namespace fabric {

struct SshFolder {
  std::string path;     // of this user alone
  FileDescriptor lock;  // held: who finds it free may take the folder away
};

// A new one, in XDG_RUNTIME_DIR or else where temporary files are. Takes away what those have left there that were killed. Throws
// std::system_error.
SshFolder make_ssh_folder();

}  // namespace fabric
