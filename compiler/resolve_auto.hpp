// Every `auto` becomes a value, with the reason. Rules run in one fixed order, each reading facts of the machine and what was
// decided before it: accelerator, devices, num_nodes, strategy, precision, threads, process group, batch, data workers, address.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"

namespace fabric {

struct Resolution {
  ResolvedJob job;
  std::vector<Decision> decisions;
  std::optional<std::string> written_accelerator;  // as a program is told of it
};

// Pure and deterministic: no clock, no environment. A decision's inputs are all that it read, and its `because` names each.
// nullopt if something asked for cannot be had on this hardware.
std::optional<Resolution> resolve_auto(const JobSpec& job, const Hardware& hardware, Diagnostics& diagnostics);

}  // namespace fabric
