// A command of `fabric`, as a row of data: its name, its options, what its help says, and the function that does it.
// commands/ has one file a row, and commands/commands.cpp the list.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal.hpp"

namespace fabric {

// What `fabric` answers its caller, but for apply, run, resume and attach, which pass on the exit code of what they ran and answer
// `refused` for all that fabric itself refuses or loses.
enum class ExitCode : int { success = 0, internal = 1, usage = 3, bad_file = 4, unresolved = 5, refused = 125, interrupted = 130 };

struct Option {
  std::string_view names;  // -o,--output
  std::string_view value;  // FILE; empty: a switch
  std::string_view help;
  bool repeats = false;  // may be given several times, one value each
};

struct Operand {
  std::string_view name;  // JOB
  std::string_view help;
  bool required = true;
};

struct Example {
  std::string_view line;
  std::string_view what;
};

// What was written on the command line, by an option's long name without dashes.
struct Arguments {
  std::map<std::string, std::vector<std::string>, std::less<>> options;
  std::optional<std::string> operand;

  bool has(std::string_view name) const { return options.contains(name); }
  std::optional<std::string> value(std::string_view name) const;
  std::vector<std::string> values(std::string_view name) const;
};

// A command line that cannot be understood. Caught in main, which prints both and answers ExitCode::usage.
struct UsageError : std::runtime_error {
  UsageError(const std::string& what, std::string way_out) : std::runtime_error(what), help(std::move(way_out)) {}
  std::string help;
};

struct Invocation {
  Arguments arguments;
  std::vector<std::string> words;  // as they were written, for a command that reads them itself
  Console console;
  std::string self;  // absolute path of this program
};

struct Command {
  std::string_view name;
  std::string_view summary;  // one line, for the list of commands
  std::string_view about;    // paragraphs, apart by an empty line
  std::optional<Operand> operand;
  std::span<const Option> options;
  std::span<const Example> examples;
  bool runs_jobs = false;    // whether its exit code is that of a run
  bool reads_words = false;  // whether it reads the words behind its name itself
  int (*run)(const Invocation& invocation) = nullptr;
};

// The commands in the order in which help lists them.
std::span<const Command* const> commands();

// arguments: what follows the command's name. Throws UsageError. An option --format takes human or json wherever it is declared.
Arguments parse_arguments(const Command& command, const std::vector<std::string>& arguments);

// The help of one command, and the page that `fabric help` shows.
std::string command_help(const Command& command, const Terminal& terminal);
std::string general_help(const Terminal& terminal);

inline int exit_with(ExitCode code) { return static_cast<int>(code); }

}  // namespace fabric
