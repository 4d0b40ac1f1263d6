#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cli/commands/commands.hpp"
#include "cli/import/bash_expansion.hpp"
#include "cli/import/import_rendered.hpp"
#include "cli/import/import_sbatch.hpp"
#include "cli/outside.hpp"
#include "cli/render_diagnostics.hpp"
#include "cli/show_plan.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr Option import_options[] = {
    {"-o,--output", "FILE", "Where to write the job; standard output by default."},
    {"--args", "WORDS", "What the script is submitted with, as a shell cuts it: $1, $@ and $# in it."},
    {"--force", "", "Replace FILE if it is there."},
    {"--format", "human|json", "Form of what is printed; human by default."},
};

constexpr Example import_examples[] = {
    {"fabric import train.sbatch", "the job that it comes to, and below it what was not taken and why"},
    {"fabric import train.sbatch -o job.yaml", "written into a file"},
    {"fabric import train.sbatch --args \"llama --lr 0.1\"", "as `sbatch train.sbatch llama --lr 0.1` would have it"},
    {"fabric import train.sbatch -o job.yaml && fabric plan job.yaml --render slurm", "and back, to compare"},
};

std::vector<std::string> words_of(const std::string& text) {
  BashVariables variables;
  variables.assign("WORDS=(" + text + ')', false);
  std::vector<std::string> words;
  if (const BashVariable* list = variables.find("WORDS"))
    for (const BashField& field : list->fields) {
      if (!field.known())
        throw UsageError("`" + field.text() + "` in --args is known to a shell alone", "write what it stands for, or quote it: '...'");
      words.push_back(field.text());
    }
  return words;
}

int run_import(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const std::string& script = *arguments.operand;
  const auto output = arguments.value("output");
  if (output && !output->ends_with(".yaml") && !output->ends_with(".yml"))
    throw UsageError("`" + *output + "` is no name of a YAML file", "give one that ends in .yaml");
  ReadFile text = read_file(script);
  if (!text.text)
    throw UsageError("cannot read `" + script + "`: " + text.error, "give a batch script, as in `fabric import train.sbatch`");

  ImportPlace place;
  for (std::size_t at = 0; (at = text.text->find("\r\n", at)) != std::string::npos;) {
    place.dos = true;
    text.text->erase(at, 1);
  }
  Compilation c;
  const std::uint32_t source = c.sources.add({script, *text.text, Source::Kind::file});
  if (const auto words = arguments.value("args")) place.arguments = words_of(*words);
  const fs::path here = fs::current_path();
  place.folder = (here / script).lexically_normal().parent_path().string();
  place.script_name = fs::path(script).filename().string();
  const fs::path job_folder = output ? (here / *output).lexically_normal().parent_path() : fs::path(place.folder);
  if (job_folder != place.folder) place.from_job = fs::path(place.folder).lexically_relative(job_folder).string();
  const ImportedJob job = is_rendered_script(*text.text) ? import_rendered(c.sources, source, place, c.diagnostics)
                                                         : import_sbatch(c.sources, source, place, c.diagnostics);
  const std::string name = fs::path(script).filename().string();
  std::string clean;
  for (const char sign : name) clean += sign < ' ' ? '?' : sign;
  const std::string yaml = imported_job_text(
      job, "# From " + clean + ", by `fabric import`. Look at it before you use it: `fabric plan` shows what it would run.\n");

  if (output) {
    std::error_code error;
    if (!arguments.has("force") && fs::exists(fs::symlink_status(*output, error)))
      throw UsageError("`" + *output + "` is there already", "give another name with -o, or --force to replace it");
    write_file((here / *output).string(), yaml);
  }
  const bool sound = !c.diagnostics.has_errors();
  if (arguments.value("format") == "json") {
    Value document = diagnostics_value(c.diagnostics, c.sources, c.origins);
    document.set("job", yaml);
    if (output) document.set("file", (here / *output).string());
    invocation.console.out.write(pretty_json(document) + '\n');
  } else {
    if (!output && !job.job.as_object().empty()) invocation.console.out.write(yaml);
    invocation.console.err.write(render_diagnostics(c.diagnostics, c.sources, c.origins, invocation.console.err));
    if (output)
      invocation.console.out.write("wrote " + sanitised(*output) + "\n\nSee what it would run:  " +
                                   invocation.console.out.paint(Style::accent, sanitised(shell_line({"fabric", "plan", *output}))) + '\n');
  }
  return exit_with(sound ? ExitCode::success : ExitCode::bad_file);
}

}  // namespace

const Command import_command{
    .name = "import",
    .summary = "make a job file of a batch script for SLURM",
    .about =
        "Reads the #SBATCH lines as sbatch reads them, and the commands behind them without running any: modules, environments, variables, "
        "and the line of srun, torchrun, accelerate, deepspeed or python that starts the ranks. What only a shell knows stays shell text. "
        "Each part of the script is in the job, or a warning says why it is not.",
    .operand = Operand{"SCRIPT", "a batch script, as sbatch takes it"},
    .options = import_options,
    .examples = import_examples,
    .run = run_import,
};

}  // namespace fabric
