#include "cli/live_block.hpp"

namespace fabric {

// The cursor is left at the end of the last line.
std::string LiveBlock::to_top() const { return rows_ > 1 ? "\r\x1b[" + std::to_string(rows_ - 1) + 'A' : "\r"; }

std::string LiveBlock::drawing(const std::vector<std::string>& lines) const {
  std::string text = to_top();
  for (std::size_t i = 0; i < lines.size(); ++i) text += (i > 0 ? "\r\n" : "") + lines[i] + "\x1b[K";
  return lines.size() < rows_ ? text + "\x1b[J" : text;
}

std::string LiveBlock::erasing() const { return to_top() + (rows_ > 1 ? "\x1b[J" : "\x1b[K"); }

}  // namespace fabric
