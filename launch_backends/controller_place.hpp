// Where the controller of a run is, if that is not where the run was asked for: RUN/controller.json, written before it begins, by which any
// fabric finds it again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schema/binding.hpp"

namespace fabric {

struct ControllerPlace {
  std::string host;                  // as ssh is given it
  std::vector<std::string> options;  // of ssh
  std::string fabric;                // its path there
  std::string machine;               // which that is, by its own account
  bool shared = false;               // it writes into the folder in which this was found
  bool begun = false;                // it has said so
  bool home = false;                 // the run has ended, and all of it is in this folder
  static constexpr auto fields() {
    return listed(field("host", &ControllerPlace::host), field("options", &ControllerPlace::options),
                  field("fabric", &ControllerPlace::fabric), field("machine", &ControllerPlace::machine),
                  field("shared", &ControllerPlace::shared), field("begun", &ControllerPlace::begun),
                  field("home", &ControllerPlace::home));
  }
};

// What no two machines have in common.
std::string this_machine();

// The place, if it is another machine and something of the run may still be there. run: the folder of the run.
std::optional<ControllerPlace> controller_elsewhere(const std::string& run);

// Throws std::system_error.
void write_controller_place(const std::string& run, const ControllerPlace& place);
// The controller is where the run is asked for.
void forget_controller_place(const std::string& run);

}  // namespace fabric
