#include <filesystem>

#include "cli/carry_out.hpp"
#include "cli/command_line_job.hpp"
#include "cli/commands/commands.hpp"
#include "cli/planning.hpp"
#include "cli/saved_plan.hpp"
#include "cli/show_plan.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Example run_examples[] = {
    {"fabric run --nproc-per-node 2 train.py --lr 0.1", "what torchrun does with these words"},
    {"fabric run model train.py --devices 2 --precision bf16-mixed", "what Lightning's `fabric run model` does"},
    {"fabric run --nproc-per-node 2 -m pkg.train", "a module"},
    {"fabric run --print-job --nproc-per-node 2 train.py > job.yaml", "the job that it stands for, to keep and to change"},
};

int run_run(const Invocation& written) {
  CommandLineJob read = read_command_line_job(written.words);
  Invocation invocation = written;
  invocation.arguments.options["format"] = {read.format};
  const Console& console = invocation.console;
  const std::string text = job_as_yaml(read.job);
  for (const std::string& remark : read.remarks)
    console.err.write(console.err.paint(Style::warning, "note") + ": " + sanitised(remark) + '\n');
  if (read.print_job) {
    console.out.write(text);
    return exit_with(ExitCode::success);
  }
  Request request;
  request.job = (std::filesystem::current_path() / "fabric-run.yaml").string();
  request.text = text;
  Planning planning = plan_job(request, invocation.self, std::nullopt);
  if (!read.plan_only) return start_run(invocation, planning, read.runs);
  report(invocation, planning.compilation);
  if (!planning.good()) return exit_with(planning.failure());
  const Plan& plan = *planning.compilation.plan;
  console.out.write(read.format == "json" ? pretty_json(plan_document(plan)) + '\n' : show_plan(plan, std::nullopt, console.out));
  return exit_with(ExitCode::success);
}

}  // namespace

const Command run_command{
    .name = "run",
    .summary = "start a script as torchrun or Lightning would, in their words",
    .about =
        "torchrun with one word changed: `fabric run [torchrun's options] SCRIPT ...`. Everything behind SCRIPT is the script's. With `model` "
        "in front it is Lightning's `fabric run model SCRIPT ...`: options count wherever they stand before `--`, and the script's Fabric "
        "object joins the ranks that exist already. Names may be written with underscores.\n\n"
        "It stands for a job file, which --print-job shows; the exit code is that of `fabric apply`.",
    .operand = Operand{"[model] SCRIPT [ARGS...]", "a Python script; with -m a module, with --no-python a program"},
    .options = command_line_options(),
    .examples = run_examples,
    .runs_jobs = true,
    .reads_words = true,
    .run = run_run,
};

}  // namespace fabric
