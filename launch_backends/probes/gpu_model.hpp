// What a name alone says of a GPU, for where there is no driver to ask: a scheduler's word such as a100, nvidia_h100_80gb_hbm3 or
// a100_2g.10gb. A word that is not known says nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fabric {

struct GpuModel {
  bool of_another_make = false;               // AMD's or Intel's: nothing for CUDA
  std::optional<std::int64_t> compute_major;  // CUDA compute capability
  std::optional<std::int64_t> compute_minor;
  std::optional<std::int64_t> memory_bytes;  // as the name has it: 80gb
};

GpuModel gpu_model(std::string_view name);

}  // namespace fabric
