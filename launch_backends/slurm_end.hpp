// What becomes of a run when its job ends before it does: whether SLURM has put the job back into the queue, why, and whether fabric does
// it itself where a node or an agent was lost that SLURM knows nothing of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launch_backends/launch_backend.hpp"
#include "launch_backends/restart_policy.hpp"
#include "launch_backends/run_directory.hpp"
#include "launch_backends/slurm_queue.hpp"

namespace fabric {

class SlurmEnd {
 public:
  // restarts: how often the job was put back before this start of it. output: the file that the batch script writes, in which SLURM says
  // why it ends a job; empty: not known. The references have to live as long as this.
  SlurmEnd(const RunDirectory& run, const Plan& plan, std::string job_id, std::int64_t restarts, std::string output);

  // For RunOptions::put_back. It asks SLURM, and so may take some seconds where that does not answer.
  std::optional<Value> put_back(Outcome& outcome);
  // Whether that is still to be done, by requeue_slurm_job.
  bool is_to_requeue() const { return is_to_requeue_; }
  // Whether it goes back since SLURM takes its nodes.
  bool is_preempted() const { return is_preempted_; }

 private:
  struct Reached : Progress {
    std::int64_t fruitless = 0;  // starts in a row that were lost and had come no further
  };
  void look_back(Reached& before, Reached& now) const;
  std::optional<SlurmFacts> facts_on(const Outcome& outcome) const;
  std::string cause() const;

  const RunDirectory& run_;
  const Plan& plan_;
  const std::string job_id_;
  const std::int64_t restarts_;
  const std::string output_;
  std::int64_t output_begin_ = 0;
  bool is_to_requeue_ = false;
  bool is_preempted_ = false;
};

}  // namespace fabric
