// Hosts h1, h2 ... with real sshd for tests, and head, from which `ssh h1` reaches them with a key.
#pragma once

#include <string>
#include <vector>

#include "tests/clusters/cluster.hpp"

namespace fabric::testing {

class SshHosts : public Cluster {
 public:
  struct Options {
    int hosts = 4;
    bool own_networks = true;        // false: no cables
    std::vector<std::string> lines;  // of sshd_config, before ours: the first one counts
  };

  explicit SshHosts(const Options& options);
  static std::string missing(const Options& options);
};

}  // namespace fabric::testing
