#include "schema/source_map.hpp"

#include <algorithm>

namespace fabric {

std::uint32_t Sources::add(Source source) {
  sources_.push_back(std::move(source));
  return static_cast<std::uint32_t>(sources_.size() - 1);
}

Position position_of(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  Position at;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < offset; ++i) {
    if (text[i] == '\n') {
      ++at.line;
      line_start = i + 1;
    }
  }
  for (std::size_t i = line_start; i < offset; ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) ++at.column;
  return at;
}

void SourceMap::erase_below(const Path& path) {
  // A path sorts right before everything under it.
  auto it = origins_.lower_bound(path);
  while (it != origins_.end() && it->first.starts_with(path)) it = origins_.erase(it);
}

const Origin* SourceMap::find(const Path& path) const {
  const auto it = origins_.find(path);
  return it == origins_.end() ? nullptr : &it->second;
}

const Origin* SourceMap::nearest(const Path& path, Path& found) const {
  for (found = path;; found = found.parent()) {
    if (const Origin* origin = find(found)) return origin;
    if (found.empty()) return nullptr;
  }
}

}  // namespace fabric
