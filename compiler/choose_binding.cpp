#include "compiler/choose_binding.hpp"

#include <algorithm>
#include <cmath>

#include "schema/json.hpp"

namespace fabric {
namespace {

std::string counted(std::int64_t n, const std::string& noun) { return std::to_string(n) + ' ' + noun + (n == 1 ? "" : "s"); }

}  // namespace

std::int64_t usable_cpus(const Host& host) {
  const auto cpus = std::max<std::int64_t>(1, static_cast<std::int64_t>(host.cpus.size()));
  return host.cpu_quota ? std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(*host.cpu_quota)), 1, cpus) : cpus;
}

std::int64_t cpu_budget(const Machine& machine, Decision& d, std::string& words) {
  const Host& host = *machine.host;
  const auto cpus = static_cast<std::int64_t>(host.cpus.size());
  d.inputs.push_back({"host.cpus.count", cpus});
  d.inputs.push_back({"host.cpu_quota", host.cpu_quota ? Value(*host.cpu_quota) : Value()});
  words = counted(cpus, "CPU") + (machine.source.empty() ? " in the affinity mask" : " a node (" + machine.source + ')');
  if (host.cpu_quota) words += ", a quota of " + canonical_json(Value(*host.cpu_quota));
  return usable_cpus(host);
}

CpuBinding choose_binding(const RanksToBind& ranks, const Machine& machine, const std::variant<Auto, std::int64_t>& threads, Decision& d) {
  const std::string accelerator(name_of(ranks.accelerator));
  const CpuShares shares = share_cpus(CpuBinding::numa, ranks, *machine.host);
  d.inputs = {{"accelerator", accelerator}, {"host.numa_nodes.usable", shares.numa_nodes}};
  if (shares.numa_nodes < 2) {
    d.rule = "one-numa-node";
    d.because = "accelerator " + accelerator + ", " + counted(shares.numa_nodes, "NUMA node") + " with CPUs for this job";
    return CpuBinding::none;
  }
  d.inputs.push_back({"ranks_per_node", ranks.ranks});
  d.inputs.push_back({"host.places", shares.hindrance.empty() ? shares.words : shares.hindrance});
  const std::string whose =
      "accelerator " + accelerator + ", " + counted(ranks.ranks, "rank") + " a node, " + counted(shares.numa_nodes, "NUMA node") + ": ";
  if (!shares.even) {
    d.rule = "no-even-spread";
    d.because = whose + (shares.hindrance.empty() ? "they would not spread evenly (" + shares.words + ')' : shares.hindrance);
    return CpuBinding::none;
  }
  std::string words;
  const std::int64_t fair = cpu_budget(machine, d, words) / std::max<std::int64_t>(1, ranks.ranks);
  const std::int64_t asked = is_auto(threads) ? 0 : std::get<std::int64_t>(threads);
  d.inputs.push_back({"threads", is_auto(threads) ? Value("auto") : Value(asked)});
  if (asked > 0) words += ", " + counted(asked, "thread") + " a rank";
  if (4 * shares.fewest_cpus < 3 * fair || shares.fewest_cpus < asked) {
    d.rule = "takes-too-many-cpus";
    d.because = whose + shares.words + " would leave a rank only " + counted(shares.fewest_cpus, "CPU") + " for itself; " + words;
    return CpuBinding::none;
  }
  d.rule = "near-its-place";
  d.because = whose + shares.words + "; " + words;
  d.rejected = {{"none", "memory of the other node is slower"}, {"cores", "takes CPUs from ranks that wait; write it to have it"}};
  return CpuBinding::numa;
}

}  // namespace fabric
