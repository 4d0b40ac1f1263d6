// Whether a host can be reached from another at an address, found out by doing it: one end listens, the other connects.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/inquiry.hpp"

namespace fabric {

struct Listener {
  FileDescriptor socket;
  std::int64_t port = 0;
  std::string problem;  // why it does not listen
};

// address: numeric, or a name that this machine can look up. port 0: a free one.
Listener listen_at(const std::string& address, std::int64_t port);

struct ConnectionTried {
  std::string interface;  // that it went through; empty if there is none of its address
  std::string problem;    // why it did not come about
};

// All at once, within five seconds; one for each endpoint.
std::vector<ConnectionTried> try_connections(const std::vector<messages::Endpoint>& endpoints);

}  // namespace fabric
