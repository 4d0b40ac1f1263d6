// Which machines a job names, in the order of its nodes: those of its list or of its hostfile, without what `include` and `exclude` leave
// out. For backends whose machines are named; of others this says nothing.
#pragma once

#include <vector>

#include "compiler/outside.hpp"
#include "schema/diagnostic.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"

namespace fabric {

// Puts the hosts that are taken in the place of those that are written, with their devices, and the hostfile among the inputs (FAB3301 to
// FAB3308). decisions: how they came about, where that is not written in the job itself.
void choose_hosts(JobSpec& job, const Outside& outside, Sources& sources, std::vector<Input>& inputs, std::vector<Decision>& decisions,
                  Diagnostics& diagnostics);

// Names as they stand in a sentence: a, b and c; with many, the first of them and how many more.
std::string names_in_words(const std::vector<std::string>& names);

}  // namespace fabric
