#include "tests/clusters/inhabitants.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace fabric::testing {
namespace {

// A name for the machine that a process takes itself to be on.
std::string machine_of(pid_t pid) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/uts", error).string();
}

// nodes.sh waits and looks, by programs that come and go.
bool is_of_the_cluster(const Inhabitant& inhabitant) {
  for (const char* words : {" __cluster ", " __node ", " __daemon "})
    if (inhabitant.runs(words)) return true;
  for (const char* words : {"sleep infinity", "sleep 0.", "flock --nonblock"})
    if (inhabitant.line.starts_with(words)) return true;
  return inhabitant.line == "sleep 1";
}

}  // namespace

std::string bytes_of(pid_t pid, const std::string& file) {
  std::ostringstream text;
  text << std::ifstream("/proc/" + std::to_string(pid) + '/' + file, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<Inhabitant> inhabitants_of(const Cluster& cluster) {
  std::vector<Inhabitant> found;
  std::map<std::string, std::string> nodes;  // by machine
  std::vector<std::string> machines;
  for (const pid_t pid : cluster.processes()) {
    std::optional<ProcessEntry> entry = process_entry(pid);
    if (!entry || entry->ended) continue;
    std::string line = bytes_of(pid, "cmdline");
    while (!line.empty() && line.back() == '\0') line.pop_back();
    std::replace(line.begin(), line.end(), '\0', ' ');
    machines.push_back(machine_of(pid));
    if (line.find(" __node ") != std::string::npos) nodes[machines.back()] = line.substr(line.rfind(' ') + 1);
    found.push_back({std::move(*entry), "head", std::move(line)});
  }
  for (std::size_t i = 0; i < found.size(); ++i)
    if (const auto node = nodes.find(machines[i]); node != nodes.end()) found[i].node = node->second;
  return found;
}

std::string variable_of(const Inhabitant& inhabitant, const std::string& name) {
  const std::string all = '\0' + bytes_of(inhabitant.process.pid, "environ");
  const std::string wanted = '\0' + name + '=';
  const std::size_t at = all.find(wanted);
  return at == std::string::npos ? "" : all.substr(at + wanted.size(), all.find('\0', at + 1) - at - wanted.size());
}

std::vector<Inhabitant> newcomers(const std::vector<Inhabitant>& now, const std::vector<Inhabitant>& before) {
  std::vector<Inhabitant> found;
  for (const Inhabitant& one : now) {
    const bool known = std::any_of(before.begin(), before.end(), [&one](const Inhabitant& other) { return one.same_as(other); });
    if (!known && !is_of_the_cluster(one)) found.push_back(one);
  }
  return found;
}

}  // namespace fabric::testing
