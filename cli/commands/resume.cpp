#include <filesystem>

#include "cli/carry_out.hpp"
#include "cli/commands/commands.hpp"
#include "cli/find_run.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/rank_filter.hpp"
#include "cli/saved_plan.hpp"
#include "cli/show_plan.hpp"
#include "launch_backends/run_standing.hpp"
#include "launch_backends/ssh.hpp"

namespace fabric {
namespace {

constexpr Option resume_options[] = {runs_option, detach_option, ctrl_c_option,        rank_option,  node_option,
                                     grep_option, stage_option,  in_allocation_option, format_option};

constexpr Example resume_examples[] = {
    {"fabric resume runs/fashion-mnist/latest", "the last run of that name"},
};

std::optional<RunStatus> status_of(const RunDirectory& run, std::string* why) try {
  return run.status();
} catch (const std::exception& error) {
  if (why) *why = error.what();
  return std::nullopt;
}

std::optional<std::string> path_of(const std::optional<ProgramCheckpoint>& checkpoint) {
  return checkpoint ? std::optional(checkpoint->path) : std::nullopt;
}

int run_resume(const Invocation& invocation) {
  const std::string& asked = *invocation.arguments.operand;
  const std::string operand = folder_of_run(asked, runs_folder(invocation.arguments)).value_or(asked);
  RankFilter{invocation.arguments};  // what is wrong with it is said first
  std::optional<RunDirectory> run;
  std::string text;
  RunStatus status;
  RunStart start;
  try {
    run = RunDirectory::open(operand);
    text = run->plan_text();
    const std::string ways = "watch it with `" + shell_line({"fabric", "attach", run->path()}) + "`, or stop it with `" +
                             shell_line({"fabric", "cancel", run->path()}) + "`";
    if (const RunStanding standing = standing_of(*run); standing.goes_on && !(standing.detail + standing.host).empty())
      return refuse_to_run(invocation, "FAB6005",
                           "the run is alive: " + (standing.detail.empty() ? "it is conducted on " + standing.host : standing.detail),
                           ways);
    if (!run->lock()) {
      std::string who = "another process";
      if (const std::optional<RunStatus> living = status_of(*run, nullptr)) who = "process " + std::to_string(living->controller_pid);
      return refuse_to_run(invocation, "FAB6005", "the run is alive: " + who + " conducts it", ways);
    }
    // Read under the lock, so that nobody changes it any more.
    std::string why;
    if (const std::optional<RunStatus> found = status_of(*run, &why)) {
      status = *found;
    } else {
      status = run->status_by_events();
      start.remarks.push_back("its status cannot be read, its events are taken instead: " + why);
    }
  } catch (const std::exception& error) {
    return refuse_to_run(invocation, "FAB6006", operand + " is not a run: " + error.what(),
                         "`fabric list` shows the runs; give NAME, NAME/ID, or a run's folder");
  }
  if (status.state == "finished" || (is_array(*run) && summary_of(*run).status.state == "finished"))
    return refuse_to_run(invocation, "FAB6004", "the run has finished: there is nothing to go on with", "`fabric apply` starts a new run");

  start.node_rank = run->node_rank();
  Planning planning = plan_saved(shown_path(run->path() + "/plan.json"), text, invocation.self,
                                 "put what has changed back as it was, or start a new run with `fabric apply`", start.node_rank,
                                 backend_options_of(invocation.arguments));
  start.detach = invocation.arguments.has("detach");
  const RunIntent intent{std::filesystem::path(run->path()).parent_path().string(), start.detach};
  if (!planning.good()) {
    inspect_machines(planning, intent);
    return refuse_to_run(invocation, planning.compilation);
  }

  RankFilter(invocation.arguments, *planning.compilation.plan, start.node_rank);
  if (planning.compilation.plan->job.backend == BackendName::local) {
    start.device_ids = take_gpus(planning);
    if (planning.compilation.diagnostics.has_errors()) return refuse_to_run(invocation, planning.compilation);
    warn_of_limits(planning, run->path());
  }
  if (!inspect_machines(planning, intent)) return refuse_to_run(invocation, planning.compilation);
  planning.submission->hands_over |= is_conducted_on_first_host(*planning.compilation.plan, start.detach);
  start.attempt = status.attempt + 1;
  std::vector<SkippedCheckpoint> skipped;
  start.resume_path = run->newest_checkpoint(skipped);
  if (!start.resume_path) start.resume_path = path_of(run->program_checkpoint(*planning.compilation.plan));
  for (const SkippedCheckpoint& s : skipped) start.remarks.push_back("skipped " + shown_path(s.path) + ": " + s.why);
  start.remarks.push_back(start.resume_path ? "resumes from " + shown_path(*start.resume_path)
                                            : "no checkpoint: starts from the beginning");
  return carry_out(invocation, planning, *run, start);
}

}  // namespace

const Command resume_command{
    .name = "resume",
    .summary = "go on with a run that was stopped or failed",
    .about =
        "Starts the run again in its own folder, with its own plan, from the newest checkpoint that verifies. Refused while the run is alive, "
        "after it has finished, and if its plan would not be the same now. Exit codes are those of apply.",
    .operand = Operand{"RUN", "NAME, NAME/ID, or the folder of a run"},
    .options = resume_options,
    .examples = resume_examples,
    .runs_jobs = true,
    .run = run_resume,
};

}  // namespace fabric
