#include "cli/choose_gpus.hpp"
#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/saved_plan.hpp"
#include "cli/show_plan.hpp"
#include "launch_backends/probes/nvidia.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Option plan_options[] = {
    {"-o,--output", "FILE", "Save the plan, so that `fabric apply FILE` runs exactly this or refuses."},
    profile_option,
    set_option,
    hardware_option,
    {"--ranks", "", "Show each rank with its command and variables."},
    format_option,
};

constexpr Example plan_examples[] = {
    {"fabric plan job.yaml", "what would run here, and why"},
    {"fabric plan job.yaml --profile quick --set devices=2", "with a profile and one field changed"},
    {"fabric plan job.yaml -o p.json", "keep it: `fabric apply p.json` runs exactly this"},
    {"fabric plan job.yaml --hardware gpu-box.json", "for a machine recorded with `fabric probe`"},
};

// Not part of the plan: it changes from one minute to the next.
std::string gpus_in_use(const Terminal& terminal) {
  Diagnostics ignored;  // planning has told what does not work
  std::string text;
  for (const std::string& holder : holders_in_words(gpu_occupancy(ProbeRoot{}, ignored))) text += "  " + sanitised(holder) + '\n';
  return text.empty() ? "" : '\n' + terminal.paint(Style::strong, "In use now") + '\n' + text;
}

int run_plan(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const Terminal& out = invocation.console.out;
  refuse_saved_plan(*arguments.operand);
  const Planning planning = plan_job(request_of(arguments), invocation.self, arguments.value("hardware"));
  report(invocation, planning.compilation);
  if (!planning.good()) return exit_with(planning.failure());

  const Plan& plan = *planning.compilation.plan;
  const auto path = arguments.value("output");
  if (path) write_file(*path, save_plan(plan));
  if (arguments.value("format") == "json") {
    out.write(pretty_json(plan_document(plan)) + '\n');
    return exit_with(ExitCode::success);
  }
  std::string text = show_plan(plan, arguments.value("hardware"), out);
  if (arguments.has("ranks")) text += show_ranks(plan, out);
  if (planning.answered && uses_gpus(plan)) text += gpus_in_use(out);
  text += '\n';
  if (path) text += "Saved in " + sanitised(*path) + ".  ";
  const std::vector<std::string> apply =
      path ? std::vector<std::string>{"fabric", "apply", *path} : command_line("apply", *arguments.operand, plan.request);
  // For another machine: here it would be another plan.
  text += (arguments.has("hardware") ? "Run it on that machine:  " : "Run it:  ") + out.paint(Style::accent, sanitised(shell_line(apply))) +
          '\n';
  out.write(text);
  return exit_with(ExitCode::success);
}

}  // namespace

const Command plan_command{
    .name = "plan",
    .summary = "show what a job would run: every process, device, variable and file, and why",
    .about =
        "Checks a job, fills in what it leaves to fabric from the hardware of this machine, and shows the result. Nothing is started "
        "and, but for -o, nothing is written.",
    .operand = Operand{"JOB", "a job file, job.yaml or job.jsonnet, or - for YAML from standard input"},
    .options = plan_options,
    .examples = plan_examples,
    .run = run_plan,
};

}  // namespace fabric
