// Where each value was written: path -> text, first and last byte. A check anywhere in the pipeline names a path, and only
// the printer asks this map for file, line and column.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/path.hpp"

namespace fabric {

// A text that a user wrote: a file, or an option such as --set devices=4, which is a source of its own so that a caret can point into it.
struct Source {
  enum class Kind { file, option };
  std::string name;  // as shown: job.yaml, or --set
  std::string text;
  Kind kind = Kind::file;
};

class Sources {
 public:
  std::uint32_t add(Source source);
  const Source& operator[](std::uint32_t id) const { return sources_[id]; }
  std::size_t size() const { return sources_.size(); }

 private:
  std::vector<Source> sources_;
};

// Bytes [begin, end) of one source.
struct Span {
  std::uint32_t source = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  friend auto operator<=>(const Span&, const Span&) = default;
};

// 1-based; the column counts code points, as a terminal and an editor show them.
struct Position {
  std::size_t line = 1;
  std::size_t column = 1;
};
Position position_of(std::string_view text, std::size_t offset);

// Where a value stands. key is absent for list elements and the root. computed: the value has no text of its own (Jsonnet
// computed it); value then covers the whole file, and a message shows the file and the path only.
struct Origin {
  std::optional<Span> key;
  Span value;
  bool computed = false;
};

class SourceMap {
 public:
  // Cheap if paths come in their order.
  void set(Path path, Origin origin) { origins_.insert_or_assign(origins_.end(), std::move(path), origin); }
  void erase_below(const Path& path);  // forgets path and everything under it
  const Origin* find(const Path& path) const;
  // The origin of path or of its nearest written ancestor; found receives which.
  const Origin* nearest(const Path& path, Path& found) const;
  const std::map<Path, Origin>& all() const { return origins_; }

 private:
  std::map<Path, Origin> origins_;
};

}  // namespace fabric
