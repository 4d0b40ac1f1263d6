// What a plan asks of SLURM: CPUs, GPUs, time to stop, a file for the batch script to write into.
#pragma once

#include <cstdint>
#include <string>

#include "schema/plan.hpp"

namespace fabric {

// How long before the end of its time SLURM is asked to say so, beyond the job's own grace: it keeps time by a clock of 30 seconds.
constexpr double slurm_warning = 60;  // seconds
// What is left between the end of the grace and the end of the time, for ranks that do not leave to be killed and for what they left.
constexpr double slurm_margin = 30;  // seconds

// CPUs of each rank.
std::int64_t slurm_cpus_per_rank(const Plan& plan);
// Of all ranks of a node.
std::int64_t slurm_cpus_per_node(const Plan& plan);

// What --gres of srun and sbatch says: gpu:h100:4, and behind it what slurm.directives asks for beside. Empty: nothing.
std::string slurm_gres(const Plan& plan);
// Whether one of a list of resources, as in gpu:4,nvme:100, is of GPUs, for which a job has fields of its own.
bool asks_for_gpus(const std::string& gres);

// Where the batch script writes, as sbatch's pattern.
std::string slurm_output(const Plan& plan);
// Its folder, absolute: without it SLURM would end the job before it begins. Empty: the folder of the run.
std::string slurm_output_folder(const Plan& plan);

}  // namespace fabric
