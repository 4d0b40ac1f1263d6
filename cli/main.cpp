// The program `fabric`: finds the command, reads its options, and turns what went wrong into a sentence and an exit code.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <filesystem>

#include "cli/command.hpp"
#include "cli/version.hpp"
#include "compiler/front_ends/jsonnet.hpp"
#include "launch_backends/agent.hpp"
#include "launch_backends/host.hpp"
#include "launch_backends/slurm_batch.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

const Command* find_command(std::string_view name) {
  for (const Command* c : commands())
    if (c->name == name) return c;
  return nullptr;
}

bool asks_for_help(const std::vector<std::string>& arguments) {
  for (const std::string& a : arguments) {
    if (a == "--") return false;
    if (a == "-h" || a == "--help") return true;
  }
  return false;
}

// The exit code says it too, where standard error takes nothing.
void complain(const Terminal& err, std::string_view what, std::string_view help) {
  std::string text = err.paint(Style::error, "error") + err.paint(Style::strong, ": " + sanitised(what)) + '\n';
  if (!help.empty()) text += "  " + err.paint(Style::note, "=") + " help: " + sanitised(help) + '\n';
  [[maybe_unused]] const int error = write_all(err.fd, text);
}

// What this process and its children may rely on: that 0, 1 and 2 are open, so that no file of a run gets such a number, that a file
// beyond its limit of size is an error that can be told, and that the kernel keeps the end of a child until it is asked for.
void settle_in() {
  for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR)) {
    if (fd <= STDERR_FILENO) continue;
    close(fd);
    break;
  }
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);
}

int dispatch(const std::vector<std::string>& arguments) {
  const Console console{Terminal::of(STDOUT_FILENO), Terminal::of(STDERR_FILENO)};
  if (arguments.empty() || arguments[0] == "-h" || arguments[0] == "--help") {
    (arguments.empty() ? console.err : console.out).write(general_help(arguments.empty() ? console.err : console.out));
    return exit_with(arguments.empty() ? ExitCode::usage : ExitCode::success);
  }
  const std::string name = arguments[0] == "--version" || arguments[0] == "-V" ? "version" : arguments[0];
  const Command* command = find_command(name);
  if (!command) {
    std::vector<std::string> names;
    for (const Command* c : commands()) names.emplace_back(c->name);
    const std::optional<std::string> meant = closest(name, names);
    const bool file = name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".jsonnet") || name.ends_with(".json");
    complain(console.err, "`" + name + "` is not a command of fabric",
             meant  ? "did you mean `fabric " + *meant + "`?"
             : file ? "to see what it would run: fabric plan " + name
                    : "`fabric help` lists the commands");
    return exit_with(ExitCode::usage);
  }
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  // Behind a script, --help is the script's.
  const bool help = command->reads_words ? !rest.empty() && asks_for_help({rest.front()}) : asks_for_help(rest);
  if (help) {
    console.out.write(command_help(*command, console.out));
    return exit_with(ExitCode::success);
  }
  try {
    const Invocation invocation{command->reads_words ? Arguments{} : parse_arguments(*command, rest), rest, console,
                                std::filesystem::read_symlink("/proc/self/exe").string()};
    return command->run(invocation);
  } catch (const UsageError& error) {
    complain(console.err, error.what(), error.help);
    return exit_with(command->runs_jobs ? ExitCode::refused : ExitCode::usage);
  } catch (const std::exception& error) {
    complain(console.err, error.what(), "");
    return exit_with(command->runs_jobs ? ExitCode::refused : ExitCode::internal);
  }
}

}  // namespace

}  // namespace fabric

int main(int argc, char** argv) {
  fabric::settle_in();
  // What fabric starts as its own child speaks a protocol and has no options to read.
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "agent") return fabric::agent_main(argc - 1, argv + 1);
  if (name == "host") return fabric::host_main(argc - 1, argv + 1, fabric::version_text());
  if (name == "batch") return fabric::slurm_batch_main(std::filesystem::read_symlink("/proc/self/exe").string());
  if (name == "jsonnet-child") return fabric::jsonnet_child_main(argc > 2 ? argv[2] : fabric::default_libjsonnet);
  try {
    return fabric::dispatch(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    // Standard output or standard error itself is out of order.
    const std::string text = std::string("error: ") + error.what() + '\n';
    [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    return fabric::exit_with(fabric::ExitCode::internal);
  }
}
