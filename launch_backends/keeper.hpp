// The agent's warden: the parent of the agent, a subreaper that only waits. If the agent dies, everything that it had started falls
// to the keeper, which ends it and says who was lost: to the controller, or if that is gone too, to the run directory. It lets a stopped
// agent go on once the controller is gone, and ends one that does not end then.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "launch_backends/descriptor.hpp"

namespace fabric {

struct Ward {
  pid_t agent = 0;
  std::int64_t node = 0;
  std::int64_t generation = 0;  // the attempt that the agent belongs to
  std::string nonce;
};

// Returns the exit code of the process. in, out: the conversation with the controller, of which the keeper reads nothing.
// agent: a socket at whose other end is the agent, which tells through it what run it has.
int keep(const Ward& ward, FileDescriptor in, FileDescriptor out, FileDescriptor agent);

// What the agent tells its keeper at the other end of the socket, once: its run, and a share in the lock of its node, so that a later
// attempt starts nothing there before this keeper too is done. False if there is no keeper any more.
bool tell_keeper(int socket, const std::string& run_id, const std::string& run_directory, int lock);

}  // namespace fabric
