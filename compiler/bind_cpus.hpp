// Which CPUs each rank of a node is tied to, by the job's `binding` and the shape of the machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/hardware.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"

namespace fabric {

// What the rule reads. On cuda the devices that a rank may get, which is all that are visible where only a count is written.
struct RanksToBind {
  Accelerator accelerator{};
  std::int64_t ranks = 1;             // of the node
  std::vector<std::int64_t> devices;  // on cuda
};

struct CpuShares {
  std::vector<RankCpus> shares;
  std::int64_t fewest_cpus = 0;  // that a rank has for itself, if all of its place are at work
  std::int64_t numa_nodes = 0;   // with CPUs that this job may use
  bool even = true;              // every rank or device has its place, and as many ranks on a CPU are on each NUMA node
  std::string words;             // ranks 0-1 on CPUs 0-15, 2-3 on CPUs 16-31
  std::string hindrance;         // why this cannot be had: the NUMA node of GPU 2 is not known
};

CpuShares share_cpus(CpuBinding binding, const RanksToBind& ranks, const Host& host);

}  // namespace fabric
