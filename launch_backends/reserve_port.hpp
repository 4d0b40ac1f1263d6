// The port at which the ranks of a run meet: bound before anything starts and held until its owner takes it, so that nobody else
// can have it in between. There is no default port.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "launch_backends/descriptor.hpp"

namespace fabric {

// The address cannot be used: it names address, port, the reason and, where it can be found out, who holds it.
struct PortError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ReservedPort {
  std::int64_t port = 0;
  bool loopback = false;  // bound to an address that no other machine reaches
  FileDescriptor socket;
  // An abstract Unix socket named after the port. Two sockets with SO_REUSEADDR that do not listen may share a TCP port; this name
  // has one owner, and the kernel takes it away with the process.
  FileDescriptor claim;
};

// Binds port at address (numeric or a name), or a free one. listening: the socket is to be handed to rank 0, which accepts on it.
// Otherwise it is bound with SO_REUSEADDR and does not listen: a program that listens with SO_REUSEADDR gets the port, one that
// binds without it does not. Throws PortError.
ReservedPort reserve_port(const std::string& address, std::optional<std::int64_t> port, bool listening);

// Throws PortError if address is neither numeric nor a name that this machine can look up.
void check_address(const std::string& address);

}  // namespace fabric
