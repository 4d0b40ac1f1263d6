#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/version.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr Option version_options[] = {format_option};

// The `fabric` that a shell would start, links resolved; "" if there is none.
std::string first_on_path() {
  const char* path = std::getenv("PATH");
  const std::string_view list = path ? path : "";
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    const fs::path candidate = fs::path(end == at ? std::string(".") : std::string(list.substr(at, end - at))) / "fabric";
    std::error_code error;
    if (fs::is_regular_file(candidate, error) && access(candidate.c_str(), X_OK) == 0) {
      const fs::path real = fs::canonical(candidate, error);
      if (!error) return real.string();
    }
    at = end + 1;
  }
  return "";
}

int run_version(const Invocation& invocation) {
  const Terminal& out = invocation.console.out;
  const std::string worker = make_outside(invocation.self).worker;
  const bool has_worker = access(worker.c_str(), X_OK) == 0;
  const std::string first = first_on_path();
  const bool other_first = !first.empty() && first != invocation.self;
  if (invocation.arguments.value("format") == "json") {
    Value document = Value::object();
    document.set("version", version_number());
    document.set("commit", version_commit().empty() ? Value() : Value(version_commit()));
    document.set("program", invocation.self);
    document.set("worker", has_worker ? Value(worker) : Value());
    document.set("first_on_path", first.empty() ? Value() : Value(first));
    out.write(pretty_json(document) + '\n');
    return exit_with(ExitCode::success);
  }
  std::string text = "fabric " + version_text() + '\n';
  text += table({{"program", sanitised(invocation.self)},
                 {"worker", has_worker ? sanitised(worker) : "not built: this fabric plans, and runs programs, but does not train"}},
                2, out.width);
  if (other_first)
    text += out.paint(Style::warning, "note") + ": the shell finds another fabric first, " + sanitised(first) +
            "; it may be the console script of the Python package Lightning\n";
  out.write(text);
  return exit_with(ExitCode::success);
}

}  // namespace

const Command version_command{
    .name = "version",
    .summary = "which build this is, and whether another `fabric` comes first on PATH",
    .about = "Prints the version, the commit that was built, and the paths of the programs that this fabric starts.",
    .operand = std::nullopt,
    .options = version_options,
    .examples = {},
    .run = run_version,
};

}  // namespace fabric
