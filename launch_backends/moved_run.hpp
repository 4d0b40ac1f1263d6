// A run whose controller is on another machine, as this one sees it: asked over ssh where it stands, told to stop, and where that machine
// writes on a disk of its own, its files kept here as far as they have been heard of.
#pragma once

#include <optional>
#include <string>

#include "launch_backends/controller_place.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {

struct MovedStanding {
  bool goes_on = false;
  std::string problem;  // why that is not known; empty: it is
  bool more = false;    // of its files is there than is here
  std::string note;     // what of them cannot be had
};

// Asks, once a moment at the most, and writes what is new into the folder of the run. A host that does not answer is left in peace for a
// while.
MovedStanding ask_about_moved(const RunDirectory& run, const ControllerPlace& place);

// False if it has ended. Throws std::runtime_error if the host does not answer.
bool stop_moved(const RunDirectory& run, const ControllerPlace& place, int signal, bool hurry);

}  // namespace fabric
