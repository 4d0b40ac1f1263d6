// The addresses of this host, for a job that must name one to others.
#pragma once

#include <vector>

#include "launch_backends/probes/probe_root.hpp"
#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"

namespace fabric {

// One entry an address, of the interfaces that are up, in the kernel's order. Numeric, never looked up. IPv6 link-local addresses
// are left out: without an interface beside them they name nobody. A recorded tree holds no interfaces: the list is empty.
std::vector<NetworkInterface> network_interfaces(const ProbeRoot& root, Diagnostics& diagnostics);

}  // namespace fabric
