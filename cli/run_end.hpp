// What is said when a run has ended: its numbers and files, and, if it failed, what died first, what it said last, and how to go on.
#pragma once

#include <string>

#include "cli/run_view.hpp"
#include "launch_backends/launch_backend.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {

// The file of metrics of a run; empty if there is none.
std::string metrics_of(const RunDirectory& run);

// For standard output.
std::string closing(const RunDirectory& run, const Outcome& outcome, const RunView& view, const Terminal& out);

// For standard error, of a run that did not finish.
std::string failure(const RunDirectory& run, const Outcome& outcome, const Terminal& err);

}  // namespace fabric
