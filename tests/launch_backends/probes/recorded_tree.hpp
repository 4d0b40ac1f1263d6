// A root folder for a probe: files from a table, in a temporary folder that goes with the object.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "launch_backends/probes/probe_root.hpp"

namespace fabric::test {

using Files = std::vector<std::pair<std::string, std::string>>;

class RecordedTree {
 public:
  explicit RecordedTree(const Files& files = {}) {
    std::string pattern = (std::filesystem::temp_directory_path() / "fabric-tree-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
    for (const auto& [name, text] : files) write(name, text);
  }
  ~RecordedTree() { std::filesystem::remove_all(path_); }
  RecordedTree(const RecordedTree&) = delete;
  RecordedTree& operator=(const RecordedTree&) = delete;

  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = path_ + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  const std::string& path() const { return path_; }
  // GPUs are not looked at unless a test says otherwise.
  ProbeRoot root() const { return {.path = path_, .nvml = "", .cuda = {}}; }

 private:
  std::string path_;
};

inline std::string codes(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& d : diagnostics.all()) out += (out.empty() ? "" : " ") + d.code;
  return out;
}

}  // namespace fabric::test
