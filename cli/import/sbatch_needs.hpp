// What the directives of a batch script ask for, counted as a job counts it: of each node.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/import/sbatch_directives.hpp"

namespace fabric {

struct SbatchNeeds {
  std::optional<std::int64_t> nodes;
  bool nodes_may_vary = false;        // SLURM chooses among several numbers, of which `nodes` is one
  bool nodes_of_tasks = false;        // they are as many as the tasks need, of which no more than tasks_per_node fit on one
  std::optional<std::int64_t> tasks;  // of all nodes
  std::optional<std::int64_t> tasks_per_node;
  std::optional<std::int64_t> cpus_per_task;
  std::optional<std::int64_t> gpus_per_node;
  std::string gpu_type;
  std::optional<std::int64_t> memory;  // MiB of a node; 0: all

  std::int64_t node_count() const { return nodes.value_or(1); }
  std::int64_t tasks_on_a_node() const;
};

// options: by their whole names, with their values. What is not readable is absent.
SbatchNeeds sbatch_needs(const std::map<std::string, std::string>& options);

// What a list of --gres asks for beside GPUs.
std::vector<std::string> resources_that_are_no_gpus(const std::string& gres);

// Seconds of --time; nothing for what has no limit, or is none.
std::optional<double> sbatch_seconds(const std::string& text);

// MiB: 64G, 500, 1T, 1500K.
std::optional<std::int64_t> sbatch_mebibytes(const std::string& text);

}  // namespace fabric
