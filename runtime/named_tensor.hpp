// A tensor and the name by which PyTorch and a checkpoint know it. Copies share the tensor's memory.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace fabric {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

}  // namespace fabric
