// The machines that the nodes of a job are: the facts of each, its name where the job names its machines, and the devices that it gives.
// Nodes that follow each other and are alike are one entry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"
#include "schema/job.hpp"

namespace fabric {

struct Machine {
  const Host* host = nullptr;  // of the hardware that was given
  std::int64_t nodes = 1;
  std::vector<std::string> names;  // one a node; empty where the job names none
  std::optional<Devices> devices;  // written for these alone
  std::optional<std::int64_t> slots;

  std::string source;  // who says what it has, where that was not the machine itself

  // For a sentence: this machine; or the name of the first.
  std::string name() const { return !names.empty() ? names.front() : source.empty() ? "this machine" : "a node"; }
  std::int64_t gpus() const { return static_cast<std::int64_t>(host->gpus.size()); }
};

// At least one, unless an error says why not (FAB4010). hardware has its machines in the order of the nodes; where there are fewer, the
// last one stands for those that are left.
std::vector<Machine> machines_of(const JobSpec& job, const Hardware& hardware, Diagnostics& diagnostics);

}  // namespace fabric
