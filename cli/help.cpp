#include <algorithm>

#include "cli/command.hpp"

namespace fabric {
namespace {

std::string heading(const Terminal& terminal, std::string_view text) { return '\n' + terminal.paint(Style::strong, text) + '\n'; }

std::string paragraphs(std::string_view text, const Terminal& terminal) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find("\n\n", at), text.size());
    if (at > 0) out += '\n';
    for (const std::string& line : wrapped(text.substr(at, end - at), std::min<std::size_t>(terminal.width, 100))) out += line + '\n';
    at = end + 2;
  }
  return out;
}

std::string indented(std::string_view text, const Terminal& terminal) {
  std::string out;
  for (const std::string& line : wrapped(text, std::min<std::size_t>(terminal.width, 100) - 2)) out += "  " + line + '\n';
  return out;
}

std::string examples_of(std::span<const Example> examples, const Terminal& terminal) {
  // Where the lines leave no room beside them, what they do stands below.
  constexpr std::size_t least_beside = 30;
  std::size_t widest = 0;
  for (const Example& e : examples) widest = std::max(widest, e.line.size());
  if (2 + widest + 2 + least_beside > terminal.width) {
    std::string text;
    for (const Example& e : examples) {
      text += "  " + terminal.paint(Style::accent, e.line) + '\n';
      for (const std::string& line : wrapped(e.what, terminal.width - 6)) text += "      " + line + '\n';
    }
    return text;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Example& e : examples) rows.push_back({terminal.paint(Style::accent, e.line), std::string(e.what)});
  return table(rows, 2, terminal.width);
}

}  // namespace

std::string command_help(const Command& command, const Terminal& terminal) {
  std::string text = "usage: " + terminal.paint(Style::strong, "fabric " + std::string(command.name));
  if (!command.options.empty()) text += " [options]";
  if (command.operand)
    text += command.operand->required ? ' ' + std::string(command.operand->name) : " [" + std::string(command.operand->name) + ']';
  text += "\n\n" + paragraphs(command.about, terminal);
  std::vector<std::vector<std::string>> rows;
  if (command.operand) rows.push_back({std::string(command.operand->name), std::string(command.operand->help)});
  for (const Option& o : command.options) {
    const std::size_t comma = o.names.find(',');
    std::string names(o.names.substr(0, comma));
    if (comma != std::string_view::npos) names += ", " + std::string(o.names.substr(comma + 1));
    if (!o.value.empty()) names += ' ' + std::string(o.value);
    rows.push_back({names, std::string(o.help) + (o.repeats ? " May be given several times." : "")});
  }
  rows.push_back({"-h, --help", "Show this."});
  text += heading(terminal, "Options") + table(rows, 2, terminal.width);
  if (!command.examples.empty()) text += heading(terminal, "Examples") + examples_of(command.examples, terminal);
  return text;
}

std::string general_help(const Terminal& terminal) {
  std::string text = paragraphs(
      "fabric turns one file into a training run. The file says what to train, or which program to start; fabric checks it, fills in "
      "what you left to it from the hardware that it finds, shows the plan and why, and runs exactly that.",
      terminal);
  static constexpr Example tour[] = {
      {"fabric init train.py", "write a first job.yaml for a script"},
      {"fabric plan job.yaml", "see what would run, and why"},
      {"fabric apply job.yaml", "run it"},
      {"fabric apply job.yaml --set devices=4", "with one thing changed"},
      {"fabric run --nproc-per-node 2 train.py", "a script of your own, in torchrun's words"},
      {"fabric resume runs/NAME/latest", "go on where a run was stopped"},
      {"fabric explain train.batch_size", "what a field means"},
  };
  text += heading(terminal, "Start here") + examples_of(tour, terminal);
  std::vector<std::vector<std::string>> rows;
  for (const Command* c : commands())
    if (!c->summary.empty()) rows.push_back({terminal.paint(Style::accent, c->name), std::string(c->summary)});
  text += heading(terminal, "Commands") + table(rows, 2, terminal.width);
  text += heading(terminal, "A job file") +
          "  fabric: 1\n"
          "  name: first\n"
          "  devices: 2\n"
          "  train:\n"
          "    task: image_classifier\n"
          "    model: cnn\n"
          "    data: /usr/share/datasets/fashion-mnist\n"
          "    optimizer: {name: adamw, lr: 1e-3}\n"
          "    batch_size: 128\n"
          "    epochs: 3\n";
  text += heading(terminal, "Exit codes") +
          table({{"0", "done"},
                 {"3", "the command line cannot be understood"},
                 {"4", "the job file is wrong"},
                 {"5", "this machine cannot do what the job asks"},
                 {"1", "a fault of fabric's own, or of the disk"},
                 {"130", "interrupted"}},
                2, terminal.width, {0}) +
          indented(
              "apply, run, resume and attach: the exit code of the rank that failed (128 + n for a signal), 130, 143 or 129 if stopped by "
              "INT, TERM or HUP, 124 at the time limit, 125 for what fabric itself refused or lost.",
              terminal);
  text += "\n`fabric help COMMAND` shows one command, `fabric explain` every field of a job.\n";
  return text;
}

}  // namespace fabric
