// A plan on one screen: what will run, on what, and why.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal.hpp"
#include "schema/plan.hpp"

namespace fabric {

// The whole picture. hardware_file: describes the machine that the plan is for, if that is not this one; then it says that the plan's
// questions were put to nobody. node_rank: of several nodes, the one that is to be started here.
std::string show_plan(const Plan& plan, const std::optional<std::string>& hardware_file, const Terminal& terminal,
                      std::optional<std::int64_t> node_rank = std::nullopt);

// Its first lines, for the head of an `apply`. run: the folder of the run, if there is one already. submitted: of a plan for SLURM, as a
// job of its own.
std::string show_plan_briefly(const Plan& plan, const Terminal& terminal, const std::string& run = "",
                              std::optional<std::int64_t> node_rank = std::nullopt, bool submitted = true);

// Each rank with its command and variables, as far as they are known before the start; the rest is shown as <main_port>.
std::string show_ranks(const Plan& plan, const Terminal& terminal);

// What the job would have otherwise, as the backend says it; empty if there is nothing of the kind.
std::string show_missing_promises(const std::vector<std::string>& promises, const Terminal& terminal);

// Arguments as a line that a shell would read back as these.
std::string shell_line(const std::vector<std::string>& arguments);

}  // namespace fabric
