// The sources of a tree as the layering tests see them: paths, lines and includes. Nothing is preprocessed: an include counts wherever it
// stands, whatever #if is around it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fabric::layering {

struct Include {
  std::string target;   // as written, without its marks
  bool quoted = false;  // "..." rather than <...>
  int line = 0;
};

struct SourceFile {
  std::string path;  // from the root of the tree, with /
  std::vector<std::string> lines;
  std::vector<Include> includes;

  // A header and its source are one room: the path without its ending.
  std::string room() const { return path.substr(0, path.rfind('.')); }
  // "path:line", as compilers write it.
  std::string at(int line) const { return path + ":" + std::to_string(line); }
};

// All .cpp and .hpp files below the given folders of root, in the order of their paths. Folders that are not there hold no files.
std::vector<SourceFile> read_sources(const std::filesystem::path& root, const std::vector<std::string>& folders);

// The lines of a file, without their ends.
std::vector<std::string> read_lines(const std::filesystem::path& file);

}  // namespace fabric::layering
