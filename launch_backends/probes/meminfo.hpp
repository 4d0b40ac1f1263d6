// The tables of memory that the kernel prints, of the machine and of a NUMA node.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fabric {

// Bytes of the row MemTotal in the text of /proc/meminfo or of node*/meminfo, where "Node 0 " stands before it.
std::optional<std::int64_t> total_memory(std::string_view meminfo);

}  // namespace fabric
