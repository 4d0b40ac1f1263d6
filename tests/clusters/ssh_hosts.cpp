#include "tests/clusters/ssh_hosts.hpp"

namespace fabric::testing {
namespace {

std::vector<std::string> words(const SshHosts::Options& options) {
  std::vector<std::string> all = {"--hosts", std::to_string(options.hosts)};
  if (!options.own_networks) all.emplace_back("--shared-network");
  for (const std::string& line : options.lines) all.insert(all.end(), {"--line", line});
  return all;
}

}  // namespace

SshHosts::SshHosts(const Options& options) : Cluster("ssh_hosts", words(options)) {}

std::string SshHosts::missing(const Options&) { return Cluster::missing("ssh_hosts", {}); }

}  // namespace fabric::testing
