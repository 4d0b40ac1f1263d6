#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/show_hardware.hpp"
#include "launch_backends/make_launch_backend.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Option probe_options[] = {
    {"-o,--output", "FILE", "Save the facts for `fabric plan --hardware FILE`."}, profile_option, set_option, stage_option, format_option,
};

constexpr Example probe_examples[] = {
    {"fabric probe", "what fabric sees of this machine"},
    {"fabric probe -o gpu-box.json", "record it, to plan for it elsewhere"},
    {"fabric probe job.yaml", "what the machines of a job have: its hosts over ssh, or the nodes of its cluster"},
};

bool looks_like_hardware(std::string_view text) {
  const std::optional<Value> document = read_json(text);
  return document && document->find("groups") && document->find("source");
}

int run_probe(const Invocation& invocation) {
  const bool of_a_job = invocation.arguments.operand.has_value();
  const auto path = invocation.arguments.value("output");
  if (path) keep_foreign_file(*path, looks_like_hardware, "record of `fabric probe`");
  if (!of_a_job && (invocation.arguments.has("profile") || invocation.arguments.has("set")))
    throw UsageError("`--profile` and `--set` change a job, and none is named",
                     "write for example fabric probe job.yaml --profile cluster");
  Compilation findings;
  if (of_a_job) {
    findings = check(request_of(invocation.arguments), make_outside(invocation.self));
    if (!findings.checked || findings.diagnostics.has_errors()) {
      report(invocation, findings);
      return exit_with(ExitCode::bad_file);
    }
  }
  if (invocation.arguments.has("stage") && (!of_a_job || findings.checked->job.backend != BackendName::ssh))
    throw UsageError("`--stage` copies fabric to hosts that ssh reaches, and there are none to look at", "leave it out");
  const JobSpec job = findings.checked ? findings.checked->job : JobSpec{};
  const Hardware hardware =
      make_launch_backend(job.backend, invocation.self, backend_options_of(invocation.arguments))->probe(job, findings.diagnostics);
  report(invocation, findings);
  if (findings.diagnostics.has_errors()) return exit_with(ExitCode::unresolved);
  if (hardware.source == assumed_hardware) {
    invocation.console.err.write(invocation.console.err.paint(Style::error, "error") + ": nobody could be asked what the nodes have\n");
    return exit_with(ExitCode::unresolved);
  }
  const std::string json = hardware_json(hardware);
  if (path) write_file(*path, json);
  invocation.console.out.write(invocation.arguments.value("format") == "json" ? json : show_hardware(hardware, invocation.console.out));
  return exit_with(ExitCode::success);
}

}  // namespace

const Command probe_command{
    .name = "probe",
    .summary = "show what fabric sees of this machine, or of those of a job",
    .about =
        "Looks at CPUs, memory, GPUs and network interfaces, as far as this process may use them, and shows the facts from which `auto` is "
        "filled in. Load and free memory are not among them: they change from one minute to the next. Of a job, the machines that it would run "
        "on are asked: its hosts over ssh, or the scheduler of its cluster.",
    .operand = Operand{"JOB", "a job whose machines are looked at; this machine if none is named", false},
    .options = probe_options,
    .examples = probe_examples,
    .run = run_probe,
};

}  // namespace fabric
