#include <csignal>
#include <string_view>
#include <utility>

#include "cli/commands/commands.hpp"
#include "cli/find_run.hpp"
#include "cli/follow_array.hpp"
#include "cli/follow_run.hpp"
#include "cli/planning.hpp"
#include "cli/rank_filter.hpp"
#include "cli/run_end.hpp"
#include "cli/run_view.hpp"
#include "cli/show_plan.hpp"
#include "cli/spoken.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_record.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Option attach_options[] = {
    {"--tail", "N", "Begin with the last N lines of each rank; 10 by default."},
    {"--stop", "", "Let Ctrl-C stop the run in order, as it does under `fabric apply`, and a second one kill."},
    rank_option,
    node_option,
    grep_option,
    runs_option,
};

constexpr Example attach_examples[] = {
    {"fabric attach train", "the bar and the lines of a run that goes on elsewhere; Ctrl-C leaves it running"},
    {"fabric attach train --stop", "the same, and Ctrl-C stops the run"},
};

int run_attach(const Invocation& invocation) {
  RunDirectory run = find_run(invocation.arguments);
  const std::size_t tail = tail_of(invocation.arguments).value_or(10);
  const bool stops = invocation.arguments.has("stop");
  const Terminal& out = invocation.console.out;
  const Terminal& err = invocation.console.err;
  if (is_array(run)) {
    const std::optional<ArraySummary> array = follow_array(run, out, stops);
    if (!array) return exit_with(ExitCode::interrupted);
    tell_end_of_array(run, *array, invocation.console);
    return static_cast<int>(array->whole.status.exit_code.value_or(125));
  }
  const Plan plan = plan_of(run);
  const std::optional<std::int64_t> node_rank = run.node_rank();
  RankFilter filter(invocation.arguments, plan, node_rank);
  std::signal(SIGPIPE, SIG_IGN);

  RunSummary summary = summary_of(run);
  const double age = summary.status.started > 0 ? std::max(0.0, summary.status.ended.value_or(now_seconds()) - summary.status.started) : 0;
  RunView view(out, err, plan.job.train ? RunView::Ranks::own_worker : RunView::Ranks::program,
               RankFilter(invocation.arguments, plan, node_rank), std::chrono::duration_cast<RunView::Clock::duration>(clock_time(age)));
  view.expect_ranks(static_cast<std::size_t>(ranks_started(plan, node_rank).count));
  if (!stops) view.without_ctrl_c();
  if (summary.standing.goes_on)
    view.head(out.paint(Style::strong, sanitised(summary.id)) + ' ' + sanitised(summary.status.state) + " for " + spoken_duration(age) +
              (stops ? "; Ctrl-C stops it" : "; Ctrl-C leaves it running") + "\n\n");
  const FollowEnd end = follow_run(run, view, std::move(filter), {tail, stops});
  if (end.stopped_by) close_stopped_run(run, end.stopped_by);
  view.finish();
  if (!end.ended) {
    const std::string id = invocation.arguments.has("runs") ? run.path() : run.id();
    out.write(std::string("\ndetached: the run ") + (summary_of(run).status.state == "stopping" ? "is stopping" : "goes on") + "\n\n" +
              table({{sanitised(shell_line({"fabric", "attach", id})), "watch it again"},
                     {sanitised(shell_line({"fabric", "cancel", id})), "stop it in order"}},
                    2, out.width));
    return exit_with(ExitCode::interrupted);
  }
  summary = summary_of(run);
  const Outcome outcome = outcome_of(run, summary.status);
  out.write(closing(run, outcome, view, out));
  if (outcome.verdict != "finished") err.write(failure(run, outcome, err));
  return outcome.exit_code;
}

}  // namespace

const Command attach_command{
    .name = "attach",
    .summary = "watch a run that goes on elsewhere",
    .about =
        "Shows what `fabric apply` would show of a run that another process carries out, as after `fabric apply --detach`: the last lines of "
        "its ranks, then all that comes, the bar, and the end. Ctrl-C leaves, and the run goes on; with --stop it stops the run in order.\n\n"
        "The exit code is that of the run, and 130 if you leave before its end.",
    .operand = Operand{"RUN", "NAME, NAME/ID, or the folder of a run"},
    .options = attach_options,
    .examples = attach_examples,
    .runs_jobs = true,
    .run = run_attach,
};

}  // namespace fabric
