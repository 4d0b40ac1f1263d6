// An array of SLURM: one script that SLURM starts once for each of some indices, each of them a run of its own. RUN is what was submitted;
// RUN_3, beside it, is the run of index 3, which its batch script makes when it begins.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch_backends/slurm_queue.hpp"

namespace fabric {

// Of slurm.array, as it is written: 0-9:3,12%2 -> 0 3 6 9 12, each once, in order.
std::vector<std::int64_t> indices_of_array(const std::string& written);

// These indices only, in order, as ranges where they can be, with as many at a time as are written: 3,12-30:3%2.
std::string array_of(const std::vector<std::int64_t>& indices, const std::string& written);

// The folder of the run of an index.
std::string run_of_index(const std::string& run, std::int64_t index);

// The folder of the run that the batch script carries out which was submitted from this folder and is the one of this index: made if it is
// not there yet. Throws std::system_error.
std::string take_run_of_index(const std::string& folder, std::int64_t index);

}  // namespace fabric
