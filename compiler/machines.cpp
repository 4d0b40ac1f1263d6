#include "compiler/machines.hpp"

#include <iterator>

namespace fabric {
namespace {

const std::vector<SshHost>* named_hosts(const JobSpec& job) {
  return job.backend == BackendName::ssh && job.ssh && job.ssh->hosts ? &*job.ssh->hosts : nullptr;
}

std::string count_of_hosts(std::int64_t n) { return std::to_string(n) + (n == 1 ? " host" : " hosts"); }

}  // namespace

std::vector<Machine> machines_of(const JobSpec& job, const Hardware& hardware, Diagnostics& diagnostics) {
  const bool open = is_auto(job.num_nodes);
  const std::vector<SshHost>* hosts = named_hosts(job);
  if (!hosts) {
    Machine machine;
    machine.host = &hardware.groups.front().host;
    if (job.backend != BackendName::local) machine.source = hardware.source;
    machine.nodes = open ? 1 : std::get<std::int64_t>(job.num_nodes);
    return {machine};
  }
  const auto named = static_cast<std::int64_t>(hosts->size());
  const std::int64_t nodes = open ? named : std::get<std::int64_t>(job.num_nodes);
  if (nodes > named) {
    diagnostics.add({.code = "FAB4010",
                     .message = std::to_string(nodes) + " nodes are asked for, and the job names " + count_of_hosts(named),
                     .at = Place("num_nodes"),
                     .label = "more than there are hosts",
                     .help = "name more hosts, write `num_nodes: " + std::to_string(named) + "`, or leave it out and all hosts are taken"});
    return {};
  }
  std::vector<Machine> machines;
  auto group = hardware.groups.begin();
  std::int64_t of_group = 0;
  for (std::int64_t node = 0; node < nodes; ++node) {
    const SshHost& host = (*hosts)[static_cast<std::size_t>(node)];
    // A single machine that is described stands for all.
    if (of_group == group->count && std::next(group) != hardware.groups.end()) ++group, of_group = 0;
    ++of_group;
    if (machines.empty() || machines.back().host != &group->host || machines.back().devices != host.devices ||
        machines.back().slots != host.slots) {
      machines.push_back({});
      machines.back().nodes = 0;
      machines.back().host = &group->host;
      machines.back().devices = host.devices;
      machines.back().slots = host.slots;
    }
    ++machines.back().nodes;
    machines.back().names.push_back(host.host);
  }
  return machines;
}

}  // namespace fabric
