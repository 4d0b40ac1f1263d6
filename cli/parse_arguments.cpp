// The only door to CLI11.
#define CLI11_HAS_FILESYSTEM 0
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iterator>

#include "cli/command.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

// "-o,--output" -> "output"
std::string long_name(std::string_view names) { return std::string(names.substr(names.rfind("--") + 2)); }

std::vector<std::string> spellings(const Command& command) {
  std::vector<std::string> all{"--help"};
  for (const Option& o : command.options) all.push_back("--" + long_name(o.names));
  return all;
}

std::string see_help(const Command& command) { return "`fabric " + std::string(command.name) + " --help` shows how it is used"; }

[[noreturn]] void refuse_extra(const Command& command, const std::string& extra) {
  if (extra.starts_with('-') && extra.size() > 1) {
    const std::string word = extra.substr(0, extra.find('='));
    const std::optional<std::string> meant = closest(word, spellings(command));
    throw UsageError("unknown option `" + word + "` for `fabric " + std::string(command.name) + "`",
                     meant ? "did you mean `" + *meant + "`?" : see_help(command));
  }
  if (!command.operand)
    throw UsageError("`fabric " + std::string(command.name) + "` takes nothing like `" + extra + "`", see_help(command));
  std::string help = see_help(command);
  for (const Option& o : command.options)
    if (o.names == "--set" && extra.find('=') != std::string::npos) help = "each value needs its own flag: --set " + extra;
  throw UsageError(
      "`fabric " + std::string(command.name) + "` takes one " + std::string(command.operand->name) + ", and `" + extra + "` is one more",
      help);
}

}  // namespace

std::optional<std::string> Arguments::value(std::string_view name) const {
  const auto it = options.find(name);
  return it == options.end() || it->second.empty() ? std::nullopt : std::optional(it->second.back());
}

std::vector<std::string> Arguments::values(std::string_view name) const {
  const auto it = options.find(name);
  return it == options.end() ? std::vector<std::string>{} : it->second;
}

Arguments parse_arguments(const Command& command, const std::vector<std::string>& arguments) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, bool> switches;
  std::vector<std::string> operands;
  // What stands behind -- is an operand, whatever it looks like.
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  for (const Option& o : command.options) {
    const std::string name = long_name(o.names);
    if (o.value.empty()) app.add_flag(std::string(o.names), switches[name]);
    else
      app.add_option(std::string(o.names), values[name])
          ->expected(1)
          ->allow_extra_args(false)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  if (command.operand) app.add_option("operand", operands)->expected(1)->allow_extra_args(false);
  try {
    app.parse(std::vector<std::string>(std::make_reverse_iterator(dashes), arguments.rend()));
  } catch (const CLI::ArgumentMismatch&) {
    // An option at the end without its value: CLI11 does not say which in a form to build on, but it is the last one.
    throw UsageError("`" + *std::prev(dashes) + "` needs a value", see_help(command));
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what(), see_help(command));
  }
  std::vector<std::string> extras = app.remaining();
  for (auto it = dashes; it != arguments.end() && ++it != arguments.end();) (operands.empty() ? operands : extras).push_back(*it);
  if (!extras.empty()) refuse_extra(command, extras.front());

  Arguments parsed;
  for (const Option& o : command.options) {
    const std::string name = long_name(o.names);
    if (o.value.empty()) {
      if (switches[name]) parsed.options[name];
      continue;
    }
    const std::vector<std::string>& given = values[name];
    if (given.empty()) continue;
    if (given.size() > 1 && !o.repeats)
      throw UsageError("`--" + name + "` is given " + std::to_string(given.size()) + " times", "give it once");
    parsed.options[name] = given;
  }
  if (const auto format = parsed.value("format"); format && *format != "human" && *format != "json")
    throw UsageError("`" + *format + "` is not a format", "the formats are human and json");
  if (!operands.empty()) parsed.operand = operands.front();
  if (command.operand && parsed.operand && parsed.operand->empty())
    throw UsageError("the " + std::string(command.operand->name) + " is empty", "is a variable unset on your command line?");
  if (command.operand && command.operand->required && !parsed.operand)
    throw UsageError("`fabric " + std::string(command.name) + "` needs a " + std::string(command.operand->name) + ": " +
                         std::string(command.operand->help),
                     command.examples.empty() ? see_help(command) : "for example: " + std::string(command.examples.front().line));
  return parsed;
}

}  // namespace fabric
