#include "launch_backends/out_of_memory.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

namespace fabric {
namespace {

std::optional<std::int64_t> kills_in(const std::string& file) {
  std::ifstream in(file);
  std::string key;
  for (std::int64_t count = 0; in >> key >> count;)
    if (key == "oom_kill") return count;
  return std::nullopt;
}

// Whether the process is on its way out: then version 1 says of it that it is in the root group.
bool is_exiting(const std::string& folder) {
  std::string stat;
  std::getline(std::ifstream(folder + "/stat"), stat);
  // The name may hold anything; behind it the flags are the seventh word (proc(5), field 9). PF_EXITING is 4 (linux/sched.h).
  std::istringstream words(stat.substr(std::min(stat.rfind(')'), stat.size() - 1) + 1));
  std::string skipped;
  for (int i = 0; i < 6; ++i) words >> skipped;
  unsigned long flags = 0;
  return (words >> flags) && (flags & 4) != 0;
}

}  // namespace

std::string OutOfMemoryCounters::look(pid_t process) {
  // id:controllers:path; version 2 has id 0 and no controllers. Where both are mounted, memory is with one of them.
  std::vector<std::string> candidates;
  const std::string folder = proc_ + '/' + std::to_string(process);
  std::ifstream groups(folder + "/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = ',' + line.substr(first + 1, second - first - 1) + ',', written = line.substr(second + 1);
    const std::string path = written == "/" ? "" : written;
    if (controllers == ",,") {
      for (const std::string& mount : {groups_, groups_ + "/unified"}) candidates.push_back(mount + path + "/memory.events");
    } else if (controllers.find(",memory,") != std::string::npos) {
      candidates.push_back(groups_ + "/memory" + path + "/memory.oom_control");
    }
  }
  if (candidates.empty() || is_exiting(folder)) return "";
  // A container sees its own group at the mount itself.
  candidates.insert(candidates.end(), {groups_ + "/memory.events", groups_ + "/memory/memory.oom_control"});
  for (const std::string& file : candidates) {
    if (told_.contains(file)) return file;
    if (const std::optional<std::int64_t> kills = kills_in(file)) {
      told_[file] = *kills;
      return file;
    }
  }
  return "";
}

bool OutOfMemoryCounters::take_kill(const std::string& file) {
  const auto told = told_.find(file);
  if (told == told_.end()) return false;
  const std::optional<std::int64_t> kills = kills_in(file);
  if (!kills || *kills <= told->second) return false;
  ++told->second;
  return true;
}

}  // namespace fabric
