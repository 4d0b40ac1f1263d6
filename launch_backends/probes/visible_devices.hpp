// What CUDA_VISIBLE_DEVICES means, as CUDA reads it. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace fabric {

struct VisibleGpus {
  std::vector<std::size_t> order;  // positions in the full list; order[i] is CUDA's device i
  std::string problem;             // empty, or why the list is shorter than it was meant
};

// uuids: of all GPUs of the machine, GPU-..., in the order of the PCI bus; an empty one is never named by a UUID.
// Not set: all. Otherwise a comma-separated list of indices or of UUIDs, which may be cut short while they stay unique. The first
// entry that names no GPU ends the list (-1 does so on purpose, and an empty value hides all); an entry that
// is repeated empties it. Source: CUDA C++ Programming Guide, CUDA Environment Variables, and what PyTorch's device count was found to
// agree with.
VisibleGpus visible_devices(const std::optional<std::string>& variable, const std::vector<std::string>& uuids);

}  // namespace fabric
