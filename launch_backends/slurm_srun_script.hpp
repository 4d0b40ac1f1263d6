// The shape `srun` of a batch script: one task of srun a rank and a few lines of bash that make it one, for clusters whose nodes have no
// fabric. A rank gets the same arguments, variables and folder as from an agent; what nobody is there to do is told before.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "launch_backends/batch_lines.hpp"
#include "schema/plan.hpp"

namespace fabric {

// What follows the directives and the setup: starts the ranks, keeps status.json and events.jsonl, and leaves with the exit code of srun.
void srun_script(const Plan& plan, BatchLines& out);

// What the job would have from an agent, and not from this shape; one sentence each, without a full stop.
std::vector<std::string> srun_cannot_promise(const Plan& plan);

// A variable of this name cannot be given to a rank: bash keeps it for itself.
bool is_kept_by_bash(std::string_view name);

// Bytes of what each task of srun is told to do to become its rank, its arguments and variables included, quoted as they are.
std::size_t size_of_srun_task(const Plan& plan);

}  // namespace fabric
