// The keeper and the agent of a node, as their controller sees them where they stand on its own machine. Each of the two ends the run
// when the other dies, but not while it is stopped (SIGSTOP) itself: then the controller lets it go on. Of a node elsewhere, known by
// the command that reaches it alone, this knows nothing and does nothing.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/process_tree.hpp"

namespace fabric {

class Wardens {
 public:
  // command: the process that the controller has started. keeper, agent: what an agent says of itself, of this machine or another.
  void meet(pid_t command, pid_t keeper, pid_t agent);

  bool are_here() const { return are_here_; }
  // Becomes readable when the agent ends; -1 if that is not to be seen, or was.
  int descriptor() const { return agent_end_.get(); }
  void see_agent_ended();
  bool agent_ended() const { return agent_ended_; }

  // Lets both go on, should one be stopped; five times a second at the most.
  void wake();

 private:
  std::optional<ProcessEntry> keeper_, agent_;
  FileDescriptor agent_end_;
  bool are_here_ = false;
  bool agent_ended_ = false;
  std::chrono::steady_clock::time_point woken_{};
};

}  // namespace fabric
