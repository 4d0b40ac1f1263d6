// How a run came to its first step: when each stage of the start of its last attempt was reached, by the events of the run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/terminal.hpp"
#include "launch_backends/run_directory.hpp"
#include "schema/value.hpp"

namespace fabric {

struct StartStage {
  std::string name;                     // planned, agents ready, ranks started, first output, ranks met, first step
  double first = 0;                     // seconds since the command, or for a new start since that: by the first rank
  double last = 0;                      // by the last that reached it
  std::optional<std::int64_t> slowest;  // which that was, where several ranks reach it
};

class StartTimeline {
 public:
  // Of this run, by its plan.
  explicit StartTimeline(const RunDirectory& run);

  // Each event of the run, in order.
  void take(const std::string& kind, const Value& event);
  // Those that were reached, in this order.
  std::vector<StartStage> stages() const;

 private:
  bool trains_ = false;
  double begin_ = 0;
  // stage -> rank, -1 where none reached it by itself -> when first
  std::map<std::string, std::map<std::int64_t, double>> reached_;
};

// As a table; empty if no stage was reached.
std::string start_table(const std::vector<StartStage>& stages, const Terminal& terminal);
Value start_value(const std::vector<StartStage>& stages);

}  // namespace fabric
