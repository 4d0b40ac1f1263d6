#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/render_diagnostics.hpp"
#include "cli/saved_plan.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Option validate_options[] = {profile_option, set_option, format_option};

constexpr Example validate_examples[] = {
    {"fabric validate job.yaml", "all that is wrong with it, with its place"},
    {"fabric validate job.yaml --format json", "the same for an editor or a script"},
};

int run_validate(const Invocation& invocation) {
  refuse_saved_plan(*invocation.arguments.operand);
  const Compilation c = check(request_of(invocation.arguments), make_outside(invocation.self));
  const bool sound = c.checked && !c.diagnostics.has_errors();
  if (invocation.arguments.value("format") == "json") {
    invocation.console.out.write(pretty_json(diagnostics_value(c.diagnostics, c.sources, c.origins)) + '\n');
  } else {
    report(invocation, c);
    if (sound)
      invocation.console.out.write(sanitised(*invocation.arguments.operand) + " is " + invocation.console.out.paint(Style::good, "valid") +
                                   '\n');
  }
  return exit_with(sound ? ExitCode::success : ExitCode::bad_file);
}

}  // namespace

const Command validate_command{
    .name = "validate",
    .summary = "check a job file by itself, whatever the machine",
    .about =
        "Reads a job with its profiles and settings and reports everything that is wrong with it, all in one go. No machine is looked at: "
        "whether this one has the devices, and whether the data is there, is what `fabric plan` says.",
    .operand = Operand{"JOB", "a job file, job.yaml or job.jsonnet"},
    .options = validate_options,
    .examples = validate_examples,
    .run = run_validate,
};

}  // namespace fabric
