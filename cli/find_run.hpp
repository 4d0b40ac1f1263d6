// A run by what a user calls it.
#pragma once

#include "cli/command.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {

// The operand: the folder of a run, the folder of all runs of a name (then the last one), NAME, or NAME/ID below --runs. Throws
// UsageError that names what there is.
RunDirectory find_run(const Arguments& arguments);

}  // namespace fabric
