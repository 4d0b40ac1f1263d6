// The number formats of a run: what weights are kept in and what the forward pass computes in.
#pragma once

#include <ATen/core/Tensor.h>

#include "schema/job.hpp"

namespace fabric {

// 64-true: double; 32-true and bf16-mixed: float.
at::ScalarType weight_type(Precision precision);

// While it lives, the forward pass in this thread computes as the precision says: under bf16-mixed by autocast, whose rules are
// PyTorch's. A weight that was cast for one use is cast again for the next scope.
class ForwardPrecision {
 public:
  ForwardPrecision(Precision precision, at::DeviceType device);
  ~ForwardPrecision();
  ForwardPrecision(const ForwardPrecision&) = delete;
  ForwardPrecision& operator=(const ForwardPrecision&) = delete;

 private:
  bool autocast_;
  at::DeviceType device_;
};

}  // namespace fabric
