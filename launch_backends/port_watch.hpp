// Whether anybody uses a TCP port of this machine, by the kernel's tables. For processes that were started as ranks of one program and
// perhaps never met.
#pragma once

#include <cstdint>
#include <string>

namespace fabric {

// Whether a socket listens on port, or is or was just connected from or to it. tables: the folder that holds tcp and tcp6, in the form
// of proc(5), /proc/net/tcp. True where they cannot be read: then nothing is known.
bool port_is_used(std::int64_t port, const std::string& tables = "/proc/self/net");

}  // namespace fabric
