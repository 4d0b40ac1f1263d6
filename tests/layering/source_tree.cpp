#include "tests/layering/source_tree.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace fabric::layering {
namespace fs = std::filesystem;

namespace {

// #include "x" or # include <x>; anything else is no include.
bool read_include(std::string_view line, Include& include) {
  auto skip_blanks = [&] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
  skip_blanks();
  if (!line.starts_with('#')) return false;
  line.remove_prefix(1);
  skip_blanks();
  if (!line.starts_with("include")) return false;
  line.remove_prefix(7);
  skip_blanks();
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return false;
  include.quoted = line[0] == '"';
  const auto end = line.find(include.quoted ? '"' : '>', 1);
  if (end == std::string_view::npos) return false;
  include.target = line.substr(1, end - 1);
  return true;
}

}  // namespace

std::vector<std::string> read_lines(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<SourceFile> read_sources(const fs::path& root, const std::vector<std::string>& folders) {
  std::vector<SourceFile> files;
  for (const auto& folder : folders) {
    if (!fs::is_directory(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const auto ending = entry.path().extension();
      if (!entry.is_regular_file() || (ending != ".cpp" && ending != ".hpp")) continue;
      SourceFile file{.path = entry.path().lexically_relative(root).generic_string(), .lines = read_lines(entry.path()), .includes = {}};
      for (int line = 1; const auto& text : file.lines) {
        if (Include include; read_include(text, include)) {
          include.line = line;
          file.includes.push_back(include);
        }
        ++line;
      }
      files.push_back(std::move(file));
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

}  // namespace fabric::layering
