#include "launch_backends/controller.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>

#include "launch_backends/process.hpp"
#include "launch_backends/restart_policy.hpp"
#include "launch_backends/run_record.hpp"
#include "launch_backends/surroundings.hpp"

namespace fabric {
namespace {

// What a program keeps its own checkpoints as is in its folder and not in ours.
void look_for_checkpoint(const RunDirectory& run, const Plan& plan, Progress& progress) {
  const std::optional<ProgramCheckpoint> found = run.program_checkpoint(plan);
  if (found) progress.checkpoint = found->path, progress.written = found->written;
}

// Returns the signal that ended the wait, 0 if none did.
int wait_to_start(Surroundings& surroundings, double seconds, std::optional<Attempt::Clock::time_point> deadline, const RunOptions& options,
                  std::optional<Overruling>& overruled) {
  constexpr double look_every = 1;
  int signal = 0;
  for (; seconds > 0 && signal == 0 && !(deadline && Attempt::Clock::now() >= *deadline); seconds -= look_every) {
    if (options.overruled && (overruled = options.overruled())) break;
    signal = surroundings.wait(std::min(seconds, look_every), deadline);
  }
  return signal;
}

}  // namespace

Outcome conduct(const Plan& plan, const RunOptions& options, const std::vector<Carrier>& carriers, RunObserver& observer) {
  RunRecord record(RunDirectory::open(options.run_directory), observer);
  record.status.node_rank = options.node_rank;
  Surroundings surroundings(options.time_signal);
  Progress so_far;
  if (options.resume_path && plan.job.program) look_for_checkpoint(record.directory(), plan, so_far);
  // Nobody could start the ranks of other nodes again.
  const Restart restart = options.node_rank || options.debug_rank ? Restart{} : plan.job.restart;
  RestartPolicy policy(restart, so_far);
  RunOptions now = options;
  std::optional<Attempt::Clock::time_point> deadline;
  std::optional<double> time = options.time_left;
  if (!time && plan.job.time_limit) time = plan.job.time_limit->seconds;
  if (time && !options.debug_rank) deadline = Attempt::Clock::now() + clock_time(std::max(*time, 0.0));
  const auto ended = [&](Outcome outcome) {
    if (std::optional<Value> detail = options.put_back ? options.put_back(outcome) : std::nullopt) {
      record.put_back(std::move(*detail));
      outcome.verdict = record.status.state;
    } else {
      record.close(outcome);
    }
    return outcome;
  };
  for (;;) {
    Attempt attempt(plan, now, carriers, record, surroundings, deadline);
    Outcome outcome = attempt.run();
    Progress progress = attempt.progress();
    if (outcome.verdict == "failed" && restart.max > 0) look_for_checkpoint(record.directory(), plan, progress);
    RestartPolicy::Verdict verdict = policy.judge(outcome, attempt.culprit(), progress);
    if (verdict.restart && attempt.interrupted() != 0) verdict = {false, 0, "SIG" + signal_name(attempt.interrupted())};
    if (!verdict.restart) {
      if (!verdict.why.empty()) outcome.message += "; no new start: " + verdict.why;
      return ended(outcome);
    }
    std::vector<SkippedCheckpoint> damaged;
    now.attempt += 1;
    now.asked.reset();
    // What an earlier attempt left holds as long as there is none newer.
    if (const std::optional<std::string> newest = record.directory().newest_checkpoint(damaged)) now.resume_path = newest;
    else if (!progress.checkpoint.empty()) now.resume_path = progress.checkpoint;
    Value detail = Value::object();
    detail.set("attempt", now.attempt);
    detail.set("wait", verdict.wait);
    detail.set("why", verdict.why);
    detail.set("resume_path", now.resume_path ? Value(*now.resume_path) : Value());
    record.event("restarting", std::move(detail));
    record.state("restarting");
    std::optional<Overruling> overruled;
    int signal = wait_to_start(surroundings, verdict.wait, deadline, options, overruled);
    const bool late = (deadline && Attempt::Clock::now() >= *deadline) || (signal != 0 && signal == options.time_signal);
    if (late) signal = 0;
    if (overruled) signal = SIGTERM;
    if (signal == 0 && !late) continue;
    outcome.exit_code = signal ? 128 + signal : time_is_up;
    outcome.verdict = "stopped";
    outcome.message = (overruled ? overruled->why
                       : signal  ? "stopped by SIG" + signal_name(signal)
                                 : "stopped at " + time_limit_in_words(plan, options)) +
                      " before a new start; " + outcome.message;
    return ended(outcome);
  }
}

}  // namespace fabric
