#include "cli/carry_out.hpp"
#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/saved_plan.hpp"

namespace fabric {
namespace {

constexpr Option apply_options[] = {
    profile_option,
    set_option,
    runs_option,
    {"-d,--detach", "", "Return once the run has started; it goes on by itself. `fabric logs`, `status` and `cancel` reach it."},
    format_option,
};

constexpr Example apply_examples[] = {
    {"fabric apply job.yaml", "plan it and run it here"},
    {"fabric apply job.yaml --set train.epochs=1", "with one field changed"},
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
  Planning planning =
      saved ? plan_saved(operand, *file.text, invocation.self) : plan_job(request_of(arguments), invocation.self, std::nullopt);
  return start_run(invocation, planning, arguments.value("runs").value_or("runs"), arguments.has("detach"));
}

}  // namespace

const Command apply_command{
    .name = "apply",
    .summary = "run a job or a saved plan",
    .about =
        "Plans a job as `fabric plan` does and runs the plan, or runs a saved plan if it still is what would be planned now. Shows progress, "
        "and at the end the numbers of each epoch and where the checkpoint and the metrics are. Ctrl-C lets the ranks save and leave; a "
        "second one kills them.\n\n"
        "The exit code is that of the run: 0, the code of the rank that failed (128 + n for a signal), 130, 143 or 129 if it was stopped by "
        "INT, TERM or HUP, and 125 for what fabric itself refused or lost.",
    .operand = Operand{"JOB", "a job file, job.yaml or job.jsonnet, or a saved plan"},
    .options = apply_options,
    .examples = apply_examples,
    .runs_jobs = true,
    .run = run_apply,
};

}  // namespace fabric
