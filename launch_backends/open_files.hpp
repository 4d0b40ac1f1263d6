// How many files the agent may have open: it follows two of each rank. It takes for itself what the hard limit allows, and leaves its
// ranks the limit that the user has set.
#pragma once

#include <cstdint>

namespace fabric {

// Raises the soft limit of this process as far as it may, and returns what it was. Throws std::runtime_error with the way out if that
// is too little for an agent of so many ranks.
std::uint64_t raise_open_files(std::int64_t ranks);

}  // namespace fabric
