// What a probe reports, and what `--hardware FILE` replaces: facts about machines that do not change from one minute to the
// next. Load, free memory and who holds a GPU are not facts; they are an Occupancy, looked at when a run starts. A scheduler knows less
// of its machines than they do of themselves: what it does not tell is absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/binding.hpp"

namespace fabric {

struct Gpu {
  std::int64_t index = 0;
  std::string name;  // as the driver has it; a scheduler's word for this kind of GPU
  std::string uuid;  // empty: not known
  std::optional<std::int64_t> memory_bytes;
  std::optional<std::int64_t> compute_major;  // CUDA compute capability
  std::optional<std::int64_t> compute_minor;
  std::optional<std::int64_t> numa_node;
  static constexpr auto fields() {
    return listed(field("index", &Gpu::index), field("name", &Gpu::name), field("uuid", &Gpu::uuid),
                  field("memory_bytes", &Gpu::memory_bytes), field("compute_major", &Gpu::compute_major),
                  field("compute_minor", &Gpu::compute_minor), field("numa_node", &Gpu::numa_node));
  }
  friend bool operator==(const Gpu&, const Gpu&) = default;
};

struct NumaNode {
  std::int64_t id = 0;
  std::vector<std::int64_t> cpus;
  std::int64_t memory_bytes = 0;
  static constexpr auto fields() {
    return listed(field("id", &NumaNode::id), field("cpus", &NumaNode::cpus), field("memory_bytes", &NumaNode::memory_bytes));
  }
  friend bool operator==(const NumaNode&, const NumaNode&) = default;
};

struct NetworkInterface {
  std::string name;
  std::string address;  // numeric, IPv4 or IPv6
  bool loopback = false;
  static constexpr auto fields() {
    return listed(field("name", &NetworkInterface::name), field("address", &NetworkInterface::address),
                  field("loopback", &NetworkInterface::loopback));
  }
  friend bool operator==(const NetworkInterface&, const NetworkInterface&) = default;
};

struct Host {
  std::string hostname;
  std::vector<std::int64_t> cpus;  // logical CPUs in the affinity mask
  std::int64_t cpus_online = 0;
  // Logical CPUs of each core that has several, by SMT (hyper-threading); absent: not known, each CPU is taken for a core.
  std::optional<std::vector<std::vector<std::int64_t>>> smt_siblings;
  std::optional<double> cpu_quota;           // CPUs' worth of time that the cgroup allows; absent: no limit
  std::int64_t memory_bytes = 0;             // physical
  std::optional<std::int64_t> memory_limit;  // bytes that the cgroup allows; absent: no limit
  std::vector<NumaNode> numa_nodes;
  std::vector<NetworkInterface> interfaces;
  std::optional<std::string> nvidia_driver;  // absent: no usable driver, or not known
  std::vector<Gpu> gpus;                     // the visible ones, in CUDA's order
  static constexpr auto fields() {
    return listed(field("hostname", &Host::hostname), field("cpus", &Host::cpus), field("cpus_online", &Host::cpus_online),
                  field("smt_siblings", &Host::smt_siblings), field("cpu_quota", &Host::cpu_quota),
                  field("memory_bytes", &Host::memory_bytes), field("memory_limit", &Host::memory_limit),
                  field("numa_nodes", &Host::numa_nodes), field("interfaces", &Host::interfaces),
                  field("nvidia_driver", &Host::nvidia_driver), field("gpus", &Host::gpus));
  }
  friend bool operator==(const Host&, const Host&) = default;
};

// count machines that are alike.
struct HostGroup {
  std::int64_t count = 1;
  Host host;                                // where they have different names, the first of those that are usable
  std::optional<std::int64_t> unavailable;  // of count, those that take no job now: down, drained; absent: nobody said
  std::int64_t usable() const { return count - unavailable.value_or(0); }
  static constexpr auto fields() {
    return listed(field("count", &HostGroup::count), field("host", &HostGroup::host), field("unavailable", &HostGroup::unavailable));
  }
  friend bool operator==(const HostGroup&, const HostGroup&) = default;
};

// The source of hardware that nobody has looked at.
inline constexpr const char* assumed_hardware = "what the job asks for";
// That of hardware of which not all could be asked; those are taken to be like the others.
inline constexpr const char* partly_seen_hardware = "those hosts over ssh that answer";

struct Hardware {
  std::int64_t version = 1;
  std::string source;  // "this host", "scheduler: ...", or what recorded it
  std::vector<HostGroup> groups;
  static constexpr auto fields() {
    return listed(field("version", &Hardware::version), field("source", &Hardware::source), field("groups", &Hardware::groups));
  }
  friend bool operator==(const Hardware&, const Hardware&) = default;
};

// A process that uses a GPU now.
struct GpuHolder {
  std::int64_t pid = 0;
  std::string program;
  std::string user;
  std::int64_t memory_bytes = 0;
};

// How busy a GPU is now: never part of a plan.
struct Occupancy {
  std::int64_t gpu = 0;
  std::vector<GpuHolder> holders;
};

// Compiled once, in bindings.cpp.
extern template Hardware from_value<Hardware>(const Value&, const Path&);
extern template Value to_value<Hardware>(const Hardware&);

}  // namespace fabric
