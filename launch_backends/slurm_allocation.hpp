// A job of SLURM in which this process stands already, as behind salloc, and a run on its nodes: conducted by this process, at once, as a
// run over ssh is, and not by a job of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "launch_backends/launch_backend.hpp"

namespace fabric {

struct SlurmAllocation {
  std::string job;                 // its number
  std::string nodes;               // as SLURM lists them: n[1-4]
  std::vector<std::int64_t> cpus;  // that the job has of each node, in their order
  bool in_step = false;            // this process is a task of it, as behind srun --pty
};

// What the variables of SLURM say, by name; nullptr: not there. Absent: this process is in no job.
std::optional<SlurmAllocation> slurm_allocation(const std::function<const char*(const char*)>& variable);

// Why the plan cannot run there.
void check_allocation(const Plan& plan, const std::optional<SlurmAllocation>& allocation, Diagnostics& diagnostics);

// Runs the plan to its end. self: the absolute path of this program, the same on the nodes. Throws as conduct() does.
Outcome conduct_in_allocation(const std::string& self, const Plan& plan, const SlurmAllocation& allocation, RunOptions options,
                              RunObserver& observer);

}  // namespace fabric
