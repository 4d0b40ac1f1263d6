// What must hold between fields, whatever the machine, and what must hold where the job runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/diagnostic.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"

namespace fabric {

// origins tells what was written and what is a default.
void check_job(const JobSpec& job, const SourceMap& origins, Diagnostics& diagnostics);

// Files, folders and programs that have to be there for a job that trains. worker: fabric's own.
std::vector<Question> questions_of(const Train<Spec>& train, const std::string& worker);

// Whether fabric sets this variable for each rank, so that nobody else may.
bool is_set_by_fabric(std::string_view variable);

}  // namespace fabric
