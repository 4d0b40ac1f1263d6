// Somebody else's program: the words that start it, and what its script gives away about itself.
#pragma once

#include <string>
#include <vector>

#include "compiler/outside.hpp"
#include "schema/diagnostic.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"

namespace fabric {

struct ProgramStart {
  std::vector<Text> argv;  // wrapper, interpreter, program, arguments
  Code code;
  std::vector<Decision> decisions;
  std::vector<Input> inputs;               // the script and the file of variables, where they can be read
  std::vector<Question> questions;         // for the place of the run
  std::optional<std::string> accelerator;  // in the word in which it is written, if it is: Lightning compares texts
  bool sets_unbuffered = false;            // its file of variables has PYTHONUNBUFFERED
};

// folder: of the job file; where python counts from, unless it comes from the command line. Mistakes in the file of variables and
// what looks wrong in the script are told (FAB3042 to FAB3046).
ProgramStart resolve_program(const JobSpec& job, const std::string& folder, const Outside& outside, Sources& sources,
                             const SourceMap& origins, Diagnostics& diagnostics);

}  // namespace fabric
