#include "runtime/schedule.hpp"

#include <cmath>
#include <numbers>

namespace fabric {

double learning_rate(const Schedule& schedule, double lr, std::int64_t t, std::int64_t total) {
  const std::int64_t warmup = schedule.warmup_steps;
  if (t < warmup) return lr * static_cast<double>(t + 1) / static_cast<double>(warmup);
  const double progress = static_cast<double>(t - warmup) / static_cast<double>(total - warmup);
  switch (schedule.name) {
    case ScheduleName::constant: return lr;
    case ScheduleName::linear: return lr * (1 - progress);
    case ScheduleName::cosine: return lr * (1 + std::cos(std::numbers::pi * progress)) / 2;
  }
  return lr;
}

}  // namespace fabric
