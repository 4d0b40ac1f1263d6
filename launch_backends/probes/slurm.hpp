// What SLURM says of its cluster, and that as Hardware. Read is the text of `scontrol --oneliner show`, whose keys are the same in SLURM
// 22.05 and 24.11 where JSON is not; all of it is text of others. Nothing is run here, and the machine on which fabric runs, a login
// node, is never looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"

namespace fabric {

struct SlurmPartition {
  std::string name;
  bool is_default = false;
  std::string state;                         // UP; DOWN: jobs wait; DRAIN and INACTIVE: none are taken
  std::optional<std::int64_t> time_limit;    // seconds; absent: none
  std::optional<std::int64_t> default_time;  // seconds, of a job that asks for none; absent: the limit
  std::optional<std::int64_t> most_nodes;    // of one job; absent: all
  std::int64_t nodes = 0;
  // Who may use it. Empty: all, or none is shut out.
  std::vector<std::string> accounts;
  std::vector<std::string> accounts_shut_out;
  std::vector<std::string> qos;
  std::vector<std::string> qos_shut_out;
  std::vector<std::string> groups;
};

// GPUs of one type of a node. type: the cluster's own word; empty: it has none.
struct SlurmGpus {
  std::string type;
  std::int64_t count = 0;
  friend bool operator==(const SlurmGpus&, const SlurmGpus&) = default;
};

struct SlurmNode {
  std::string name;
  std::string state;        // IDLE, MIXED+PLANNED, DOWN+NOT_RESPONDING ...
  bool takes_jobs = false;  // now, or once what runs there has ended
  std::int64_t cpus = 0;    // logical ones that jobs may have
  std::int64_t cpus_in_all = 0;
  std::int64_t sockets = 0;
  std::int64_t cores_per_socket = 0;
  std::int64_t threads_per_core = 0;
  std::int64_t memory_bytes = 0;  // that jobs may have
  std::vector<SlurmGpus> gpus;
  std::vector<std::string> features;
  std::vector<std::string> partitions;
};

struct SlurmCluster {
  std::string name;     // empty: not known
  std::string version;  // 22.05.8; empty: not known
  std::vector<SlurmPartition> partitions;
  std::vector<SlurmNode> nodes;

  const SlurmPartition* partition(std::string_view name) const;
  const SlurmPartition* default_partition() const;
};

// `scontrol --all --oneliner show partition`, `... show node` and `scontrol show config`. Lines that are something else are passed over.
std::vector<SlurmPartition> read_slurm_partitions(std::string_view text);
std::vector<SlurmNode> read_slurm_nodes(std::string_view text);
void read_slurm_configuration(std::string_view text, SlurmCluster& cluster);

// Which nodes a job could have.
struct SlurmQuery {
  std::string partition;   // empty: the default one
  std::string constraint;  // features, as --constraint takes them; empty: any
  std::string gpu_type;    // nodes that have GPUs of this type, of which no others count; empty: any
};

// The nodes of a partition, those that are alike together: first those with GPUs, then those of which there are most,
// whoever is down now: a plan is not another for that. A node that is
// down or drained is counted in `unavailable`. What SLURM does not tell stays open: NUMA nodes, SMT siblings, addresses, drivers; CPUs
// are numbered from 0. Errors (FAB4043 to FAB4045) leave it without groups; warnings say what a job would meet.
Hardware hardware_of(const SlurmCluster& cluster, const SlurmQuery& query, Diagnostics& diagnostics);

}  // namespace fabric
