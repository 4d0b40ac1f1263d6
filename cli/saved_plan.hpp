// A plan in a file: what `plan -o` wrote and `apply` takes up again, and what a run directory keeps. It is trusted only as far as it
// can be made again: its id must be that of its bytes, and compiling its request now must give the same plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/planning.hpp"

namespace fabric {

// The plan as a document: {"plan_id": ..., "plan": {...}}.
Value plan_document(const Plan& plan);

// Whether a file is a saved plan, and not a job, by its content.
bool looks_like_saved_plan(std::string_view text);

// Throws UsageError if the file that is given as a job is a saved plan.
void refuse_saved_plan(const std::string& job);

// The plan that `text`, the content of the file `name`, holds, planned again on this machine. Good only if nothing has changed
// since it was saved; else its diagnostics name what did (FAB6xxx). way_out is their help; by default, to save the plan again. node_rank:
// as for plan_job, and options.
Planning plan_saved(const std::string& name, const std::string& text, const std::string& self, const std::string& way_out = "",
                    std::optional<std::int64_t> node_rank = std::nullopt, const BackendOptions& options = {});

}  // namespace fabric
