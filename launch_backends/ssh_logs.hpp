// The files of a run that its hosts wrote on disks of their own, brought home when it has ended.
#pragma once

#include <string>
#include <vector>

#include "launch_backends/launch_backend.hpp"
#include "launch_backends/ssh_fleet.hpp"

namespace fabric {

// Puts nodes/K of each such node in the place of the copy that was kept while the run went on; where that does not succeed the copy stays.
// Returns the hosts of which that is so, and why.
std::vector<std::string> fetch_logs(SshFleet& fleet, const Plan& plan, const std::string& run_directory,
                                    const std::vector<NodeOptions>& nodes);

}  // namespace fabric
