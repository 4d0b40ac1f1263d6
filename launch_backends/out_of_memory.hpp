// Whether the kernel has killed a process of this control group for want of memory, by the group's own counter.
#pragma once

#include <cstdint>
#include <optional>

namespace fabric {

// How often so far; nullopt where no counter can be read.
std::optional<std::int64_t> out_of_memory_kills();

}  // namespace fabric
