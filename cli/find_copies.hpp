// Whether srun or mpirun started this fabric several times. Each would start the whole job, and train it once more.
#pragma once

#include "schema/diagnostic.hpp"

namespace fabric {

// Reads the environment. Adds FAB5030: an error in every copy but the first, so that one run starts; a warning in the first, which may also
// be a shell that was started so and only inherited the variables.
void find_copies(Diagnostics& diagnostics);

}  // namespace fabric
