// A job file and the folder in which it is applied on a SLURM cluster for tests, and what its run has left there.
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schema/json.hpp"
#include "tests/clusters/slurm_cluster.hpp"

namespace fabric::testing {

inline const std::string fabric_program = std::string(FABRIC_BINARY_DIR) + "/bin/fabric";

inline std::string said(const ProgramResult& result) { return result.output + "--- stderr\n" + result.errors; }

// Suite: a ForSuite<SlurmCluster>. among: what the names of folders begin with, where several processes make some.
template <class Suite>
class SlurmTestJob {
 public:
  explicit SlurmTestJob(const std::string& text, const std::string& among = "job") {
    folder_ = Suite::cluster().home() / (among + '-' + std::to_string(++number));
    std::filesystem::create_directories(folder_);
    write("job.yaml", "fabric: 1\nname: job\naccelerator: cpu\nbackend: slurm\nthreads: 1\n" + text);
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name, std::ios::binary) << text; }
  std::filesystem::path folder() const { return folder_; }
  std::filesystem::path run() const { return std::filesystem::canonical(folder_ / "runs/job/latest"); }
  std::string log(int node, int rank) const {
    return read_text(run() / "nodes" / std::to_string(node) / ("rank-" + std::to_string(rank) + ".log"));
  }

  Inside inside() const {
    return {.folder = folder_.string(), .variables = {"NO_COLOR=1", "COLUMNS=200"}, .limit = std::chrono::seconds(90)};
  }
  static std::vector<std::string> line(std::vector<std::string> words) {
    words.insert(words.begin(), fabric_program);
    return words;
  }
  ProgramResult fabric(std::vector<std::string> words) const { return Suite::cluster().exec(line(std::move(words)), inside()); }
  Value status(const std::string& name = "job") const {
    const ProgramResult result = fabric({"status", name, "--format", "json"});
    const std::optional<Value> value = read_json(result.output);
    BOOST_REQUIRE_MESSAGE(value, result.output + result.errors);
    return *value;
  }
  // What its batch script has printed.
  std::string script_output() const { return read_text(run() / ("slurm-" + job_id() + ".out")); }
  std::string job_id() const { return read_json(read_text(run() / "job.json"))->find("id")->as_string(); }
  std::string state() const { return status().find("state")->as_string(); }
  std::string message() const { return status().find("message")->as_string(); }

 private:
  inline static int number = 0;
  std::filesystem::path folder_;
};

}  // namespace fabric::testing
