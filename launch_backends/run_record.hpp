// The controller's pen: events to events.jsonl and to the observer, status to status.json.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "launch_backends/descriptor.hpp"
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
  void line(std::int64_t node, std::int64_t rank, std::string_view line);
  void unfinished(std::int64_t node, std::int64_t rank, std::string_view text, bool redraws) {
    observer_.on_unfinished(node, rank, text, redraws);
  }
  void tick() { observer_.on_tick(); }
  void close(const Outcome& outcome);
  // Instead of close: the run goes on by another start, the next attempt, and is in the queue of a scheduler until then.
  void put_back(Value detail);

  // The logs of a node that has a disk of its own are kept here too, as they are heard.
  void keep_copies_of(std::int64_t node) { copied_nodes_.insert(node); }
  // Where the log of a rank begins for an attempt that starts now; told: as its agent counts.
  std::int64_t log_begin(std::int64_t node, std::int64_t rank, std::int64_t told) const;

 private:
  void cannot_write(const std::string& why);

  RunDirectory run_;
  RunObserver& observer_;
  void write_held_step(std::int64_t rank);

  std::map<std::int64_t, Event> held_steps_;  // the last of a rank, where it came too soon after one that was written
  std::map<std::int64_t, double> last_step_;  // rank -> time of the last step event that was written
  std::set<std::int64_t> copied_nodes_;
  std::map<std::int64_t, FileDescriptor> copies_;  // rank -> its log
  bool complained_ = false;
};

// The end of an attempt that nobody could begin to carry out. Throws std::system_error if it cannot be written.
Outcome refuse_attempt(const RunDirectory& run, std::int64_t attempt, const std::string& why);
// The same, where a signal has ended it before it began.
Outcome stop_attempt(const RunDirectory& run, std::int64_t attempt, int signal);

// What a run came to, as its folder tells it: what its controller was told by close; 125 where nobody wrote an end.
Outcome outcome_of(const RunDirectory& run, const RunStatus& status);

}  // namespace fabric
