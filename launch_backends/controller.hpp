// The conductor of a run: starts one agent a node, tells them what to run, passes on what they say, ends all when one fails or the
// user asks, and says how it ended. Whatever happens, it returns only when nothing of the run is left that can be ended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch_backends/launch_backend.hpp"
#include "launch_backends/process.hpp"

namespace fabric {

// How to reach the agent of one node: a command that speaks frames over its stdin and stdout. The controller adds to its end
// --node K --generation G --nonce TEXT.
struct AgentCommand {
  std::vector<std::string> argv;
};

// Runs the plan to its end, with the agent of node K behind agents[K]. Handles SIGINT, SIGTERM and SIGHUP while it works (a SIGHUP
// that was ignored before stays so). device_ids: the GPUs of each node, bound to the placeholder of that name. Throws
// std::system_error if the run directory cannot be written before anything was started.
Outcome conduct(const Plan& plan, const RunOptions& options, const std::vector<AgentCommand>& agents, RunObserver& observer);

}  // namespace fabric
