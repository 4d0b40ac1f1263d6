// The learning rate of each optimizer step.
#pragma once

#include <cstdint>

#include "schema/job.hpp"

namespace fabric {

// The rate of the 0-based step t of `total`, for a peak rate lr and w = warmup_steps:
//
//   t < w      lr (t + 1) / w                         warm-up: step w - 1 is the first at lr
//   constant   lr
//   linear     lr (1 - (t - w) / (total - w))         torch.optim.lr_scheduler.LinearLR(1, 0, total - w)
//   cosine     lr (1 + cos(pi (t - w) / (total - w))) / 2        CosineAnnealingLR(total - w)
//
// So linear and cosine start at lr and would reach 0 at step `total`, which is never made: no step is wasted on a rate of 0.
double learning_rate(const Schedule& schedule, double lr, std::int64_t t, std::int64_t total);

}  // namespace fabric
