// What only the place of a run can say of a plan: whether its files, folders and programs are there.
#pragma once

#include <string>

#include "schema/plan.hpp"

namespace fabric {

// Why the answer is no on this machine; empty for yes.
std::string answer_here(const Question& question);

}  // namespace fabric
