// The connections that the user's own ssh holds open to hosts (ControlMaster and ControlPath of ssh_config). Through one of them a command
// starts in a tenth of the time that a connection takes.
#pragma once

#include <string>
#include <vector>

#include "schema/job.hpp"

namespace fabric {

struct UsersConnection {
  bool open = false;
  std::string socket;  // its path, with % doubled as ssh reads it; empty: ssh finds it by itself, if it is open
};

// That of each host. Where the first and the last host have one, and nothing makes the name of its socket depend on the way to a host, all
// others are believed to have one too and are not asked about: who goes through it hears soon that there is none (SshRole::guest_only).
std::vector<UsersConnection> connections_of_user(const Ssh& how, const std::vector<std::string>& hosts);

}  // namespace fabric
