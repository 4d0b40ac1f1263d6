// The living processes of a cluster with the node that each is on, read from /proc of this machine.
#pragma once

#include <string>
#include <vector>

#include "launch_backends/process_tree.hpp"
#include "tests/clusters/cluster.hpp"

namespace fabric::testing {

struct Inhabitant {
  ProcessEntry process;  // its pid is that on this machine
  std::string node;      // head, or as the cluster calls it
  std::string line;      // its words, with blanks between; empty: it is just being started or ended

  bool runs(std::string_view words) const { return line.find(words) != std::string::npos; }
  bool same_as(const Inhabitant& other) const { return process.pid == other.process.pid && process.start == other.process.start; }
};

// A file of /proc about a process; what could be read of it, if that ends meanwhile.
std::string bytes_of(pid_t pid, const std::string& file);

std::vector<Inhabitant> inhabitants_of(const Cluster& cluster);

// Of the variables that it was started with; empty if it has none of that name.
std::string variable_of(const Inhabitant& inhabitant, const std::string& name);

// Of now, those that were not there before. What the cluster itself does between its daemons is not counted.
std::vector<Inhabitant> newcomers(const std::vector<Inhabitant>& now, const std::vector<Inhabitant>& before);

}  // namespace fabric::testing
