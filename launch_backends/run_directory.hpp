// A run on disk, runs/NAME/UTC-TIME-6HEX: plan.json, status.json, events.jsonl, checkpoints/, metrics.*, nodes/K/rank-N.log.
// One writer a place: the controller writes here, the agent of node K below nodes/K. Whole files are replaced by rename, so a
// reader never sees half of one; events.jsonl is append-only, one line a write.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/binding.hpp"
#include "schema/event.hpp"
#include "schema/plan.hpp"

namespace fabric {

// status.json: where the run stands.
struct RunStatus {
  std::string state;  // starting, running, stopping, restarting, finished, failed, stopped, refused, lost
  std::int64_t attempt = 0;
  std::optional<std::int64_t> node_rank;  // of several nodes, the one whose part this is
  std::int64_t controller_pid = 0;
  double started = 0;  // seconds since the epoch
  std::optional<double> ended;
  std::optional<std::int64_t> exit_code;
  std::string message;                    // what died first; empty while all is well
  std::optional<std::int64_t> culprit;    // the rank that did
  std::optional<std::string> log;         // its log file, below the run's folder
  std::optional<std::int64_t> log_begin;  // bytes of it that earlier attempts have printed
  static constexpr auto fields() {
    return listed(field("state", &RunStatus::state), field("attempt", &RunStatus::attempt), field("node_rank", &RunStatus::node_rank),
                  field("controller_pid", &RunStatus::controller_pid), field("started", &RunStatus::started),
                  field("ended", &RunStatus::ended), field("exit_code", &RunStatus::exit_code), field("message", &RunStatus::message),
                  field("culprit", &RunStatus::culprit), field("log", &RunStatus::log), field("log_begin", &RunStatus::log_begin));
  }
};

// failed: rank 1 exited with code 3. Of one whose message says its state, that alone.
std::string in_words(const RunStatus& status);

// The plan in the text of a plan.json; absent if there is none of this version.
std::optional<Plan> plan_in(const std::string& saved);

// A checkpoint that was passed over, and why.
struct SkippedCheckpoint {
  std::string path;
  std::string why;
};

// What a program has saved.
struct ProgramCheckpoint {
  std::string path;
  double written = 0;  // seconds since the epoch
};

class RunDirectory {
 public:
  // Makes runs/NAME/<id>, writes plan.json and points runs/NAME/latest at it. Throws std::runtime_error with the path in
  // its text.
  static RunDirectory create(const std::string& runs, const std::string& name, const Plan& plan);
  // A run at a path that another machine has chosen, with the text of its plan.json: made where it is missing, and locked. Throws
  // std::runtime_error, also where somebody conducts it.
  static RunDirectory take_over(const std::string& path, std::string_view plan_text);
  // An existing run by its path, `latest` link included. Throws std::system_error where there is none.
  static RunDirectory open(const std::string& path);
  RunDirectory(RunDirectory&&) noexcept;
  RunDirectory& operator=(RunDirectory&&) noexcept;
  ~RunDirectory();

  const std::string& path() const { return path_; }  // absolute, links resolved
  std::string id() const;                            // NAME/<id>

  // Whether a process conducts the run now.
  bool is_alive() const;

  // The process that conducts it, as it says itself.
  struct Holder {
    std::int64_t pid = 0;  // 0: not known
    std::string machine;   // on which, as this_machine() names it there; empty: not known
    bool is_elsewhere() const;
    std::string host() const;  // its name
  };
  Holder holder() const;

  // Marks the run as living until this object (or its process) ends; a kernel lock, so a killed controller leaves none behind.
  // False if another process holds it.
  bool lock();
  // For another process to take it.
  void unlock();
  // After a fork: the lock is held by this process from now on.
  void take_over_lock() const;

  // nodes/NODE/rank-RANK and a tail, such as .log.
  std::string rank_file(std::int64_t node, std::int64_t rank, std::string_view tail) const;

  std::string plan_text() const;
  // Absent where plan.json is none of this version.
  std::optional<Plan> plan() const;
  // Throws std::runtime_error where it cannot be read.
  RunStatus status() const;
  // Each event that was written, in order; lines that are none, such as a torn last one, are passed over. Throws std::system_error where
  // there are events that cannot be read.
  void each_event(const std::function<void(const std::string& kind, const Value& event)>& visit) const;
  // What can be said without it, by the events: the last attempt that was begun, and how it ended; lost if that is not said.
  RunStatus status_by_events() const;
  void write_status(const RunStatus& status) const;
  void append_event(const Event& event) const;

  // Of a program that keeps its own: the file of the last event `checkpoint` that is there, counted from the folder of the ranks; else
  // of what checkpoint.path (glob(7)) finds the newest that was written since the run began.
  std::optional<ProgramCheckpoint> program_checkpoint(const Plan& plan) const;

  // The node whose part this is, if the nodes of its plan were started by hand.
  std::optional<std::int64_t> node_rank() const;

  // The newest checkpoint that verifies, newest first by step; those passed over are named.
  std::optional<std::string> newest_checkpoint(std::vector<SkippedCheckpoint>& skipped) const;

 private:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
  int lock_fd_ = -1;
  mutable int events_fd_ = -1;
};

}  // namespace fabric
