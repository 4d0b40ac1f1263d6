// A plan becomes a run: what `apply` and `resume` have in common. Shows the run while it goes on and sums it up at its end.
#pragma once

#include <optional>
#include <string>

#include "cli/planning.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {

struct RunStart {
  std::int64_t attempt = 0;
  std::optional<std::string> resume_path;
  std::vector<std::int64_t> device_ids;  // where the plan leaves them open
  std::vector<std::string> remarks;      // for the head of what is printed
};

// planning is good, and run holds its plan. Returns the exit code of the run.
int carry_out(const Invocation& invocation, Planning& planning, const RunDirectory& run, const RunStart& start);

// Makes a run of the plan below the folder runs, and carries it out; or says why not. Returns the exit code. detach: another process
// carries it out, which outlives this one and its terminal; returns when its ranks run, or with the code of a run that ended before.
int start_run(const Invocation& invocation, Planning& planning, const std::string& runs, bool detach = false);

// Looks at who uses the GPUs now and chooses idle ones; what stands in the way goes to planning's diagnostics, which are then errors.
std::vector<std::int64_t> take_gpus(Planning& planning);

// Prints why nothing was started; returns ExitCode::refused.
int refuse_to_run(const Invocation& invocation, const Compilation& compilation);

// Adds one error that stands at no place in a file, and refuses.
int refuse_to_run(const Invocation& invocation, std::string code, std::string message, std::string help);

}  // namespace fabric
