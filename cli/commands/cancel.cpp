#include <poll.h>
#include <signal.h>

#include "cli/commands/commands.hpp"
#include "cli/find_run.hpp"
#include "cli/planning.hpp"
#include "launch_backends/process_tree.hpp"

namespace fabric {
namespace {

constexpr Option cancel_options[] = {
    runs_option,
    {"--now", "", "Kill the ranks at once, as a second Ctrl-C does."},
};

constexpr Example cancel_examples[] = {
    {"fabric cancel train", "stop the last run of that name in order: ranks save and leave"},
};

// The process that holds the run's lock has written its number into it. False if it cannot be reached, as in the moment in which one
// takes the lock.
bool signal_controller(const RunDirectory& run) {
  const pid_t pid = run.holder();
  const std::optional<ProcessEntry> entry = pid > 0 ? process_entry(pid) : std::nullopt;
  return entry && !entry->ended && kill(pid, SIGTERM) == 0;
}

int run_cancel(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const Terminal& out = invocation.console.out;
  const RunDirectory run = find_run(arguments);
  if (!run.is_alive()) {
    out.write(sanitised(run.id()) + " has ended already\n");
    return exit_with(ExitCode::success);
  }
  while (!signal_controller(run) && run.is_alive()) poll(nullptr, 0, 20);
  if (arguments.has("now")) {
    poll(nullptr, 0, 200);
    signal_controller(run);
  }
  out.write("stopping " + sanitised(run.id()) + (arguments.has("now") ? "\n" : ": its ranks save and leave; `--now` kills them\n"));
  while (run.is_alive()) poll(nullptr, 0, 50);
  const RunStatus status = run.status();
  out.write(sanitised(status.state) + (status.message.empty() ? "" : ": " + sanitised(status.message)) + '\n');
  return exit_with(ExitCode::success);
}

}  // namespace

const Command cancel_command{
    .name = "cancel",
    .summary = "stop a run in order",
    .about =
        "Tells the controller of a run what Ctrl-C tells it: the stop signal to all ranks, time to save and leave, then KILL. Returns when the run has ended.",
    .operand = Operand{"RUN", "NAME, NAME/ID, or the folder of a run"},
    .options = cancel_options,
    .examples = cancel_examples,
    .run = run_cancel,
};

}  // namespace fabric
