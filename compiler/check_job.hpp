// What must hold between fields, whatever the machine.
#pragma once

#include "schema/diagnostic.hpp"
#include "schema/job.hpp"
#include "schema/source_map.hpp"

namespace fabric {

// origins tells what was written and what is a default.
void check_job(const JobSpec& job, const SourceMap& origins, Diagnostics& diagnostics);

}  // namespace fabric
