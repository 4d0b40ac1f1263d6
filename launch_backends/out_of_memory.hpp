// Whether the kernel has killed a process for want of memory, by the counters of the control groups that processes are in. A process
// may move to another group while it lives, as one started by systemd-run or cgexec does: whoever wants to know has to look at it
// now and then, since a dead one is in no group.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace fabric {

// The counters of one machine's groups, versions 1 and 2.
class OutOfMemoryCounters {
 public:
  explicit OutOfMemoryCounters(std::string proc = "/proc", std::string groups = "/sys/fs/cgroup")
      : proc_(std::move(proc)), groups_(std::move(groups)) {}

  // The file with the counter of the group that the process is in now; empty if it cannot be told. From the first look at a group on
  // its kills are counted.
  std::string look(pid_t process);
  // Whether the kernel has killed in that group once more than this has said so far.
  bool take_kill(const std::string& file);

 private:
  std::string proc_, groups_;
  std::map<std::string, std::int64_t> told_;  // file -> kills that were told of, or were before
};

}  // namespace fabric
