// A run on disk, runs/NAME/UTC-TIME-6HEX: plan.json, status.json, events.jsonl, checkpoints/, metrics.*, nodes/K/rank-N.log.
// One writer a place: the controller writes here, the agent of node K below nodes/K. Whole files are replaced by rename, so a
// reader never sees half of one; events.jsonl is append-only, one line a write.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "schema/binding.hpp"
#include "schema/event.hpp"
#include "schema/plan.hpp"

namespace fabric {

// status.json: where the run stands.
struct RunStatus {
  std::string state;  // starting, running, stopping, restarting, finished, failed, stopped, refused, lost
  std::int64_t attempt = 0;
  std::int64_t controller_pid = 0;
  double started = 0;  // seconds since the epoch
  std::optional<double> ended;
  std::optional<std::int64_t> exit_code;
  std::string message;  // what died first; empty while all is well
  static constexpr auto fields() {
    return std::tuple(field("state", &RunStatus::state), field("attempt", &RunStatus::attempt),
                      field("controller_pid", &RunStatus::controller_pid), field("started", &RunStatus::started),
                      field("ended", &RunStatus::ended), field("exit_code", &RunStatus::exit_code), field("message", &RunStatus::message));
  }
};

// A checkpoint that was passed over, and why.
struct SkippedCheckpoint {
  std::string path;
  std::string why;
};

// A run below a folder of runs, as a list shows it.
struct RunSummary {
  std::string path;  // absolute
  std::string id;    // NAME/<id>
  RunStatus status;  // `lost` where nobody conducts it and no end was written
};

class RunDirectory {
 public:
  // Makes runs/NAME/<id>, writes plan.json and points runs/NAME/latest at it. Throws std::runtime_error with the path in
  // its text.
  static RunDirectory create(const std::string& runs, const std::string& name, const Plan& plan);
  // An existing run by its path, `latest` link included. Throws std::system_error where there is none.
  static RunDirectory open(const std::string& path);
  RunDirectory(RunDirectory&&) noexcept;
  RunDirectory& operator=(RunDirectory&&) noexcept;
  ~RunDirectory();

  const std::string& path() const { return path_; }  // absolute, links resolved
  std::string id() const;                            // NAME/<id>

  // Whether a process conducts the run now.
  bool is_alive() const;

  // The process that conducts it, as it says itself; 0 if that is not known.
  std::int64_t holder() const;

  // Marks the run as living until this object (or its process) ends; a kernel lock, so a killed controller leaves none behind.
  // False if another process holds it.
  bool lock();
  // After a fork: the lock is held by this process from now on.
  void take_over_lock() const;

  std::string plan_text() const;
  // Throws std::runtime_error where it cannot be read.
  RunStatus status() const;
  // Each event that was written, in order; lines that are none, such as a torn last one, are passed over. Throws std::system_error where
  // there are events that cannot be read.
  void each_event(const std::function<void(const std::string& kind, const Value& event)>& visit) const;
  // What can be said without it, by the events: the last attempt that was begun, and how it ended; lost if that is not said.
  RunStatus status_by_events() const;
  void write_status(const RunStatus& status) const;
  void append_event(const Event& event) const;

  // The path of the last event `checkpoint` whose file is there, of a program that keeps its own.
  std::optional<std::string> told_checkpoint() const;

  // The newest checkpoint that verifies, newest first by step; those passed over are named.
  std::optional<std::string> newest_checkpoint(std::vector<SkippedCheckpoint>& skipped) const;

 private:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
  int lock_fd_ = -1;
  mutable int events_fd_ = -1;
};

RunSummary summary_of(const RunDirectory& run);

// All runs below the folder runs, the newest last.
std::vector<RunSummary> list_runs(const std::string& runs);

}  // namespace fabric
