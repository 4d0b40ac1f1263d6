#include "launch_backends/run_summary.hpp"

#include <algorithm>
#include <csignal>
#include <exception>
#include <string_view>
#include <utility>

namespace fabric {
namespace {

// Reasons of squeue(1) that no waiting mends.
constexpr std::pair<std::string_view, std::string_view> hopeless[] = {
    {"PartitionNodeLimit", "it asks for more nodes than its partition gives a job"},
    {"PartitionTimeLimit", "it asks for more time than its partition gives a job"},
    {"PartitionConfig", "its partition does not take such a job"},
    {"BadConstraints", "no node has what it asks for"},
    {"DependencyNeverSatisfied", "what it depends on has not come to pass, and cannot any more"},
    {"InvalidAccount", "its account may not be used here"},
    {"InvalidQOS", "its qos may not be used here"},
    {"JobHeldUser", "it is held: `scontrol release` lets it go"},
    {"JobHeldAdmin", "an administrator holds it"},
    {"launch failed requeued held", "it could not be launched, and is held: `scontrol release` lets it go"},
    {"job requeued in held state", "it was put back to be held: `scontrol release` lets it go"},
};

// States in which SLURM ends a job before its script has said how it ended.
constexpr std::pair<std::string_view, std::string_view> ends[] = {
    {"PREEMPTED", "SLURM gave its nodes to another job"},
    {"NODE_FAIL", "a node has failed"},
    {"TIMEOUT", "its time was over"},
    {"CANCELLED", "it was cancelled, and SLURM did not wait for its end"},
    {"OUT_OF_MEMORY", "it used more memory than it was given"},
    {"BOOT_FAIL", "a node did not come up"},
    {"DEADLINE", "it could not have ended before its deadline"},
};

// Whether SLURM might start it again.
bool may_go_back(const RunDirectory& run) {
  const std::optional<Plan> plan = run.plan();
  return !plan || !plan->job.slurm || plan->job.slurm->requeue;
}

// A script of the shape srun is told to end in the same way by whoever cancels it and by SLURM when it puts the job back.
bool may_have_been_put_back(const RunDirectory& run) {
  const std::optional<Plan> plan = run.plan();
  return plan && plan->job.slurm && plan->job.slurm->shape == SlurmShape::srun && plan->job.slurm->requeue;
}

}  // namespace

std::string in_words(const SlurmJob& job, const SlurmStanding& found) {
  using Phase = SlurmStanding::Phase;
  const std::string name = "job " + job.id + " of SLURM";
  if (found.phase == Phase::unreachable) return "SLURM does not answer: " + found.reason;
  // Some versions write the words of a reason apart, and some do not.
  std::string found_reason = found.reason;
  std::replace(found_reason.begin(), found_reason.end(), '_', ' ');
  if (found.phase == Phase::waiting)
    for (const auto& [reason, meaning] : hopeless)
      if (found_reason == reason) return name + " waits (" + found.reason + "), and will for ever as it is: " + std::string(meaning);
  if (found.phase == Phase::waiting)
    return name + " waits" + (found.reason.empty() ? "" : " (" + found.reason + ")") +
           (found.start.empty() ? "" : ", expected to start at " + found.start);
  if (found.phase == Phase::running) return name + " is " + found.state;
  if (found.state.empty()) return "SLURM knows " + name.substr(0, name.find(" of")) + " no more";
  const std::string ended = name + " ended as " + found.state;
  for (const auto& [state, meaning] : ends)
    if (found.state == state) return ended + ": " + std::string(meaning);
  return ended + (found.reason.empty() ? "" : " (" + found.reason + ")");
}

RunStanding standing_in(const SlurmQueue& queue, const RunDirectory& run, const SlurmJob& job) {
  using Phase = SlurmStanding::Phase;
  const SlurmStanding found = queue.standing(run.path(), job);
  // What SLURM still waits for then, such as a node that does not answer, is nothing of the run.
  const bool is_over = found.state == "COMPLETING" && summary_by_files(run).status.ended && !may_go_back(run);
  return {.goes_on = found.phase != Phase::gone && !is_over,
          .in_queue = found.phase == Phase::waiting,
          .cancelled = found.state == "CANCELLED",
          .answered = found.phase != Phase::unreachable,
          .detail = in_words(job, found)};
}

RunSummary summary_by_files(const RunDirectory& run) {
  RunSummary summary{run.path(), run.id(), {}, {}};
  const bool alive = run.is_alive();
  try {
    summary.status = run.status();
  } catch (const std::exception&) {
    summary.status = run.status_by_events();
    if (alive) summary.status.state = "starting";
  }
  summary.standing.goes_on = alive;
  return summary;
}

// Whether the files do not say how it stands. The end of a run that was lost with its node is not the last word: its job may be back in the
// queue.
bool is_open(const RunDirectory& run, const RunSummary& summary) {
  if (summary.standing.goes_on) return false;
  if (!summary.status.ended) return true;
  const bool lost = summary.status.state == "lost";
  if ((!lost && summary.status.state != "stopped") || !slurm_job_of(run.path())) return false;
  return lost || may_have_been_put_back(run);
}

void settle(const RunDirectory& run, RunSummary& summary, RunStanding standing) {
  summary.standing = std::move(standing);
  RunStatus& status = summary.status;
  if (status.ended && (!summary.standing.goes_on || !summary.standing.answered)) {
    summary.standing.goes_on = false;
    return;
  }
  if (summary.standing.goes_on) {
    if (summary.standing.in_queue) status.state = "queued";
    else if (status.ended || (status.state == "queued" && summary.standing.answered)) status.state = "starting";
    status.ended.reset();
    return;
  }
  // It may have ended since its status was read.
  try {
    if (RunStatus now = run.status(); now.ended) {
      status = std::move(now);
      return;
    }
  } catch (const std::exception&) {}
  const bool had_begun = status.state != "queued";
  status.state = "lost";
  if (status.message.empty() || !had_begun) status.message = summary.standing.detail;
  if (had_begun || !summary.standing.cancelled) return;
  status.state = "stopped";
  status.message = taken_from_queue;
  status.exit_code = 128 + SIGTERM;
}

}  // namespace fabric
