#include "launch_backends/leftovers.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>

#include "launch_backends/descriptor.hpp"

namespace fabric {
namespace {

using Clock = std::chrono::steady_clock;

// Those who hold a lock of a node of the run now: what stands in one that is free is of the past.
std::vector<ProcessEntry> wardens_of(const RunDirectory& run) {
  std::vector<ProcessEntry> wardens;
  std::error_code error;
  for (std::filesystem::directory_iterator node(run.path() + "/nodes", error), end; !error && node != end; node.increment(error)) {
    const FileDescriptor lock(open((node->path() / "lock").c_str(), O_RDONLY | O_CLOEXEC));
    if (!lock || flock(lock.get(), LOCK_SH | LOCK_NB) == 0) continue;
    for (ProcessEntry& process : holders_of_node(lock.get())) wardens.push_back(std::move(process));
  }
  return wardens;
}

}  // namespace

std::vector<ProcessEntry> holders_of_node(int lock) {
  std::vector<ProcessEntry> living;
  char text[128] = {};
  if (pread(lock, text, sizeof text - 1, 0) <= 0) return living;
  std::istringstream numbers(text);
  for (pid_t pid; numbers >> pid;) {
    std::optional<ProcessEntry> entry = process_entry(pid);
    if (entry && !entry->ended && (entry->name == "fabric-agent" || entry->name == "fabric-keeper")) living.push_back(std::move(*entry));
  }
  return living;
}

Leftovers end_leftovers(RunDirectory& run) {
  const std::string variable = "FABRIC_RUN_ID=" + run.id();
  std::vector<ProcessEntry> found = wardens_of(run), left;
  for (ProcessEntry& process : processes_with_variable(variable)) found.push_back(std::move(process));
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  for (int times = 0; Clock::now() < deadline && !(left = wardens_of(run)).empty(); ++times) {
    if (times % 20 == 0)
      for (const ProcessEntry& process : left) wake_process(process);
    usleep(50'000);
  }
  // Under the lock no new attempt begins.
  if (left.empty()) left = run.lock() ? end_processes_with_variable(variable, std::chrono::seconds(5)) : processes_with_variable(variable);
  Leftovers leftovers;
  for (const ProcessEntry& process : found) {
    const auto same = [&process](const ProcessEntry& other) { return other.pid == process.pid && other.start == process.start; };
    (std::any_of(left.begin(), left.end(), same) ? leftovers.left : leftovers.ended).push_back(described(process));
  }
  return leftovers;
}

}  // namespace fabric
