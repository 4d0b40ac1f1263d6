// What must hold between fields, whatever the machine, and what must hold where the job runs.
#pragma once

#include "schema/diagnostic.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"

namespace fabric {

// origins tells what was written and what is a default.
void check_job(const JobSpec& job, const SourceMap& origins, Diagnostics& diagnostics);

// Files, folders and programs that have to be there. worker: fabric's own, for a job that trains.
std::vector<Question> questions_of(const JobSpec& job, const std::string& worker);

}  // namespace fabric
