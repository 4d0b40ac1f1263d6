// The copy of the code that a run has, brought to hosts that do not see the folder of the run: by rsync, over the connections that are
// open.
#pragma once

#include <string>
#include <vector>

#include "launch_backends/launch_backend.hpp"
#include "launch_backends/ssh_fleet.hpp"

namespace fabric {

// Makes RUN/code of each node with a disk of its own the same as RUN/code here. What an earlier run of that name has left there is not sent
// again. Its problems are those of whom that did not succeed, with the name of the host.
SshFleet::Calls bring_code(SshFleet& fleet, const std::string& run_directory, const std::vector<NodeOptions>& nodes);

// A call of rsync that makes a folder elsewhere the same as that folder here. words: those of ssh, whose last is a command that is put in
// front of what rsync starts there. earlier: folders there with older copies, relative to it. nonce: a word that nobody prints.
std::vector<std::string> rsync_words(std::vector<std::string> words, const std::string& folder, const std::vector<std::string>& earlier,
                                     const std::string& nonce);

}  // namespace fabric
