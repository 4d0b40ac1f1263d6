// What a run has left on this machine where its controller died and nobody could end the rest: a keeper and an agent that are stopped
// (SIGSTOP), or processes whose keeper, agent and controller were all killed.
#pragma once

#include <string>
#include <vector>

#include "launch_backends/process_tree.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {

// The agent and the keeper that hold the lock of a node, as they have written into it; of these, who lives.
std::vector<ProcessEntry> holders_of_node(int lock);

struct Leftovers {
  std::vector<std::string> ended, left;  // "pid name"
};

// Ends what is left of a run that nobody conducts. Keeper and agent are let go on and end the ranks in order, for which they have 20 s.
// Nothing is touched that a new attempt of the run has started.
Leftovers end_leftovers(RunDirectory& run);

}  // namespace fabric
