// The kernel's way to write a set of numbers, 0-3,8,10-11: CPUs and NUMA nodes in /proc and /sys, ranks on the screen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabric {

// Ascending and without repetition; space around the text does not count, and an empty text is an empty set. nullopt if it is
// written in another way, or if a number is beyond any machine (65535).
std::optional<std::vector<std::int64_t>> parse_number_list(std::string_view text);

// 0-3,8,10-11 for ascending numbers.
std::string number_list_text(const std::vector<std::int64_t>& numbers);

}  // namespace fabric
