// `fabric batch`: the controller of a run inside its batch script, which becomes it. It conducts the run of the folder it is started in
// over the nodes of the allocation, whose agents one srun starts, and leaves with the run's exit code.
#pragma once

#include <string>

namespace fabric {

// self: the absolute path of this program.
int slurm_batch_main(const std::string& self);

}  // namespace fabric
