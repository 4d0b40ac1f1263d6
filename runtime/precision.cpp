#include "runtime/precision.hpp"

#include <ATen/autocast_mode.h>

namespace fabric {

at::ScalarType weight_type(Precision precision) { return precision == Precision::fp64_true ? at::kDouble : at::kFloat; }

ForwardPrecision::ForwardPrecision(Precision precision, at::DeviceType device)
    : autocast_(precision == Precision::bf16_mixed), device_(device) {
  if (!autocast_) return;
  at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::increment_nesting();
}

ForwardPrecision::~ForwardPrecision() {
  if (!autocast_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, false);
}

}  // namespace fabric
