// A run by what a user calls it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/command.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {

// The operand: the folder of a run, the folder of all runs of a name (then the last one), NAME, or NAME/ID below --runs. Throws
// UsageError that names what there is.
RunDirectory find_run(const Arguments& arguments);

// Its folder, by the same words below the folder of all runs; absent if there is none. NAME_3, or a path that ends so, is of the last
// array of that name the run of index 3: throws UsageError where that index has not begun, and so has no run yet.
std::optional<std::string> folder_of_run(const std::string& asked, const std::string& runs);

// Of the last array of a name an index that SLURM has not begun, by NAME_3 or a path that ends so.
struct WaitingTask {
  std::string array;  // its folder
  std::int64_t index = 0;
};
std::optional<WaitingTask> find_waiting_task(const std::string& asked, const std::string& runs);

// The plan of a run. Throws UsageError.
Plan plan_of(const RunDirectory& run);

}  // namespace fabric
