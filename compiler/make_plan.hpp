// From the resolved job to the plan: node groups, the rank template with every variable, questions, and the files to be written.
#pragma once

#include <vector>

#include "compiler/outside.hpp"
#include "compiler/resolve_auto.hpp"
#include "compiler/resolve_program.hpp"
#include "schema/diagnostic.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

// Pure: equal input gives an equal plan.
Plan make_plan(Resolution resolution, const Request& request, std::vector<Input> inputs, const std::optional<ProgramStart>& start,
               std::vector<Question> questions, const Outside& outside);

}  // namespace fabric
