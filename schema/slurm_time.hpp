// Times as SLURM writes and takes them. There is no other reader of them in fabric.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fabric {

// Seconds of D-HH:MM:SS, D-HH:MM, D-HH, HH:MM:SS, MM:SS or MM. Nothing for UNLIMITED, NOT_SET, INVALID and whatever else is no time.
std::optional<std::int64_t> slurm_seconds(std::string_view text);

}  // namespace fabric
