// A job in a folder of its own that all nodes of a cluster see, and what is left of its run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "schema/json.hpp"
#include "tests/clusters/cluster.hpp"

namespace fabric::testing {

class AppliedJob {
 public:
  // name: of its folder, anything that is a file's name.
  AppliedJob(const Cluster& cluster, const std::string& name, const std::string& text) : cluster_(cluster), folder_(cluster.home() / name) {
    std::filesystem::create_directories(folder_);
    write_text(folder_ / "job.yaml", "fabric: 1\nname: job\naccelerator: cpu\nthreads: 1\n" + text);
  }

  void write(const std::string& file, const std::string& text) const { write_text(folder_ / file, text); }
  // What a shell runs before `fabric` takes its place.
  void as_called_by(std::string lines) { caller_ = std::move(lines); }

  ProgramResult fabric(std::vector<std::string> words) const {
    words.insert(words.begin(), {"bash", "-c", caller_ + "exec \"$@\"", "bash", FABRIC_BINARY_DIR "/bin/fabric"});
    return cluster_.exec(std::move(words), inside());
  }
  Inside inside() const {
    return {.folder = folder_.string(), .variables = {"NO_COLOR=1", "COLUMNS=200"}, .input = "", .limit = std::chrono::seconds(90)};
  }

  const std::filesystem::path& folder() const { return folder_; }
  // The newest run below this folder.
  std::filesystem::path run(const std::string& runs = "runs") const { return std::filesystem::canonical(folder_ / runs / "job/latest"); }

 private:
  const Cluster& cluster_;
  std::filesystem::path folder_;
  std::string caller_;
};

inline std::string said(const ProgramResult& result) { return result.status.str() + '\n' + result.output + "--- stderr\n" + result.errors; }

inline std::string rank_log(const std::filesystem::path& run, int node, int rank) {
  return read_text(run / "nodes" / std::to_string(node) / ("rank-" + std::to_string(rank) + ".log"));
}

}  // namespace fabric::testing
