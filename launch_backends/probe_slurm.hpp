// Asks SLURM what its cluster is made of, by its own programs, in less than five seconds whatever they do. The machine on which this
// runs is a login node and is not looked at.
#pragma once

#include <chrono>
#include <optional>

#include "launch_backends/probes/slurm.hpp"
#include "schema/diagnostic.hpp"

namespace fabric {

// SLURM's programs give up on a controller that is not there after 4.0 s, and say so: they are given a little longer.
inline constexpr std::chrono::milliseconds slurm_time_limit{4500};

// What the cluster is made of. nullopt, with an error that names the command, what it said and a way out (FAB4040 to FAB4042), if SLURM
// does not tell within time_limit in all. The cluster's name and version are left open where they alone cannot be had.
std::optional<SlurmCluster> ask_slurm(Diagnostics& diagnostics, std::chrono::milliseconds time_limit = slurm_time_limit);

}  // namespace fabric
