#include "cli/commands/commands.hpp"
#include "schema/job_schema.hpp"

namespace fabric {
namespace {

constexpr Example schema_examples[] = {
    {"fabric schema > job.schema.json", "then, as the first line of job.yaml: # yaml-language-server: $schema=job.schema.json"},
};

int run_schema(const Invocation& invocation) {
  invocation.console.out.write(job_schema_text());
  if (!job_schema_text().ends_with('\n')) invocation.console.out.write("\n");
  return exit_with(ExitCode::success);
}

}  // namespace

const Command schema_command{
    .name = "schema",
    .summary = "print the JSON schema of a job, for editors",
    .about = "Prints the JSON schema (draft-07) by which jobs are checked. An editor that knows it completes and checks while you write.",
    .operand = std::nullopt,
    .options = {},
    .examples = schema_examples,
    .run = run_schema,
};

}  // namespace fabric
