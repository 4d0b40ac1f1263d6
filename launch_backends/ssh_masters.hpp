// The connections that the user's own ssh holds open to hosts (ControlMaster and ControlPath of ssh_config). Through one of them a command
// starts in a tenth of the time that a connection takes.
#pragma once

#include <string>
#include <vector>

#include "schema/job.hpp"

namespace fabric {

// The path of the socket of each host, with % doubled as ssh reads it; empty where no such connection is open, or ssh says nothing of it.
std::vector<std::string> open_masters(const Ssh& how, const std::vector<std::string>& hosts);

}  // namespace fabric
