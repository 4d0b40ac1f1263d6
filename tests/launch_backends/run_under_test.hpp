// A run of rank_program by the local backend, with its controller in a child of the test, so that any of its processes can be
// killed. Every process of it inherits a variable by which it is found however it has moved.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "launch_backends/attempt.hpp"
#include "launch_backends/launch_backend.hpp"
#include "launch_backends/process_tree.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric::test {

using Clock = std::chrono::steady_clock;

struct FinishedRun {
  std::optional<Outcome> outcome;  // none if the controller was killed
  double seconds = 0;              // from the fault to the end of the controller
  double seconds_to_clear = 0;     // from the fault until no process of the run was left
  std::vector<Event> observed;     // what the observer heard
  std::vector<std::string> lines;  // "RANK: LINE"
};

class RunUnderTest {
 public:
  // One rank for each list of actions.
  explicit RunUnderTest(const std::vector<std::string>& actions);
  ~RunUnderTest();
  RunUnderTest(const RunUnderTest&) = delete;
  RunUnderTest& operator=(const RunUnderTest&) = delete;

  Plan plan;
  RunOptions options;
  std::vector<Carrier> carriers;  // of its agents; empty: those of the local backend
  std::function<void()> before;  // done in the process of the controller before it does anything

  void start();                            // again once the controller was killed: in the same directory
  void await_ready();                      // each rank has done `ready`
  void fault() { fault_ = Clock::now(); }  // from now on time counts
  FinishedRun finish();
  FinishedRun run();  // all of it, with the start as the fault

  pid_t controller() const { return controller_; }
  pid_t agent() const { return static_cast<pid_t>(pid_in("node_ready", "agent_pid", 0)); }
  pid_t keeper() const { return static_cast<pid_t>(pid_in("node_ready", "keeper_pid", 0)); }
  pid_t rank(std::int64_t rank) const { return static_cast<pid_t>(pid_in("rank_started", "pid", rank)); }
  const std::string& directory() const { return options.run_directory; }
  std::vector<Event> events() const;  // of events.jsonl
  RunStatus status() const { return RunDirectory::open(directory()).status(); }
  std::vector<ProcessEntry> left() const;

 private:
  std::int64_t pid_in(const std::string& kind, const std::string& key, std::int64_t rank) const;

  std::string folder_;
  std::string marker_;
  pid_t controller_ = 0;
  int answer_ = -1;
  Clock::time_point fault_;
};

// A plan with one rank_program rank for each list of actions, with torchrun's variables.
Plan plan_of(const std::vector<std::string>& actions);

// A new folder below the system's folder for temporary files.
std::string temporary_folder();

std::string read_file(const std::string& path);

// Waits until it holds. False after the limit.
template <class Condition>
bool wait_until(Condition&& condition, double seconds = 20);

}  // namespace fabric::test

#include <unistd.h>

template <class Condition>
bool fabric::test::wait_until(Condition&& condition, double seconds) {
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    usleep(5000);
  }
  return true;
}
