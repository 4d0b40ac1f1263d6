#include "launch_backends/wardens.hpp"

#include <unistd.h>

#include <system_error>

#include "launch_backends/process.hpp"

namespace fabric {

void Wardens::meet(pid_t command, pid_t keeper, pid_t agent) {
  if (keeper != command) return;
  const std::optional<ProcessEntry> entry = process_entry(agent);
  // Another machine gives out numbers of its own, and one of them may be that of any process here. If the keeper is gone, its agent has
  // fallen to this process.
  if (entry && entry->parent != keeper && entry->parent != getpid()) return;
  are_here_ = true;
  keeper_ = process_entry(keeper);
  agent_ = entry;
  agent_ended_ = !entry;
  if (agent_ended_) return;
  try {
    agent_end_ = open_process(agent);
  } catch (const std::system_error&) {
    agent_ended_ = true;  // since that look
  }
}

void Wardens::see_agent_ended() {
  agent_end_.reset();
  agent_ended_ = true;
}

void Wardens::wake() {
  const auto now = std::chrono::steady_clock::now();
  if (now - woken_ < std::chrono::milliseconds(200)) return;
  woken_ = now;
  for (const std::optional<ProcessEntry>& process : {keeper_, agent_})
    if (process) wake_process(*process);
}

}  // namespace fabric
