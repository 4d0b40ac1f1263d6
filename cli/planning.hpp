// From the command line to a checked plan: compiles the job, looks at the machine or reads what was recorded of one, lets the backend
// answer the plan's questions and refuse what it cannot do. What every command that plans has in common.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.hpp"
#include "compiler/compile.hpp"
#include "launch_backends/launch_backend.hpp"
#include "launch_backends/make_launch_backend.hpp"
#include "launch_backends/process.hpp"

namespace fabric {

inline constexpr Option profile_option{"--profile", "NAME", "Apply this profile of the job file.", true};
inline constexpr Option set_option{"--set", "PATH=VALUE", "Set one field, as in --set train.optimizer.lr=0.01.", true};
inline constexpr Option hardware_option{"--hardware", "FILE",
                                        "Plan for the machine that FILE describes (see fabric probe) and not for this one."};
inline constexpr Option node_rank_option{
    "--node-rank", "N", "Of a job with several num_nodes, start the part of this node alone; the others are started by hand too."};
inline constexpr Option runs_option{"--runs", "DIR", "Where runs are kept; `runs` in the working directory by default."};
inline std::string runs_folder(const Arguments& arguments) { return arguments.value("runs").value_or("runs"); }
inline constexpr Option stage_option{"--stage", "",
                                     "Copy this fabric to hosts of ssh that lack it, into ~/.cache/fabric/builds there, and use it there."};
inline constexpr Option in_allocation_option{
    "--in-allocation", "", "Run in the allocation of SLURM that this shell has, as from salloc, at once and without a job of its own."};
inline constexpr Option format_option{"--format", "human|json", "Form of what is printed; human by default."};

struct Planning {
  double asked = now_seconds();  // when it began, since the epoch
  // Its diagnostics hold everything that was found.
  Compilation compilation;
  std::unique_ptr<LaunchBackend> backend;
  std::optional<Submission> submission;
  bool answered = false;  // the plan's questions were put to this machine

  bool good() const { return submission.has_value(); }
  // ExitCode::bad_file, or unresolved if the job is sound and this machine cannot do it.
  ExitCode failure() const;
};

// The job as the arguments name it.
Request request_of(const Arguments& arguments);

// fabric COMMAND JOB --profile ... --set ..., as words; JOB as it was written, or as the request names it.
std::vector<std::string> command_line(std::string_view command, const std::string& job, const Request& request);

// hardware_file: plan for that machine; questions about paths are then left open.
// node_rank: of several nodes, the one that is to be started by hand. Throws UsageError where an option is for another backend than that of
// the job.
Planning plan_job(const Request& request, const std::string& self, const std::optional<std::string>& hardware_file,
                  std::optional<std::int64_t> node_rank = std::nullopt, const BackendOptions& options = {});

// --stage and --in-allocation.
BackendOptions backend_options_of(const Arguments& arguments);

// What --node-rank says. Throws UsageError.
std::int64_t read_node_rank(const std::string& text);
std::optional<std::int64_t> node_rank_of(const Arguments& arguments);

// Prints diagnostics to standard error, or as JSON to standard output if `--format json` was given. Nothing where there are none.
void report(const Invocation& invocation, const Compilation& compilation);

}  // namespace fabric
