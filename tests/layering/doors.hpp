// Who may include whom. Each function returns one sentence for each include that breaks a rule, with file and line; none when all hold.
#pragma once

#include <string>
#include <vector>

#include "tests/layering/source_tree.hpp"

namespace fabric::layering {

// The folders that the rules are about.
const std::vector<std::string>& floors();

// A floor includes only the floors that stand below it, by their path from the root of the repository.
std::vector<std::string> broken_doors(const std::vector<SourceFile>& files);

// The alternatives of one list (front ends, launch backends, strategies, tasks, commands) do not know each other.
std::vector<std::string> rows_that_know_each_other(const std::vector<SourceFile>& files);

// A library of others has one door. Headers of schema/ include the standard library alone, and nothing but cli/ has std::cout at hand.
std::vector<std::string> foreign_headers_out_of_place(const std::vector<SourceFile>& files);

// Processes are started in launch_backends/process.cpp alone; schema/ and compiler/ print nothing.
std::vector<std::string> calls_out_of_place(const std::vector<SourceFile>& files);

// One sentence a knot of rooms, a room being a header with its source, that include each other in a circle.
std::vector<std::string> include_cycles(const std::vector<SourceFile>& files);

}  // namespace fabric::layering
