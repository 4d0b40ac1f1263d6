// Where a script that is imported stands.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fabric {

struct ImportPlace {
  std::string folder;                                 // where the script is submitted, absolute: the folder that it is in
  std::string from_job;                               // that folder as the job file names it; empty: they are the same
  std::string script_name;                            // of the script, for the name of a job that has none
  bool dos = false;                                   // its lines ended as those of DOS do, and do no more
  std::optional<std::vector<std::string>> arguments;  // that it is submitted with, where they are known
};

}  // namespace fabric
