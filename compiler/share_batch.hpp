// How a global batch is shared out over ranks and over time: batch_size = micro_batch_size x accumulation x ranks.
#pragma once

#include <cstdint>
#include <optional>

#include "schema/diagnostic.hpp"
#include "schema/job.hpp"

namespace fabric {

struct BatchShares {
  std::int64_t micro_batch_size = 0;  // samples of one rank in one pass
  std::int64_t accumulation = 1;      // passes before a step
};

// The shares of each of world_size ranks; what is written stands, and `auto` takes what is left. If no whole numbers fit, says why
// (FAB3020, FAB3023) and returns nullopt.
std::optional<BatchShares> share_batch(const Train<Spec>& train, std::int64_t world_size, Diagnostics& diagnostics);

// The number of ranks, where the job says it whatever the machine.
std::optional<std::int64_t> written_world_size(const JobSpec& job);

}  // namespace fabric
