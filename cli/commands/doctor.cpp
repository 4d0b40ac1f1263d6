#include "launch_backends/probes/doctor.hpp"

#include <cstdlib>
#include <filesystem>

#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/process.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Option doctor_options[] = {format_option};

constexpr Example doctor_examples[] = {{"fabric doctor", "when a run does not start, or is slow"}};

ProgramAnswer answer_of(const std::vector<std::string>& argv) {
  constexpr std::size_t output_limit = std::size_t{1} << 20;
  constexpr std::chrono::seconds time_limit{20};
  ProcessStart start;
  start.argv = argv;
  start.env = own_environment();
  try {
    const ProgramResult result = run_program(std::move(start), "", output_limit, time_limit);
    return {true, result.status.shell_code(), result.output + result.errors};
  } catch (const std::exception& error) {
    return {false, 0, error.what()};
  }
}

std::string_view word_of(Health health) {
  switch (health) {
    case Health::ok: return "ok";
    case Health::warn: return "warn";
    case Health::bad: return "bad";
  }
  return "";
}

Style style_of(Health health) { return health == Health::ok ? Style::good : health == Health::warn ? Style::warning : Style::error; }

int run_doctor(const Invocation& invocation) {
  const Terminal& out = invocation.console.out;
  const char* path = std::getenv("PATH");
  DoctorSubject subject;
  subject.self = invocation.self;
  subject.worker = make_outside(invocation.self).worker;
  subject.path = path ? path : "";
  subject.runs = (std::filesystem::current_path() / "runs").string();
  subject.now = now_seconds();
  subject.run_program = answer_of;
  const std::vector<Finding> findings = diagnose_host(subject);

  Value list = Value::array();
  std::string text;
  std::size_t bad = 0, warnings = 0;
  for (const Finding& f : findings) {
    bad += f.health == Health::bad;
    warnings += f.health == Health::warn;
    Value v = Value::object();
    v.set("name", f.name);
    v.set("health", word_of(f.health));
    v.set("what", f.what);
    v.set("help", f.help.empty() ? Value() : Value(f.help));
    list.as_array().push_back(std::move(v));
    text += table({{padded(out.paint(style_of(f.health), word_of(f.health)), 4), padded(f.name, 13), sanitised(f.what)}}, 2, out.width);
    if (!f.help.empty()) text += table({{padded("", 4), padded("", 13), sanitised(f.help)}}, 2, out.width);
  }
  if (invocation.arguments.value("format") == "json") {
    Value document = Value::object();
    document.set("findings", std::move(list));
    out.write(pretty_json(document) + '\n');
  } else {
    text += '\n';
    if (bad) text += out.paint(Style::error, "Some runs cannot work here.") + '\n';
    else text += warnings ? "Runs work here; see what is marked.\n" : "All is well.\n";
    out.write(text);
  }
  return exit_with(bad ? ExitCode::unresolved : ExitCode::success);
}

}  // namespace

const Command doctor_command{
    .name = "doctor",
    .summary = "look for what may keep a run from working on this machine",
    .about =
        "Checks limits, memory, the NVIDIA driver, the worker, Jsonnet, PATH and the disk, and says what to do about what it finds. Exit code 5 if "
        "some kind of run cannot work here.",
    .operand = std::nullopt,
    .options = doctor_options,
    .examples = doctor_examples,
    .run = run_doctor,
};

}  // namespace fabric
