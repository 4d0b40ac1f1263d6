// Which GPUs a run takes, decided when it starts: idle ones first. Who holds the others is told; it is never part of a plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"
#include "schema/plan.hpp"

namespace fabric {

// Whether any rank computes on a GPU.
bool uses_gpus(const Plan& plan);

// The GPUs that each node's ranks get where the plan leaves them open, by Gpu::index; empty where there is nothing to choose. With too
// few idle ones an error names who holds the others (FAB5010); holders of a GPU that the user named are a warning (FAB5011).
std::vector<std::int64_t> choose_gpus(const Plan& plan, const std::vector<Occupancy>& occupancy, Diagnostics& diagnostics);

// GPU 0: python train.py of ada, process 4711, 12.3 GiB
std::vector<std::string> holders_in_words(const std::vector<Occupancy>& occupancy);

}  // namespace fabric
