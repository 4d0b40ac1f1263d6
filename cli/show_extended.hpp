// The part of `fabric plan` that says which values the job does not have from itself: those of a site or of a file that it extends.
#pragma once

#include <string>

#include "cli/terminal.hpp"
#include "compiler/compile.hpp"

namespace fabric {

// A row for each such value, with the name and the line it comes from; empty if there is none.
std::string show_extended(const Compilation& compilation, const Terminal& terminal);

}  // namespace fabric
