#include "cli/commands/commands.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

int run_help(const Invocation& invocation) {
  const Terminal& out = invocation.console.out;
  if (!invocation.arguments.operand) {
    out.write(general_help(out));
    return exit_with(ExitCode::success);
  }
  std::vector<std::string> names;
  for (const Command* c : commands()) {
    if (c->name == *invocation.arguments.operand) {
      out.write(command_help(*c, out));
      return exit_with(ExitCode::success);
    }
    names.emplace_back(c->name);
  }
  const std::optional<std::string> meant = closest(*invocation.arguments.operand, names);
  throw UsageError("`" + *invocation.arguments.operand + "` is not a command of fabric",
                   meant ? "did you mean `fabric help " + *meant + "`?" : "`fabric help` lists the commands");
}

}  // namespace

const Command help_command{
    .name = "help",
    .summary = "show this, or how one command is used",
    .about = "Shows the commands, or the options and examples of one.",
    .operand = Operand{"COMMAND", "a command of fabric", false},
    .options = {},
    .examples = {},
    .run = run_help,
};

}  // namespace fabric
