// A SLURM cluster for tests: head with slurmctld, and nodes n1, n2 ... with slurmd, all of them real.
#pragma once

#include <string>
#include <vector>

#include "tests/clusters/cluster.hpp"

namespace fabric::testing {

class SlurmCluster : public Cluster {
 public:
  struct Options {
    int nodes = 4;
    int gpus = 8;  // a node; character devices that are no GPUs
    int cpus = 16;
    int memory_mib = 64000;
    bool own_networks = true;        // false: no cables, and no ports of its own for a node
    bool accounting = false;         // slurmdbd and MariaDB: sacct, accounts
    bool preemption = false;         // the partition `urgent` takes nodes from `batch`
    std::vector<std::string> lines;  // of slurm.conf, instead of ours with the same key
  };

  // Lines with which a crash is noticed after 5 s instead of 15 to 20, in a cluster of few nodes.
  inline static const std::vector<std::string> soon_noticed = {"SlurmdTimeout=3", "TCPTimeout=1", "TreeWidth=1"};

  explicit SlurmCluster(const Options& options);
  static std::string missing(const Options& options);
};

}  // namespace fabric::testing
