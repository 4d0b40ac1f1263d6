// The controller's pen: events to events.jsonl and to the observer, status to status.json.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "launch_backends/launch_backend.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {

class RunRecord {
 public:
  RunRecord(RunDirectory run, RunObserver& observer) : run_(std::move(run)), observer_(observer) {}

  const RunDirectory& directory() const { return run_; }
  RunStatus status;

  // Writes the first status and event. Throws std::system_error; then nothing was started.
  void open(Event started);
  // From here on a file that cannot be written does not end the run: the observer hears of it once.
  void event(const Event& event);
  void event(std::string kind, Value detail);
  void state(const std::string& state);
  void line(std::int64_t node, std::int64_t rank, std::string_view line) { observer_.on_line(node, rank, line); }
  void close(const Outcome& outcome);

 private:
  void cannot_write(const std::string& why);

  RunDirectory run_;
  RunObserver& observer_;
  std::map<std::int64_t, double> last_step_;  // rank -> time of the last step event that was written
  bool complained_ = false;
};

}  // namespace fabric
