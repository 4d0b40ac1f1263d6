// The compiler: text and hardware in, plan and diagnostics out. Start reading here: compile.cpp is the pipeline on one screen.
// It is a pure function. What it needs of the outside it is given as functions, and what only the place of the run can answer it
// leaves as questions in the plan.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compiler/layers.hpp"
#include "compiler/outside.hpp"
#include "compiler/resolve_program.hpp"
#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"

namespace fabric {

// What a job file says, checked, with every layer applied and nothing resolved.
struct CheckedJob {
  JobSpec job;
  Value merged;                       // the long form, defaults filled in
  std::vector<Input> inputs;          // every file that was read
  std::vector<Decision> decisions;    // that needed no hardware
  std::optional<ProgramStart> start;  // of a program
};

struct Compilation {
  Sources sources;
  SourceMap origins;
  Diagnostics diagnostics;
  std::optional<CheckedJob> checked;
  std::vector<ExtendedSource> extended;  // what of `sources` lies under the job
  // For the place of the run to answer, errors or not: of all that could be read.
  std::vector<Question> questions;
  std::optional<BackendName> backend;  // which has to answer them, as far as it could be read
  std::optional<Plan> plan;            // only if there were no errors, or only provisional
  // Machines that could not be asked are taken to be like others in the plan: it is for looking at the rest of them, and not for a run. The
  // diagnostics have an error then.
  bool provisional = false;
};

// Reads and checks a job: text, layers, schema, and what must hold between fields whatever the machine. Leaves `plan` empty.
Compilation check(const Request& request, const Outside& outside);

// The whole way. hardware is asked for only if check found no errors. It adds one itself where not all of it could be seen.
Compilation compile(const Request& request, const Outside& outside, const std::function<Hardware(const JobSpec&, Diagnostics&)>& hardware);

}  // namespace fabric
