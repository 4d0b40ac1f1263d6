// Every `auto` becomes a value, with the reason. Rules run in one fixed order, each reading facts of the machine and what was
// decided before it: accelerator, devices, num_nodes, strategy, precision, binding, threads, process group, batch, data workers, address.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/backend_rules.hpp"
#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"

namespace fabric {

// Nodes that follow each other and are alike.
struct NodeShape {
  std::int64_t nodes = 1;
  std::vector<std::string> hosts;  // by name, where the job names its machines
  Devices devices;                 // of each
  std::vector<RankCpus> cpus;      // by `binding`
};

struct Resolution {
  ResolvedJob job;
  std::vector<Decision> decisions;
  std::vector<NodeShape> nodes;  // in their order; the first has job.devices
};

// Pure and deterministic: no clock, no environment. A decision's inputs are all that it read, and its `because` names each.
// nullopt if something asked for cannot be had on this hardware.
std::optional<Resolution> resolve_auto(const JobSpec& job, const Hardware& hardware, Diagnostics& diagnostics,
                                       const BackendRules& rules = {});

// The threads of a rank that OMP_NUM_THREADS of an environment asks for, if a job may have so many.
std::optional<std::int64_t> threads_in(std::string_view omp_num_threads);

}  // namespace fabric
