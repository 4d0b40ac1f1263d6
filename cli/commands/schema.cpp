#include "cli/commands/commands.hpp"
#include "schema/hardware_schema.hpp"
#include "schema/job_schema.hpp"

namespace fabric {
namespace {

constexpr Example schema_examples[] = {
    {"fabric schema > job.schema.json", "then, as the first line of job.yaml: # yaml-language-server: $schema=job.schema.json"},
    {"fabric schema hardware", "of what `fabric probe -o FILE` writes and `--hardware FILE` takes"},
};

int run_schema(const Invocation& invocation) {
  const std::string asked = invocation.arguments.operand.value_or("job");
  if (asked != "job" && asked != "hardware")
    throw UsageError("there is no schema of `" + asked + "`", "write `fabric schema job` or `fabric schema hardware`");
  invocation.console.out.write(asked == "job" ? job_schema_text() : hardware_schema_text());
  return exit_with(ExitCode::success);
}

}  // namespace

const Command schema_command{
    .name = "schema",
    .summary = "print the JSON schema of a job, for editors, or of a hardware file",
    .about = "Prints the JSON schema (draft-07) by which jobs are checked. An editor that knows it completes and checks while you write.",
    .operand = Operand{"KIND", "`job` (if nothing is named) or `hardware`", false},
    .options = {},
    .examples = schema_examples,
    .run = run_schema,
};

}  // namespace fabric
