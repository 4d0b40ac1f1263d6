#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/show_hardware.hpp"
#include "launch_backends/make_launch_backend.hpp"

namespace fabric {
namespace {

constexpr Option probe_options[] = {
    {"-o,--output", "FILE", "Save the facts for `fabric plan --hardware FILE`."},
    format_option,
};

constexpr Example probe_examples[] = {
    {"fabric probe", "what fabric sees of this machine"},
    {"fabric probe -o gpu-box.json", "record it, to plan for it elsewhere"},
};

int run_probe(const Invocation& invocation) {
  Compilation findings;
  const Hardware hardware = make_launch_backend(BackendName::local, invocation.self)->probe(findings.diagnostics);
  report(invocation, findings);
  if (findings.diagnostics.has_errors()) return exit_with(ExitCode::unresolved);
  const std::string json = hardware_json(hardware);
  if (const auto path = invocation.arguments.value("output")) write_file(*path, json);
  invocation.console.out.write(invocation.arguments.value("format") == "json" ? json : show_hardware(hardware, invocation.console.out));
  return exit_with(ExitCode::success);
}

}  // namespace

const Command probe_command{
    .name = "probe",
    .summary = "show what fabric sees of this machine",
    .about =
        "Looks at CPUs, memory, GPUs and network interfaces, as far as this process may use them, and shows the facts from which `auto` is "
        "filled in. Load and free memory are not among them: they change from one minute to the next.",
    .operand = std::nullopt,
    .options = probe_options,
    .examples = probe_examples,
    .run = run_probe,
};

}  // namespace fabric
