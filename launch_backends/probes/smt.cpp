#include "launch_backends/probes/smt.hpp"

#include <set>
#include <string>

#include "schema/number_list.hpp"

namespace fabric {

std::optional<std::vector<std::vector<std::int64_t>>> smt_siblings(const ProbeRoot& root, const std::vector<std::int64_t>& cpus) {
  std::set<std::vector<std::int64_t>> cores;
  bool told = false;
  for (const std::int64_t cpu : cpus) {
    const auto text = root.read("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    const auto siblings = text ? parse_number_list(*text) : std::nullopt;
    if (!siblings || siblings->empty()) continue;
    told = true;
    if (siblings->size() > 1) cores.insert(*siblings);
  }
  if (!told) return std::nullopt;
  return std::vector<std::vector<std::int64_t>>(cores.begin(), cores.end());
}

}  // namespace fabric
