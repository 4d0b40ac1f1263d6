// The limits that the kernel holds this process to, by the rows of /proc/self/limits.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "launch_backends/probes/probe_root.hpp"

namespace fabric {

constexpr std::uint64_t unlimited = UINT64_MAX;

struct SoftAndHard {
  std::uint64_t soft = 0;  // in force; the process may raise it up to hard
  std::uint64_t hard = 0;
};

// row as the kernel writes it, Max open files. In the unit of that row. nullopt if it is not there or is no number.
std::optional<SoftAndHard> resource_limit(const ProbeRoot& root, std::string_view row);

}  // namespace fabric
