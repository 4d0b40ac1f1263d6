#include "cli/carry_out.hpp"
#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/rank_filter.hpp"
#include "cli/saved_plan.hpp"

namespace fabric {
namespace {

constexpr Option apply_options[] = {
    profile_option, set_option,   runs_option,      detach_option, ctrl_c_option,        rank_option,   node_option,
    grep_option,    debug_option, node_rank_option, stage_option,  in_allocation_option, format_option,
};

constexpr Example apply_examples[] = {
    {"fabric apply job.yaml", "plan it and run it here"},
    {"fabric apply job.yaml --set train.epochs=1", "with one field changed"},
    {"fabric apply job.yaml --rank 0 --grep 'loss|error'", "show of rank 0 some lines only"},
    {"fabric apply job.yaml --debug 1", "with rank 1 in this terminal, where breakpoint() stops it"},
    {"fabric apply p.json", "run a saved plan, or hear why it is not the same any more"},
};

int run_apply(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const std::string& operand = *arguments.operand;
  const ReadFile file = read_file(operand);
  const bool saved = file.text && looks_like_saved_plan(*file.text);
  if (saved && (arguments.has("profile") || arguments.has("set")))
    throw UsageError("a saved plan is closed: --profile and --set change nothing in it",
                     "give them to `fabric plan JOB -o " + operand + "`");
  RunStart start;
  start.node_rank = node_rank_of(arguments);
  if (const auto rank = arguments.value("debug")) start.debug_rank = debug_rank_of(*rank);
  const BackendOptions options = backend_options_of(arguments);
  Planning planning = saved ? plan_saved(operand, *file.text, invocation.self, "", start.node_rank, options)
                            : plan_job(request_of(arguments), invocation.self, std::nullopt, start.node_rank, options);
  return start_run(invocation, planning, runs_folder(arguments), std::move(start), arguments.has("detach"));
}

}  // namespace

const Command apply_command{
    .name = "apply",
    .summary = "run a job or a saved plan",
    .about =
        "Plans a job as `fabric plan` does and runs the plan, or runs a saved plan if it still is what would be planned now. Shows what "
        "the ranks print, on a terminal also progress and who of them lives, and at the end the numbers of each epoch and where the "
        "checkpoint and the metrics are. --rank, --node and --grep choose what is shown; the log files have everything. Ctrl-C lets the "
        "ranks save and leave; a second one kills them.\n\n"
        "The exit code is that of the run: 0, the code of the rank that failed (128 + n for a signal), 130, 143 or 129 if it was stopped by "
        "INT, TERM or HUP, and 125 for what fabric itself refused or lost.",
    .operand = Operand{"JOB", "a job file, job.yaml or job.jsonnet, or a saved plan"},
    .options = apply_options,
    .examples = apply_examples,
    .runs_jobs = true,
    .run = run_apply,
};

}  // namespace fabric
