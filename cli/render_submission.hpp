// What a backend would write and start, as a reader of it wants it: each line that comes from the job says from which field and where.
#pragma once

#include <string>

#include "compiler/compile.hpp"
#include "launch_backends/launch_backend.hpp"

namespace fabric {

// Adds to each line with a cause a comment behind it: the field, and the file and line where that was written.
void tell_causes(Submission& submission, const Compilation& compilation);

// Writes its files and plan.json into folder, which is made; nothing of the kind may be there yet. Throws UsageError and
// std::system_error.
void write_submission(const Submission& submission, const Plan& plan, const std::string& folder);

}  // namespace fabric
