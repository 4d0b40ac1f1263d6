#include <poll.h>
#include <signal.h>

#include <algorithm>

#include "cli/commands/commands.hpp"
#include "cli/find_run.hpp"
#include "cli/planning.hpp"
#include "launch_backends/leftovers.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_standing.hpp"

namespace fabric {
namespace {

constexpr Option cancel_options[] = {
    runs_option,
    {"--now", "", "Kill the ranks at once, as a second Ctrl-C does."},
};

constexpr Example cancel_examples[] = {
    {"fabric cancel train", "stop the last run of that name in order: ranks save and leave"},
};

// A run that has ended may have left something where its controller was killed and those who would have ended it with it.
int end_the_rest(const Terminal& out, RunDirectory& run) {
  const Leftovers leftovers = end_leftovers(run);
  if (leftovers.ended.empty() && leftovers.left.empty()) {
    out.write(sanitised(run.id()) + " has ended already\n");
    return exit_with(ExitCode::success);
  }
  const auto say = [&](std::string_view what, const std::vector<std::string>& processes) {
    std::string list;
    for (const std::string& process : processes) list += (list.empty() ? " " : ", ") + sanitised(process);
    if (!list.empty()) out.write(sanitised(run.id()) + std::string(what) + list + '\n');
  };
  say(" had ended; what it had left was ended:", leftovers.ended);
  say(" had ended; left, since it could not be ended:", leftovers.left);
  return exit_with(leftovers.left.empty() ? ExitCode::success : ExitCode::internal);
}

int run_cancel(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const Terminal& out = invocation.console.out;
  if (const std::optional<WaitingTask> waiting = find_waiting_task(*arguments.operand, runs_folder(arguments)))
    if (const RunDirectory array = RunDirectory::open(waiting->array); cancel_waiting_task(array, waiting->index)) {
      out.write("index " + std::to_string(waiting->index) + " of " + sanitised(array.id()) + ' ' + taken_from_queue + '\n');
      return exit_with(ExitCode::success);
    }
  RunDirectory run = find_run(arguments);
  const bool hurry = arguments.has("now");
  if (!stop_run(run, SIGTERM, hurry)) return end_the_rest(out, run);
  out.write("stopping " + sanitised(run.id()) + (hurry ? "\n" : ": its ranks save and leave; `--now` kills them\n"));
  const double insist_at = now_seconds() + static_cast<double>(time_to_insist.count());
  bool insisted = false;
  // A cluster is not asked more often than is good for it.
  for (int pause = 50;; pause = run.is_alive() ? 50 : std::min(2 * pause, 2000)) {
    const RunStanding standing = summary_of(run).standing;
    if (!standing.goes_on) break;
    // It was put back into the queue before the word has reached it.
    if (standing.in_queue) stop_run(run, SIGTERM, hurry);
    poll(nullptr, 0, pause);
    if (insisted || now_seconds() < insist_at) continue;
    insist_on_stop(run, hurry);
    insisted = true;
  }
  close_stopped_run(run, SIGTERM);
  const RunStatus status = summary_of(run).status;
  out.write(sanitised(in_words(status)) + '\n');
  return exit_with(ExitCode::success);
}

}  // namespace

const Command cancel_command{
    .name = "cancel",
    .summary = "stop a run in order",
    .about =
        "Tells the controller of a run what Ctrl-C tells it: the stop signal to all ranks, time to save and leave, then KILL. Returns when "
        "the run has ended. Of a run whose controller was killed, it ends what is left on this machine.",
    .operand = Operand{"RUN", "NAME, NAME/ID, or the folder of a run"},
    .options = cancel_options,
    .examples = cancel_examples,
    .run = run_cancel,
};

}  // namespace fabric
