// What a cluster would never give: SLURM takes many such jobs and lets them wait for ever.
#pragma once

#include "launch_backends/probes/slurm.hpp"
#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"
#include "schema/job.hpp"

namespace fabric {

// Compares what a job with a `slurm` section asks for with its partitions and their nodes (hardware, as hardware_of has it): nodes, time,
// account. Of several partitions one has to fit. FAB5211 to FAB5214.
void check_slurm_limits(const SlurmCluster& cluster, const JobSpec& job, const Hardware& hardware, Diagnostics& diagnostics);

}  // namespace fabric
