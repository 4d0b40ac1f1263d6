#include <filesystem>

#include "cli/carry_out.hpp"
#include "cli/command_line_job.hpp"
#include "cli/commands/commands.hpp"
#include "cli/job_as_yaml.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/saved_plan.hpp"
#include "cli/show_plan.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Example run_examples[] = {
    {"fabric run --nproc-per-node 2 train.py --lr 0.1", "what torchrun does with these words"},
    {"fabric run model train.py --devices 2 --precision bf16-mixed", "what Lightning's `fabric run model` does"},
    {"fabric run accelerate launch --num_processes 2 train.py", "what `accelerate launch` does, its files included"},
    {"fabric run --nproc-per-node 2 -m pkg.train", "a module"},
    {"fabric run --nnodes 2 --node-rank 1 --rdzv-endpoint gpu1:29500 train.py",
     "the second of two machines; on the first with --node-rank 0"},
    {"fabric run --hosts gpu1,gpu2 --nproc-per-node 8 train.py", "on two machines that ssh reaches; --hostfile takes DeepSpeed's"},
    {"fabric run --print-job --nproc-per-node 2 train.py > job.yaml", "the job that it stands for, to keep and to change"},
};

int run_run(const Invocation& written) {
  CommandLineJob read = read_command_line_job(written.words, make_outside(written.self).environment("OMP_NUM_THREADS"));
  Invocation invocation = written;
  invocation.arguments.options = read.options;
  invocation.arguments.options["format"] = {read.format};
  const Console& console = invocation.console;
  const std::string text = job_as_yaml(read.job);
  for (const std::string& remark : read.remarks)
    console.err.write(console.err.paint(Style::warning, "note") + ": " + sanitised(remark) + '\n');
  Request request;
  request.job = (std::filesystem::current_path() / "fabric-run.yaml").string();
  request.text = text;
  if (read.print_job) {
    // Standard output has a job or nothing, whatever its form.
    invocation.arguments.options.erase("format");
    const Compilation checked = check(request, make_outside(invocation.self));
    report(invocation, checked);
    if (!checked.checked || checked.diagnostics.has_errors()) return exit_with(ExitCode::bad_file);
    console.out.write(text);
    return exit_with(ExitCode::success);
  }
  Planning planning = plan_job(request, invocation.self, std::nullopt, read.node_rank, {.stage = read.options.contains("stage")});
  RunStart start;
  start.node_rank = read.node_rank;
  if (read.debug) start.debug_rank = debug_rank_of(*read.debug);
  if (!read.plan_only) return start_run(invocation, planning, runs_folder(invocation.arguments), std::move(start), read.detach);
  report(invocation, planning.compilation);
  if (!planning.good()) return exit_with(planning.failure());
  const Plan& plan = *planning.compilation.plan;
  console.out.write(read.format == "json" ? pretty_json(plan_document(plan)) + '\n'
                                          : show_plan(plan, std::nullopt, console.out, read.node_rank));
  return exit_with(ExitCode::success);
}

}  // namespace

const Command run_command{
    .name = "run",
    .summary = "start a script as torchrun, Lightning or Accelerate would, in their words",
    .about =
        "torchrun with one word changed: `fabric run [torchrun's options] SCRIPT ...`. Everything behind SCRIPT is the script's. With `model` "
        "in front it is Lightning's `fabric run model SCRIPT ...`: options count wherever they stand before `--`, and the script's Fabric "
        "object joins the ranks that exist already. A line of `accelerate launch` follows `fabric run` as it is, fabric's own options in "
        "front of it. Names may be written with underscores.\n\n"
        "It stands for a job file, which --print-job shows; the exit code is that of `fabric apply`, and with --print-job or --plan 4 where the "
        "job is bad and 5 where this machine cannot do it.",
    .operand =
        Operand{"[model] SCRIPT [ARGS...]", "a Python script; with -m a module, with --no-python a program; or accelerate launch SCRIPT"},
    .options = command_line_options(),
    .examples = run_examples,
    .runs_jobs = true,
    .reads_words = true,
    .run = run_run,
};

}  // namespace fabric
