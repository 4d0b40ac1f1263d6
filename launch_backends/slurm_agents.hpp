// The agents of a run on the nodes of a job of SLURM that has begun: how they are started, and what holds for a run there whoever conducts
// it, the job's own batch script or a process of the user's in an allocation.
#pragma once

#include <string>

#include "launch_backends/attempt.hpp"
#include "launch_backends/launch_backend.hpp"

namespace fabric {

// One task a node, each its agent, by one srun, in the environment of a job of SLURM. self: the absolute path of this program on the
// nodes; run: the folder of the run.
Carrier agents_by_srun(const std::string& self, const Plan& plan, const std::string& run);

// What of a run is as SLURM has it: the address of the first node, the GPUs of the job, the lease, the container. nodes: of the job, as
// SLURM lists them.
void take_options_of_job(const Plan& plan, const std::string& nodes, RunOptions& options);

// Seconds after which a run of the job stops in order, so that its ranks have their grace before SLURM ends them; absent: no limit.
std::optional<double> time_for_ranks(const Plan& plan, const std::string& job_id);

// Takes from the own environment what would make srun label or cut the words of the agents, or start them otherwise.
void clear_variables_of_srun();

// Runs slurm.teardown, if there is some, in the folder of the run, and waits for it. out: what it prints goes to this descriptor. Returns
// how it ended in words; empty: well.
std::string run_teardown(const Plan& plan, const std::string& run, int out);

}  // namespace fabric
