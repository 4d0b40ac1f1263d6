#include <sstream>

#include "cli/choose_gpus.hpp"
#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/render_submission.hpp"
#include "cli/saved_plan.hpp"
#include "cli/show_extended.hpp"
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
    node_rank_option,
    {"--render", "BACKEND",
     "Show what this backend would write and start: for slurm its batch script. With -o, write it into a new folder."},
    {"--ranks", "", "Show each rank with its command and variables."},
    stage_option,
    format_option,
};

constexpr Example plan_examples[] = {
    {"fabric plan job.yaml", "what would run here, and why"},
    {"fabric plan job.yaml --profile quick --set devices=2", "with a profile and one field changed"},
    {"fabric plan job.yaml -o p.json", "keep it: `fabric apply p.json` runs exactly this"},
    {"fabric plan job.yaml --render slurm", "the batch script that `fabric apply` would submit; needs no SLURM here"},
    {"fabric plan job.yaml --hardware gpu-box.json", "for a machine recorded with `fabric probe`"},
};

// Not part of the plan: it changes from one minute to the next.
std::string gpus_in_use(const Terminal& terminal) {
  Diagnostics ignored;  // planning has told what does not work
  std::string text;
  for (const std::string& holder : holders_in_words(gpu_occupancy(ProbeRoot{}, ignored))) text += "  " + sanitised(holder) + '\n';
  return text.empty() ? "" : '\n' + terminal.paint(Style::strong, "In use now") + '\n' + text;
}

void check_backend_name(const std::string& name) {
  std::string known;
  for (const auto& [word, backend] : Names<BackendName>::table) {
    if (word == name) return;
    known += (known.empty() ? "" : ", ") + std::string(word);
  }
  throw UsageError("`--render " + name + "`: there is no such backend", "the backends are " + known);
}

// The files of a submission as they would be written, and the commands.
int show_submission(const Invocation& invocation, const Planning& planning) {
  const Terminal& out = invocation.console.out;
  const Submission& submission = *planning.submission;
  if (submission.files.empty())
    throw UsageError("this backend writes no file: its ranks are started by fabric itself", "`fabric plan --ranks` shows each of them");
  if (const auto folder = invocation.arguments.value("output")) {
    write_submission(submission, *planning.compilation.plan, *folder);
    out.write("written to " + sanitised(*folder) + '\n');
    for (const std::vector<std::string>& command : submission.commands)
      out.write("Submit it:  " +
                out.paint(Style::accent, "cd " + sanitised(shell_line({*folder})) + " && " + sanitised(shell_line(command))) + '\n');
    return exit_with(ExitCode::success);
  }
  for (const Submission::File& file : submission.files) {
    std::istringstream lines(file.content);
    for (std::string line; std::getline(lines, line);) out.write(sanitised_output(line) + '\n');
  }
  return exit_with(ExitCode::success);
}

int run_plan(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const Terminal& out = invocation.console.out;
  refuse_saved_plan(*arguments.operand);
  const std::optional<std::int64_t> node_rank = node_rank_of(arguments);
  Request request = request_of(arguments);
  const auto render = arguments.value("render");
  if (render) check_backend_name(*render);
  const auto path = render ? std::nullopt : arguments.value("output");
  if (path) keep_foreign_file(*path, looks_like_saved_plan, "saved plan");
  if (arguments.has("stage") && arguments.has("hardware"))
    throw UsageError("`--stage` copies fabric to the hosts, and with `--hardware` none is asked", "leave one of them out");
  for (const char* other : {"ranks", "format"})
    if (render && arguments.has(other) && arguments.value(other) != "human")
      throw UsageError("`--render` shows files, and `--" + std::string(other) + "` has no say in them", "leave one of them out");
  // A job that says so itself is the same plan with and without it.
  if (render) {
    const Compilation as_written = check(request, make_outside(invocation.self));
    if (!as_written.checked || name_of(as_written.checked->job.backend) != *render) request.sets.push_back("backend=" + *render);
  }
  const Planning planning = plan_job(request, invocation.self, arguments.value("hardware"), node_rank, backend_options_of(arguments));
  report(invocation, planning.compilation);
  if (!planning.good()) return exit_with(planning.failure());

  if (render) return show_submission(invocation, planning);
  const Plan& plan = *planning.compilation.plan;
  if (path) write_file(*path, save_plan(plan));
  if (arguments.value("format") == "json") {
    Value document = plan_document(plan);
    if (const std::vector<std::string>& missing = planning.submission->cannot_promise; !missing.empty())
      document.set("cannot_promise", Value::Array(missing.begin(), missing.end()));
    out.write(pretty_json(document) + '\n');
    return exit_with(ExitCode::success);
  }
  std::string text = show_plan(plan, arguments.value("hardware"), out, node_rank);
  text += show_missing_promises(planning.submission->cannot_promise, out);
  text += show_extended(planning.compilation, out);
  if (arguments.has("ranks")) text += show_ranks(plan, out);
  if (planning.answered && uses_gpus(plan)) text += gpus_in_use(out);
  text += '\n';
  if (path) text += "Saved in " + sanitised(*path) + ".  ";
  std::vector<std::string> apply =
      path ? std::vector<std::string>{"fabric", "apply", *path} : command_line("apply", *arguments.operand, plan.request);
  if (node_rank) apply.insert(apply.end(), {"--node-rank", std::to_string(*node_rank)});
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
        "and, but for -o and --stage, nothing is written.",
    .operand = Operand{"JOB", "a job file, job.yaml or job.jsonnet, or - for YAML from standard input"},
    .options = plan_options,
    .examples = plan_examples,
    .run = run_plan,
};

}  // namespace fabric
