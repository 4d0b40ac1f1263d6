#include "launch_backends/probes/numa.hpp"

#include <string>

#include "launch_backends/probes/meminfo.hpp"
#include "schema/number_list.hpp"

namespace fabric {

std::vector<NumaNode> numa_nodes(const ProbeRoot& root, const std::vector<std::int64_t>& online_cpus, std::int64_t memory_bytes,
                                 Diagnostics& diagnostics) {
  const std::string folder = "/sys/devices/system/node/";
  const std::vector<NumaNode> one_node{{0, online_cpus, memory_bytes}};
  const auto online = root.read(folder + "online");
  if (!online) return one_node;
  const auto ids = parse_number_list(*online);
  if (!ids || ids->empty()) {
    diagnostics.add(misread(folder + "online", "one NUMA node is assumed"));
    return one_node;
  }
  std::vector<NumaNode> nodes;
  for (const std::int64_t id : *ids) {
    const std::string node = folder + "node" + std::to_string(id);
    const auto cpus_text = root.read(node + "/cpulist");
    const auto cpus = cpus_text ? parse_number_list(*cpus_text) : std::nullopt;
    if (!cpus) {
      diagnostics.add(misread(node + "/cpulist", "one NUMA node is assumed"));
      return one_node;
    }
    const auto memory_text = root.read(node + "/meminfo");
    const auto memory = memory_text ? total_memory(*memory_text) : std::nullopt;
    if (!memory) diagnostics.add(misread(node + "/meminfo", "the memory of this node is given as 0"));
    nodes.push_back({id, *cpus, memory.value_or(0)});
  }
  return nodes;
}

}  // namespace fabric
