#include "tests/clusters/slurm_cluster.hpp"

namespace fabric::testing {
namespace {

std::vector<std::string> words(const SlurmCluster::Options& options) {
  std::vector<std::string> all = {"--nodes", std::to_string(options.nodes), "--gpus",   std::to_string(options.gpus),
                                  "--cpus",  std::to_string(options.cpus),  "--memory", std::to_string(options.memory_mib)};
  if (!options.own_networks) all.emplace_back("--shared-network");
  if (options.accounting) all.emplace_back("--accounting");
  if (options.preemption) all.emplace_back("--preemption");
  for (const std::string& line : options.lines) all.insert(all.end(), {"--line", line});
  return all;
}

}  // namespace

SlurmCluster::SlurmCluster(const Options& options) : Cluster("slurm_cluster", words(options)) {}

std::string SlurmCluster::missing(const Options& options) {
  return Cluster::missing("slurm_cluster", options.accounting ? std::vector<std::string>{"--accounting"} : std::vector<std::string>{});
}

}  // namespace fabric::testing
