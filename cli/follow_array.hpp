// Shows the runs of an array from their files and the queue: which begin, which end, and how.
#pragma once

#include <optional>

#include "cli/terminal.hpp"
#include "launch_backends/run_standing.hpp"

namespace fabric {

// A line for each run that begins or ends, until none goes on. Absent if the user leaves before; stops: Ctrl-C stops all of them, and a
// second one kills, and SIGTERM as well, else it leaves. Takes SIGINT for itself, and SIGTERM where it stops.
std::optional<ArraySummary> follow_array(const RunDirectory& run, const Terminal& out, bool stops);

// What is said in the end: how many finished, and of the first that did not why, on err.
void tell_end_of_array(const RunDirectory& run, const ArraySummary& summary, const Console& console);

// Each run of it in a row.
std::string array_table(const ArraySummary& summary, const Terminal& out);
// The same for a program.
Value array_value(const ArraySummary& summary);

}  // namespace fabric
