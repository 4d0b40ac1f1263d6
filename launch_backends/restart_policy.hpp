// Whether a run that failed starts again, when, and why not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "launch_backends/launch_backend.hpp"
#include "launch_backends/process.hpp"
#include "schema/job.hpp"

namespace fabric {

// How far a run has come: what it told of itself. A later attempt that comes no further has made no progress.
struct Progress {
  std::optional<std::int64_t> step;
  std::string checkpoint;  // the path of the newest
  double written = 0;      // when, seconds since the epoch; 0: not known
  // A later step, or a later checkpoint.
  bool is_further_than(const Progress& best) const;
};

class RestartPolicy {
 public:
  // so_far: what was there before the first attempt, and is no progress of it.
  explicit RestartPolicy(const Restart& rules, Progress so_far = {}) : rules_(rules), best_(std::move(so_far)) {}

  struct Verdict {
    bool restart = false;
    double wait = 0;  // seconds before the new start
    std::string why;  // of a restart: what it follows; else why there is none, empty if none was asked for
  };
  // After an attempt: how it ended, how the culprit did, and how far it came.
  Verdict judge(const Outcome& outcome, const std::optional<ExitStatus>& culprit, const Progress& progress);

 private:
  bool fits(const RestartRule& rule, const Outcome& outcome, const ExitStatus& culprit) const;

  const Restart& rules_;
  std::int64_t restarts_ = 0;
  std::int64_t fruitless_ = 0;  // failures in a row without progress
  Progress best_;
};

}  // namespace fabric
