#include "launch_backends/out_of_memory.hpp"

#include <fstream>
#include <string>
#include <vector>

namespace fabric {

std::optional<std::int64_t> out_of_memory_kills() {
  // id:controllers:path; version 2 has id 0 and no controllers.
  std::vector<std::string> candidates;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = ',' + line.substr(first + 1, second - first - 1) + ',', path = line.substr(second + 1);
    if (controllers == ",,") {
      for (const std::string& mount : {std::string("/sys/fs/cgroup"), std::string("/sys/fs/cgroup/unified")})
        candidates.push_back(mount + path + "/memory.events");
    } else if (controllers.find(",memory,") != std::string::npos) {
      candidates.push_back("/sys/fs/cgroup/memory" + path + "/memory.oom_control");
    }
  }
  // A container sees its own group at the mount itself.
  candidates.insert(candidates.end(), {"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"});
  for (const std::string& file : candidates) {
    std::ifstream in(file);
    std::string key;
    for (std::int64_t count = 0; in >> key >> count;)
      if (key == "oom_kill") return count;
  }
  return std::nullopt;
}

}  // namespace fabric
