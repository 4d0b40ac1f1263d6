// What of a plan SLURM would refuse after a night in its queue, or take and do otherwise than it is meant.
#pragma once

#include "schema/diagnostic.hpp"
#include "schema/plan.hpp"

namespace fabric {

// Errors and warnings, each with its field. Pure: what only the place can answer is asked by questions_for_slurm.
void refuse_for_slurm(const Plan& plan, Diagnostics& diagnostics);

// What must be there where the job is submitted, beside what the plan asks.
std::vector<Question> questions_for_slurm(const Plan& plan);

}  // namespace fabric
