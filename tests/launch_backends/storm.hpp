// Rounds of random faults, several side by side, each of which can be had again by its seed. For the storms of one machine, of hosts that
// ssh reaches, and of SLURM.
//
//     FABRIC_STORM=300           rounds of the storm on one machine; those on clusters have a third as many; 30 if it is not set
//     FABRIC_STORM_SEED=N        the first round's seed, the next has N + 1; FABRIC_STORM=1 with the seed of a round is that round again
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace fabric::test {

// For rank_program: what ranks do that are hard to end.
const std::vector<std::string>& misbehaviour();

// Carries out the round of a seed, and says in complaints what did not hold. Returns the seconds from its last event until nothing was
// left.
using StormRound = std::function<double(unsigned seed, std::ostream& complaints)>;

struct Storm {
  int share = 1;  // one round of so many of FABRIC_STORM
  int side_by_side = 4;
  std::function<std::string(unsigned seed)> describe;
  // Called in the process of each side before its rounds, which goes on with what it returns until that is destroyed.
  std::function<StormRound()> begin;
};

// All of its rounds, with a failure of the test for each that complains.
void rage(const Storm& storm);

}  // namespace fabric::test
