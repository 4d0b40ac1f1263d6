// A round of a storm on a cluster: one fault or two that fall on a run of rank_program there, what a user then does, the network whole
// again, and the count of what is left. For ssh and SLURM, which differ in who takes part in a run and in what ends it.
#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "tests/clusters/inhabitants.hpp"

namespace fabric::testing {

enum class Deed { kill, stop, unplug, cut_towards, cut_away };

// What a fault falls on.
struct Victim {
  std::string name;  // agent of h1
  std::string node;  // that it is on, or whose cable it is
  bool cable = false;
  std::string other_end = "head";             // of a cable on which packets get lost one way
  bool daemon = false;                        // of the cluster: it is started again
  bool is_ours = true;                        // false: what stops it lets it go on again, when the network is whole again
  std::function<bool(const Inhabitant&)> is;  // of the newcomers of that node
};

struct Fault {
  Victim victim;
  std::string kind;  // agent
  Deed deed;
  int out = 0;  // milliseconds until it is mended, of a cable, a daemon, or what is not ours and was stopped
  bool done = false;
  std::optional<Inhabitant> hit;  // of what is no cable
};

enum class Moment { start, middle, end };
enum class User { interrupts, interrupts_twice, terminates, ends_otherwise };

struct Round {
  Moment moment;
  int after;  // it, in milliseconds
  std::vector<Fault> faults;
  User user;
  int later;  // than the faults, in milliseconds

  bool any(const std::string& kind, Deed deed) const;  // of the faults that were done
};
std::ostream& operator<<(std::ostream& out, const Round& round);

// Those who take part, by kind. The first is the command.
using Cast = std::vector<std::pair<std::string, std::vector<Victim>>>;

struct Scene {
  Cast cast;
  std::string job;                                                          // the text of job.yaml
  std::string bystanders_node;                                              // where a process stands that looks like one of the run
  int most_after_start = 1000;                                              // milliseconds
  int longest_out = 6000;                                                   // milliseconds
  std::function<bool(const Round&)> escapes = [](auto&) { return false; };  // of what docs/supervision.md names: it is not tried
  std::function<bool(const Round&)> ends_by_itself;                         // once its faults are done
  std::function<std::set<int>(const Round&)> codes;  // that the command may end with, besides that of the user's signal
  // What User::ends_otherwise does, and whoever has lost the command; absent: the command is killed, and the run is lost with it.
  std::function<void(const Cluster&)> end_otherwise;
  std::function<void(const Cluster&)> settle = [](auto&) {};  // after what is left was counted, for the next round
  std::vector<std::string> daemons;                           // that have to live on: their names
};

Round round_of(unsigned seed, const Scene& scene);

// Says in complaints what did not hold. Returns the seconds from the last event until nothing was left.
double weather(Round round, const Scene& scene, const Cluster& cluster, std::ostream& complaints);

// Of one node, where nobody is an ancestor then of what its ranks have left.
bool kills_keeper_and_agent(const Round& round);

// A rank of rank_program.
Victim rank_victim(int rank, const std::string& node);

}  // namespace fabric::testing
