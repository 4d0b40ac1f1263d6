// A plan becomes a run: what `apply` and `resume` have in common. Shows the run while it goes on and sums it up at its end.
#pragma once

#include <optional>
#include <string>

#include "cli/planning.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {

inline constexpr Option detach_option{
    "-d,--detach", "",
    "Return once the run has started; it goes on by itself, over ssh on the first host. `fabric logs`, `status` and `cancel` reach it."};
inline constexpr Option debug_option{"--debug", "N",
                                     "Give rank N this terminal, for pdb or gdb; the other ranks wait as long as it takes."};

inline constexpr Option ctrl_c_option{
    "--ctrl-c", "stop|leave",
    "What Ctrl-C does to a run that a job of a cluster carries out: stop it in order, which is the default, or leave it."};

struct RunStart {
  std::int64_t attempt = 0;
  std::optional<std::string> resume_path;
  std::vector<std::int64_t> device_ids;    // where the plan leaves them open
  std::optional<std::int64_t> node_rank;   // of several nodes, the one that is started here
  std::optional<std::int64_t> debug_rank;  // a rank that has the terminal of this process
  std::vector<std::string> remarks;        // for the head of what is printed
  bool detach = false;                     // return once it has started or was submitted
};

// planning is good, and run holds its plan. Returns the exit code of the run; with start.detach, as start_run does.
int carry_out(const Invocation& invocation, Planning& planning, RunDirectory& run, const RunStart& start);

// Whether Ctrl-C is to stop such a run, by --ctrl-c. Throws UsageError.
bool ctrl_c_stops(const Arguments& arguments);

// What --debug says. Throws UsageError.
std::optional<std::int64_t> debug_rank_of(const std::string& text);

// Makes a run of the plan below the folder runs, and carries it out; or says why not. Returns the exit code. detach: another process
// carries it out, which outlives this one and its terminal; returns when its ranks run, or with the code of a run that ended before; where
// a job carries it out, when that was submitted.
// start: what is known of it, such as its node_rank.
int start_run(const Invocation& invocation, Planning& planning, const std::string& runs, RunStart start = {}, bool detach = false);

// Looks at who uses the GPUs now and chooses idle ones; what stands in the way goes to planning's diagnostics, which are then errors.
std::vector<std::int64_t> take_gpus(Planning& planning);

// Adds a warning for each limit of this machine that may end or hinder the run.
void warn_of_limits(Planning& planning, const std::string& runs);

// Looks at the machines once more. Where planning is not good for what some of them lack, all that can be known of them goes to its
// diagnostics too. False: nothing is to be started.
bool inspect_machines(Planning& planning, const RunIntent& intent);

// Prints why nothing was started; returns ExitCode::refused.
int refuse_to_run(const Invocation& invocation, const Compilation& compilation);

// Adds one error that stands at no place in a file, and refuses.
int refuse_to_run(const Invocation& invocation, std::string code, std::string message, std::string help);

}  // namespace fabric
