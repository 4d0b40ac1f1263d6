#include "compiler/bind_cpus.hpp"

#include <algorithm>
#include <iterator>
#include <map>

#include "schema/number_list.hpp"

namespace fabric {
namespace {

using CpuNumbers = std::vector<std::int64_t>;

CpuNumbers common(CpuNumbers a, CpuNumbers b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  CpuNumbers both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

// The CPUs of each core, as far as they are among these; in the order of their first.
std::vector<CpuNumbers> cores_of(const CpuNumbers& cpus, const Host& host) {
  std::map<std::int64_t, std::int64_t> first_of;
  if (host.smt_siblings)
    for (const CpuNumbers& core : *host.smt_siblings)
      for (const std::int64_t cpu : core) first_of[cpu] = *std::min_element(core.begin(), core.end());
  std::map<std::int64_t, CpuNumbers> cores;
  for (const std::int64_t cpu : cpus) {
    const auto found = first_of.find(cpu);
    cores[found == first_of.end() ? cpu : found->second].push_back(cpu);
  }
  std::vector<CpuNumbers> list;
  for (auto& [first, core] : cores) list.push_back(std::move(core));
  return list;
}

std::string count_of_cores(std::size_t n) { return std::to_string(n) + (n == 1 ? " core" : " cores"); }

struct NumaPlace {
  std::int64_t node = 0;
  CpuNumbers cpus;                 // of the NUMA node, that this job may use
  std::vector<std::int64_t> here;  // local ranks, or devices
};

}  // namespace

CpuShares share_cpus(CpuBinding binding, const RanksToBind& ranks, const Host& host) {
  CpuShares out;
  std::vector<NumaPlace> places;
  for (const NumaNode& node : host.numa_nodes)
    if (CpuNumbers cpus = common(node.cpus, host.cpus); !cpus.empty()) places.push_back({node.id, std::move(cpus), {}});
  if (host.numa_nodes.empty()) places.push_back({0, common(host.cpus, host.cpus), {}});
  out.numa_nodes = static_cast<std::int64_t>(places.size());
  if (places.empty()) {
    out.even = false;
    out.hindrance = "no NUMA node has a CPU that this job may use";
    return out;
  }

  const bool cuda = ranks.accelerator == Accelerator::cuda;
  if (cuda) {
    for (const std::int64_t device : ranks.devices) {
      const auto gpu = std::find_if(host.gpus.begin(), host.gpus.end(), [device](const Gpu& g) { return g.index == device; });
      std::optional<std::int64_t> node;
      if (gpu != host.gpus.end()) node = gpu->numa_node;
      // A driver on a machine with one NUMA node may say that a GPU has none.
      const std::int64_t wanted = node.value_or(host.numa_nodes.size() < 2 ? places.front().node : -1);
      const auto place = std::find_if(places.begin(), places.end(), [wanted](const NumaPlace& p) { return p.node == wanted; });
      if (place != places.end()) {
        place->here.push_back(device);
        continue;
      }
      const std::string which = "GPU " + std::to_string(device);
      out.hindrance = node ? "this job may use no CPU of NUMA node " + std::to_string(*node) + ", where " + which + " is"
                           : "the NUMA node of " + which + " is not known";
      out.even = false;
      return out;
    }
  } else {
    for (std::int64_t rank = 0; rank < ranks.ranks; ++rank) {
      const std::int64_t at = ranks.ranks < out.numa_nodes ? rank : rank * out.numa_nodes / ranks.ranks;
      places[static_cast<std::size_t>(at)].here.push_back(rank);
    }
    out.even = ranks.ranks % out.numa_nodes == 0;
  }

  std::string several = cuda ? "GPUs " : "ranks ", one = cuda ? "GPU " : "rank ";
  for (const NumaPlace& place : places) {
    if (place.here.empty()) continue;
    // Of many devices of a place only some may be in use.
    const auto sharing = std::min<std::int64_t>(static_cast<std::int64_t>(place.here.size()), ranks.ranks);
    std::int64_t each = std::max<std::int64_t>(1, static_cast<std::int64_t>(place.cpus.size()) / sharing);
    const auto say = [&](const std::vector<std::int64_t>& who, const CpuNumbers& cpus) {
      out.words += (out.words.empty() ? "" : ", ") + (who.size() == 1 ? one : several) + number_list_text(who) + " on CPUs " +
                   number_list_text(cpus);
    };
    if (binding == CpuBinding::cores) {
      const std::vector<CpuNumbers> cores = cores_of(place.cpus, host);
      if (cores.size() < place.here.size()) {
        out.hindrance = "NUMA node " + std::to_string(place.node) + " has " + count_of_cores(cores.size()) + " for " +
                        std::to_string(place.here.size()) + (cuda ? " visible GPUs" : " ranks");
        out.even = false;
        return out;
      }
      for (std::size_t i = 0; i < place.here.size(); ++i) {
        CpuNumbers own;
        for (std::size_t core = i * cores.size() / place.here.size(); core < (i + 1) * cores.size() / place.here.size(); ++core)
          own.insert(own.end(), cores[core].begin(), cores[core].end());
        std::sort(own.begin(), own.end());
        each = std::min(i == 0 ? static_cast<std::int64_t>(own.size()) : each, static_cast<std::int64_t>(own.size()));
        say({place.here[i]}, own);
        out.shares.push_back({place.here[i], number_list_text(own)});
      }
    } else {
      say(place.here, place.cpus);
      for (const std::int64_t who : place.here) out.shares.push_back({who, number_list_text(place.cpus)});
    }
    out.fewest_cpus = out.fewest_cpus == 0 ? each : std::min(out.fewest_cpus, each);
  }
  std::sort(out.shares.begin(), out.shares.end(), [](const RankCpus& a, const RankCpus& b) { return a.of < b.of; });
  return out;
}

}  // namespace fabric
