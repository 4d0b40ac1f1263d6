// Shows a run that another process carries out, or a job of a cluster, from its files.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "cli/rank_filter.hpp"
#include "cli/run_view.hpp"
#include "launch_backends/run_standing.hpp"

namespace fabric {

// Where the run stands, asked as often as it is worth: here at each turn, a scheduler now and then.
class StandingWatch {
 public:
  explicit StandingWatch(const RunDirectory& run) : run_(run) {}
  // soon: the end is expected.
  const RunStanding& look(bool soon = false);

 private:
  const RunDirectory& run_;
  RunStanding found_;
  bool alive_ = false;  // at the last look
  std::optional<std::chrono::steady_clock::time_point> asked_;
  std::chrono::steady_clock::duration apart_{};
};

struct Following {
  std::size_t tail = 10;  // lines of what each rank has printed before
  bool stops = false;     // Ctrl-C and SIGTERM stop the run, and a second one kills; else Ctrl-C leaves
};

struct FollowEnd {
  bool ended = false;  // the run; else the user has left
  int stopped_by = 0;  // the signal by which the user has told it to stop; 0: did not
};

// Shows what happens until the run has ended or the user leaves. Takes SIGINT, and where it stops the run SIGTERM, for itself.
FollowEnd follow_run(const RunDirectory& run, RunView& view, RankFilter filter, const Following& how);

}  // namespace fabric
