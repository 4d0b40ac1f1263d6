// Did you mean: the candidate nearest to a mistyped word.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabric {

// Insertions, deletions, substitutions and swaps of neighbours that turn a into b (optimal string alignment), letters' case ignored.
std::size_t spelling_distance(std::string_view a, std::string_view b);

// The nearest candidate, if it is near enough to be what was meant: at most a third of its length, at least one and at most
// three edits away. Of equally near ones the first.
std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace fabric
