#include "launch_backends/probes/host.hpp"

#include <sched.h>

#include <memory>
#include <optional>

#include "launch_backends/probes/cgroup.hpp"
#include "launch_backends/probes/meminfo.hpp"
#include "launch_backends/probes/network.hpp"
#include "launch_backends/probes/numa.hpp"
#include "launch_backends/probes/nvidia.hpp"
#include "launch_backends/probes/smt.hpp"
#include "launch_backends/probes/untrusted_text.hpp"
#include "schema/number_list.hpp"

namespace fabric {
namespace {

using Cpus = std::vector<std::int64_t>;

constexpr std::string_view status_file = "/proc/self/status";
constexpr std::string_view online_file = "/sys/devices/system/cpu/online";

// The kernel answers EINVAL while the set is smaller than its own, so a set of 1024 CPUs is only where the search starts.
Cpus affinity_of_this_process() {
  for (int size = 1024; size <= 1 << 20; size *= 2) {
    const std::unique_ptr<cpu_set_t, decltype([](cpu_set_t* set) { CPU_FREE(set); })> set(CPU_ALLOC(size));
    const std::size_t bytes = CPU_ALLOC_SIZE(size);
    if (!set || sched_getaffinity(0, bytes, set.get()) != 0) continue;
    Cpus cpus;
    for (int cpu = 0; cpu < size; ++cpu)
      if (CPU_ISSET_S(static_cast<std::size_t>(cpu), bytes, set.get())) cpus.push_back(cpu);
    return cpus;
  }
  return {};
}

Cpus affinity_of_status(const ProbeRoot& root) {
  constexpr std::string_view row = "\nCpus_allowed_list:";
  const auto status = root.read(status_file);
  const std::size_t at = status ? status->find(row) : std::string::npos;
  if (at == std::string::npos) return {};
  const std::size_t begin = at + row.size();
  const std::size_t end = std::min(status->find('\n', begin), status->size());
  return parse_number_list(std::string_view(*status).substr(begin, end - begin)).value_or(Cpus{});
}

Cpus allowed(const ProbeRoot& root) { return root.is_this_machine() ? affinity_of_this_process() : affinity_of_status(root); }

Cpus online(const ProbeRoot& root) {
  const auto text = root.read(online_file);
  return text ? parse_number_list(*text).value_or(Cpus{}) : Cpus{};
}

}  // namespace

std::string hostname(const ProbeRoot& root) {
  std::string name = root.read("/proc/sys/kernel/hostname").value_or("");
  name.resize(std::min(name.find('\n'), name.size()));
  return name.empty() ? "localhost" : valid_utf8(name);
}

Cpus online_cpus(const ProbeRoot& root, Diagnostics& diagnostics) {
  if (Cpus cpus = online(root); !cpus.empty()) return cpus;
  diagnostics.add(misread(online_file, "the CPUs that this process may use are taken as all that are online"));
  if (Cpus cpus = allowed(root); !cpus.empty()) return cpus;
  return {0};
}

Cpus affinity_cpus(const ProbeRoot& root, Diagnostics& diagnostics) {
  if (Cpus cpus = allowed(root); !cpus.empty()) return cpus;
  diagnostics.add(misread(status_file, "all online CPUs are taken as usable"));
  if (Cpus cpus = online(root); !cpus.empty()) return cpus;
  return {0};
}

std::int64_t physical_memory(const ProbeRoot& root, Diagnostics& diagnostics) {
  const auto text = root.read("/proc/meminfo");
  const auto bytes = text ? total_memory(*text) : std::nullopt;
  if (!bytes) diagnostics.add(misread("/proc/meminfo", "the memory of this machine is given as 0"));
  return bytes.value_or(0);
}

Hardware probe_this_host(const ProbeRoot& root, Diagnostics& diagnostics) {
  Host host;
  host.hostname = hostname(root);
  host.cpus = affinity_cpus(root, diagnostics);
  const Cpus all = online_cpus(root, diagnostics);
  host.cpus_online = static_cast<std::int64_t>(all.size());
  host.smt_siblings = smt_siblings(root, all);
  host.memory_bytes = physical_memory(root, diagnostics);
  const CgroupLimits limits = cgroup_limits(root, diagnostics);
  host.cpu_quota = limits.cpus;
  if (limits.memory_bytes && (host.memory_bytes == 0 || *limits.memory_bytes < host.memory_bytes)) host.memory_limit = limits.memory_bytes;
  host.numa_nodes = numa_nodes(root, all, host.memory_bytes, diagnostics);
  host.interfaces = network_interfaces(root, diagnostics);
  NvidiaDevices nvidia = probe_nvidia(root, diagnostics);
  host.nvidia_driver = std::move(nvidia.driver);
  host.gpus = std::move(nvidia.gpus);
  return {.source = "this host", .groups = {{1, std::move(host)}}};
}

}  // namespace fabric
