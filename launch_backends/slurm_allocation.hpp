// A job of SLURM in which this process stands already, as behind salloc, and a run on its nodes: conducted by this process, at once, as a
// run over ssh is, and not by a job of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launch_backends/agent_link.hpp"
#include "launch_backends/launch_backend.hpp"

namespace fabric {

struct SlurmAllocation {
  std::string job;                 // its number
  std::string nodes;               // as SLURM lists them: n[1-4]
  std::vector<std::int64_t> cpus;  // that the job has of each node, in their order
  bool in_step = false;            // this process is a task of it, as behind srun --pty
  bool heterogeneous = false;      // it is of several jobs, and nothing else of it is known
  // What SLURM says of it.
  std::string state;                 // RUNNING, ...; empty: it does not answer
  std::string partition;             // empty: not known
  std::optional<std::int64_t> gpus;  // that it has of each node at least; absent: not known

  bool has_ended() const { return !state.empty() && state != "RUNNING"; }
};

// What the variables of SLURM say, by name; nullptr: not there. Absent: this process is in no job.
std::optional<SlurmAllocation> slurm_allocation(const std::function<const char*(const char*)>& variable);

// Asks SLURM for the rest, some milliseconds where it is well and up to five seconds where it is not.
void ask_about_allocation(SlurmAllocation& allocation);
// What `scontrol --oneliner --details show job` says of it.
void read_allocation(std::string_view text, SlurmAllocation& allocation);

// Of nodes that SLURM describes what the allocation has of them; of GPUs where the job leaves them open: what it writes is checked.
Hardware hardware_in_allocation(const JobSpec& job, const SlurmAllocation& allocation, Hardware nodes);

// Why the plan cannot run there.
void check_allocation(const Plan& plan, const std::optional<SlurmAllocation>& allocation, Diagnostics& diagnostics);

// How its agents are started. run: the folder of the run; empty: there is none yet.
Carrier agents_in_allocation(const std::string& self, const Plan& plan, const SlurmAllocation& allocation, const std::string& run);

// Runs the plan to its end. self: the absolute path of this program, the same on the nodes. Throws as conduct() does.
Outcome conduct_in_allocation(const std::string& self, const Plan& plan, const SlurmAllocation& allocation, RunOptions options,
                              RunObserver& observer);

}  // namespace fabric
