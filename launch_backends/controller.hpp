// A run: one attempt after another, as the job's rules of restart have it, until it has ended. Whatever happens, conduct returns only when
// nothing of the run is left that can be ended.
#pragma once

#include <vector>

#include "launch_backends/attempt.hpp"

namespace fabric {

// Runs the plan to its end, with its nodes behind the carriers, in their order. Handles SIGINT, SIGTERM and SIGHUP while it works (a SIGHUP
// that was ignored before stays so). Throws std::system_error if the run directory cannot be written before anything was started.
Outcome conduct(const Plan& plan, const RunOptions& options, const std::vector<Carrier>& carriers, RunObserver& observer);

}  // namespace fabric
