#include "cli/unfinished_lines.hpp"

#include <algorithm>

namespace fabric {

bool UnfinishedLines::set(std::int64_t node, std::int64_t rank, std::string_view text, bool redraws, Clock::time_point now) {
  const auto [at, is_new] = lines_.try_emplace(rank);
  Line& line = at->second;
  line.node = node;
  line.text = text;
  line.changed = now;
  if (is_new) line.printed = now;
  if (!redraws || now - line.printed < apart) return false;
  line.printed = now;
  return true;
}

const std::pair<const std::int64_t, UnfinishedLines::Line>* UnfinishedLines::drawn(Clock::time_point now) const {
  const auto found = std::find_if(lines_.begin(), lines_.end(), [now](const auto& line) { return now - line.second.changed < fresh; });
  return found == lines_.end() ? nullptr : &*found;
}

}  // namespace fabric
