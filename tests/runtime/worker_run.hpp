// Runs fabric-worker as its agent would, with a plan made by hand, and reads what it left behind.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/plan.hpp"

namespace fabric::test {

// A plan that trains on `ranks` CPU ranks with one thread each: mlp of width 2, AdamW, one epoch, micro-batches of 16.
Plan training_plan(const std::string& data, std::int64_t ranks);

class WorkerRun {
 public:
  // folder: the run directory; it exists. Kills what still runs at its end.
  WorkerRun(std::string folder, const Plan& plan);
  ~WorkerRun();
  WorkerRun(const WorkerRun&) = delete;

  // Starts all ranks; extra variables win over those of the contract, and an empty one is unset.
  void start(const std::string& resume_from = "", const std::map<std::string, std::string>& extra = {});
  // Exit codes by rank, 128 + n for a signal. A rank that takes longer than a minute is killed.
  std::vector<int> wait();
  std::vector<int> run(const std::string& resume_from = "") {
    start(resume_from);
    return wait();
  }
  void signal(std::size_t rank, int number) const;
  // Waits until rank 0 has told an event of this kind that fulfils the condition; false after a minute.
  bool wait_for_event(const std::string& kind, const std::function<bool(const nlohmann::json& detail)>& condition) const;

  std::string folder() const { return folder_; }
  std::string stop_file() const { return folder_ + "/stop"; }
  std::string log(std::size_t rank = 0) const;                                              // what it printed
  std::vector<nlohmann::json> metrics() const;                                              // rows of metrics.jsonl
  std::vector<double> losses() const;                                                       // of the rows a step
  std::vector<nlohmann::json> events(const std::string& kind, std::size_t rank = 0) const;  // their details
  std::vector<std::string> checkpoints() const;                                             // paths, oldest first

 private:
  std::string events_path(std::size_t rank) const { return folder_ + "/events-" + std::to_string(rank) + ".jsonl"; }
  std::string log_path(std::size_t rank) const { return folder_ + "/rank-" + std::to_string(rank) + ".log"; }

  std::string folder_;
  std::size_t ranks_;
  std::vector<pid_t> pids_;
};

// The bytes of all tensors of a checkpoint: weights and what the optimizer remembers.
std::string tensor_bytes(const std::string& checkpoint);

}  // namespace fabric::test
