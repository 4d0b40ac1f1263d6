// What a backend has of its own to say before a job is resolved: the compiler knows none by name.
#pragma once

#include <string>

namespace fabric {

struct BackendRules {
  // The job stands in a queue first, and is to run the code of now.
  bool waits = false;
  // Ranks find programs by what is made on their node before they start: modules, an environment, commands, an image. Then a name without
  // a slash means nothing on the machine where the job is planned.
  bool makes_environment = false;
  // Ranks find programs on the PATH of other machines.
  bool starts_elsewhere = false;
  std::string cpus_from;  // who chooses which CPUs of a node the job has; empty: the plan may
  std::string python;     // of a virtual environment that the job activates; empty: none
  // Who says where rank 0 listens, where the job does not, and what that is; empty: fabric's own controller and agents.
  std::string address_from;
  std::string address;
  std::string port_from;
};

}  // namespace fabric
