// What becomes of the code of a program before a run: whether a copy of it is made, and how a plan starts from that copy.
#pragma once

#include <string>
#include <vector>

#include "compiler/outside.hpp"
#include "compiler/resolve_auto.hpp"
#include "schema/backend_rules.hpp"
#include "schema/diagnostic.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"

namespace fabric {

// Decides code.take and code.sync. folder: of the job file. What is written and cannot be done is an error. Of the questions those are
// taken that the hosts could not answer, since what they are about is brought there.
void resolve_code(const JobSpec& job, const BackendRules& rules, const std::string& folder, Resolution& resolution,
                  std::vector<Question>& questions, const Outside& outside, Diagnostics& diagnostics);

// Where the plan takes a copy: its paths below the folder that is copied become those of the copy, RUN/code. Ranks of a snapshot of a
// script start where they would have; those of a module, of a program of that folder, or of code that was brought to their host, in the
// copy.
void start_from_copy(Plan& plan, const std::string& job_folder);

}  // namespace fabric
