#include <filesystem>

#include "cli/carry_out.hpp"
#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/saved_plan.hpp"
#include "cli/show_plan.hpp"

namespace fabric {
namespace {

constexpr Option resume_options[] = {format_option};

constexpr Example resume_examples[] = {
    {"fabric resume runs/fashion-mnist/latest", "the last run of that name"},
};

std::optional<RunStatus> status_of(const RunDirectory& run, std::string* why) try {
  return run.status();
} catch (const std::exception& error) {
  if (why) *why = error.what();
  return std::nullopt;
}

int run_resume(const Invocation& invocation) {
  const std::string& operand = *invocation.arguments.operand;
  std::optional<RunDirectory> run;
  std::string text;
  RunStatus status;
  RunStart start;
  try {
    run = RunDirectory::open(operand);
    text = run->plan_text();
    if (!run->lock()) {
      std::string who = "another process";
      if (const std::optional<RunStatus> living = status_of(*run, nullptr)) who = "process " + std::to_string(living->controller_pid);
      return refuse_to_run(invocation, "FAB6005", "the run is alive: " + who + " conducts it",
                           "wait for its end, or stop it with Ctrl-C where it was started");
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
    const std::string latest = operand + (operand.ends_with('/') ? "latest" : "/latest");
    std::error_code ignored;
    return refuse_to_run(invocation, "FAB6006", operand + " is not a run: " + error.what(),
                         std::filesystem::exists(latest, ignored) ? "did you mean `" + shell_line({"fabric", "resume", latest}) + "`?"
                                                                  : "give the folder of a run: runs/NAME/latest or runs/NAME/ID");
  }
  if (status.state == "finished")
    return refuse_to_run(invocation, "FAB6004", "the run has finished: there is nothing to go on with", "`fabric apply` starts a new run");

  Planning planning = plan_saved(shown_path(run->path() + "/plan.json"), text, invocation.self,
                                 "put the job back as it was, or start a new run with `fabric apply`");
  if (!planning.good()) return refuse_to_run(invocation, planning.compilation);

  start.device_ids = take_gpus(planning);
  if (planning.compilation.diagnostics.has_errors()) return refuse_to_run(invocation, planning.compilation);
  start.attempt = status.attempt + 1;
  std::vector<SkippedCheckpoint> skipped;
  start.resume_path = run->newest_checkpoint(skipped);
  if (!start.resume_path) start.resume_path = run->told_checkpoint();
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
    .operand = Operand{"RUN", "the folder of a run, runs/NAME/latest or runs/NAME/ID"},
    .options = resume_options,
    .examples = resume_examples,
    .runs_jobs = true,
    .run = run_resume,
};

}  // namespace fabric
