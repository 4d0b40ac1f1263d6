#include <algorithm>
#include <set>

#include "cli/import/body_reader.hpp"
#include "compiler/check_job.hpp"
#include "launch_backends/bash_word.hpp"
#include "schema/joined.hpp"
#include "schema/source_map.hpp"

namespace fabric {
namespace {

// Set wherever a job runs, by SLURM, by the shell or by fabric.
bool is_of_environment(const std::string& name) {
  if (name.starts_with("SLURM") || name.starts_with("BASH") || name == "BATCH_FOLDER" || name == "SCRIPT_ARGUMENTS" ||
      is_set_by_fabric(name))
    return true;
  for (const char* known : {"HOME", "USER", "LOGNAME", "PATH", "PWD", "OLDPWD", "SHELL", "TMPDIR", "HOSTNAME", "RANDOM", "UID", "SECONDS",
                            "LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_VISIBLE_DEVICES", "CONDA_PREFIX", "VIRTUAL_ENV"})
    if (name == known) return true;
  return false;
}

// NAME() ... or function NAME ...
bool defines_function(std::string_view text) {
  const std::string name = assigned_name(text);
  std::string_view rest = text.substr(name.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return name == "function" || (!name.empty() && rest.starts_with("()"));
}

// In its first command.
bool asks_for_last_code(std::string_view text) { return text.substr(0, text.find_first_of(";&|\n")).find("$?") != std::string_view::npos; }

}  // namespace

void BodyReader::need(const std::string& shell) {
  for (const std::string& name : names_in_bash(shell)) needed_.insert(name);
}

std::string BodyReader::open_text_of_launch() const {
  if (!out_.launch) return "";
  std::string text;
  const auto add = [&](const std::vector<BashField>& fields) {
    for (const BashField& field : fields)
      for (const BashPart& part : field.parts)
        if (part.open) text += part.text + ' ';
  };
  add(out_.launch->program);
  add(out_.launch->python);
  for (const std::string& command : out_.launch->before) text += command + '\n';
  for (const auto& [name, value] : out_.launch->variables)
    if (!value.known()) text += value.text() + '\n';
  for (const std::string& mount : out_.launch->mounts) text += mount + ' ';
  return text + out_.launch->image;
}

void BodyReader::find_needed() {
  for (const Item& item : items_)
    if (item.fate == Fate::kept) need(item.text);
  const std::string launch = open_text_of_launch();
  need(launch);
  for (const std::string& name : names_in_bash(launch)) of_launch_.insert(name);
  for (bool more = true; more;) {
    const std::size_t before = needed_.size();
    for (const Item& item : items_)
      if (item.fate == Fate::assigned && needed_.contains(item.name)) need(item.text);
    more = needed_.size() != before;
  }
  for (bool more = true; more;) {
    const std::size_t before = consumed_.size();
    for (const Item& item : items_)
      if (item.fate == Fate::assigned && consumed_.contains(item.name))
        for (const std::string& name : names_in_bash(item.text)) consumed_.insert(name);
    more = consumed_.size() != before;
  }
}

void BodyReader::sort_out() {
  std::set<std::string> assigned;
  std::set<std::size_t> moves;
  bool works_somewhere = false;  // commands that may name files
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    const bool before = i < launch_item_;
    if (item.fate == Fate::assigned) assigned.insert(item.name);
    const bool wanted = item.fate == Fate::kept || (item.fate == Fate::assigned && wanted_in_setup(item, before));
    if (!wanted) continue;
    std::vector<ScriptPart>& list = before ? out_.setup : out_.teardown;
    list.push_back({item.text, item.begin});
    if (item.only_moves) moves.insert(item.begin);
    if (!arguments_ && names_arguments(item.text) && !defines_function(item.text)) arguments_ = Range{item.begin, item.end};
    const bool of_shell = item.text.starts_with("ulimit") || item.text.starts_with("umask") || item.text.starts_with("module ") ||
                          item.text.starts_with("unset ");
    if (before && item.fate == Fate::kept && !of_shell) works_somewhere = true;
    if (before && item.fate == Fate::assigned && (item.text.find("PWD") != std::string::npos || item.text.find("pwd") != std::string::npos))
      works_somewhere = true;
  }
  // The last command may have been for the ranks alone.
  while (!out_.setup.empty() && moves.contains(out_.setup.back().at) && !open_folder_) out_.setup.pop_back();
  while (!out_.teardown.empty() && moves.contains(out_.teardown.back().at)) out_.teardown.pop_back();
  if (!out_.setup.empty() && works_somewhere) {
    out_.setup.insert(out_.setup.begin(), {"cd " + bash_word(start_), begin_});
    // In fabric's script a command that fails ends the job.
    if (!ends_at_failure_) out_.setup.insert(out_.setup.begin() + 1, {"set +e", begin_});
  }
  if (!out_.teardown.empty()) {
    const ScriptPart& first = out_.teardown.front();
    if (asks_for_last_code(first.text))
      warn("FAB6104", "slurm.teardown runs in a shell of its own, where `$?` is not how the ranks ended", first.at, text_.size(),
           "asks for `$?`", "the run's status.json has their code; restart.on and slurm.requeue say what follows on which end");
    out_.teardown.insert(out_.teardown.begin(), {open_folder_ ? "cd \"$BATCH_FOLDER\"" : "cd " + bash_word(last_folder_), out_.launch_at});
    // Another shell does it.
    for (const ScriptPart& part : out_.teardown)
      for (const std::string& name : names_in_bash(part.text)) of_launch_.insert(name);
  }
  const std::string exports = exports_of_launch(assigned);
  if (open_folder_ && out_.launch) out_.setup.push_back({"export BATCH_FOLDER=\"$PWD\"", out_.launch_at});
  if (!exports.empty()) out_.setup.push_back({"export" + exports, out_.launch_at});
  hand_arguments_to_launch();
  sort_arguments();
}

// What the commands of the batch script set, and ranks or the teardown need.
std::string BodyReader::exports_of_launch(const std::set<std::string>& assigned) const {
  const bool sources = std::any_of(items_.begin(), items_.end(), [](const Item& item) {
    return item.fate == Fate::kept && (item.text.starts_with("source ") || item.text.starts_with(". "));
  });
  std::string exports;
  for (const std::string& name : of_launch_) {
    const BashVariable* variable = variables_.find(name);
    const bool set_here = assigned.contains(name) || in_blocks_.contains(name) || (sources && !is_of_environment(name));
    if (set_here && !(variable && variable->exported)) exports += ' ' + name;
  }
  return exports;
}

// The shell that a rank is has none of its own.
void BodyReader::hand_arguments_to_launch() {
  if (!out_.launch || !names_arguments(open_text_of_launch())) return;
  arguments_ = Range{out_.launch_at, launch_end_};
  if (out_.launch->local_rank_option) {
    out_.launch->remarks.push_back("the ranks' shell has other arguments than the script");
    return;
  }
  out_.setup.push_back({"export SCRIPT_ARGUMENTS=\"${*@Q}\"", out_.launch_at});
  out_.launch->before.insert(out_.launch->before.begin(), "eval \"set -- $SCRIPT_ARGUMENTS\"");
}

// Arguments of the script become those of the batch script.
void BodyReader::sort_arguments() {
  if (!arguments_ || !given_ || out_.setup.empty()) return;
  std::string text = "set --";
  for (const BashField& word : *given_) text += ' ' + bash_word(word.text());
  out_.setup.insert(out_.setup.begin(), {text, begin_});
}

bool BodyReader::wanted_in_setup(const Item& item, bool before) {
  const bool needed = needed_.contains(item.name);
  if (item.name == "OMP_NUM_THREADS" && before) {
    const BashVariable* variable = variables_.find(item.name);
    const bool known = variable && variable->fields.size() == 1 && variable->fields.front().known();
    // As many as a rank has CPUs: that is what fabric sets.
    if (item.text.find("SLURM_") != std::string::npos && !needed) {
      out_.threads = ScriptPart{"auto", item.begin};
      return false;
    }
    if (known) {
      out_.threads = ScriptPart{variable->fields.front().text(), item.begin};
      return needed;
    }
  }
  if (needed) return true;
  if (!before) return false;
  if (is_set_by_fabric(item.name) || item.of_meeting || item.name == "CUDA_VISIBLE_DEVICES") {
    bound_.push_back({item.begin, item.end});
    return false;
  }
  if (!item.exported) return false;
  const BashVariable* variable = variables_.find(item.name);
  // Assigned again later, where that counts.
  if (!variable || variable->array || variable->fields.size() != 1) return true;
  // A part of the command line, which has taken its place in the job.
  if (consumed_.contains(item.name) && variable->fields.front().text().find_first_of(" \t\n") != std::string::npos) return false;
  if (!variable->fields.front().known()) return true;
  std::erase_if(out_.variables, [&](const auto& pair) { return pair.first == item.name; });
  out_.variables.emplace_back(item.name, ScriptPart{variable->fields.front().text(), item.begin});
  return false;
}

Span BodyReader::span(const Range& range) const {
  std::size_t end = std::min(range.second, text_.size());
  end = std::min(end, std::min(text_.find('\n', range.first), text_.size()));
  return {source_, static_cast<std::uint32_t>(range.first), static_cast<std::uint32_t>(std::max(end, range.first + 1))};
}

void BodyReader::warn(const char* code, std::string message, std::size_t begin, std::size_t end, std::string label, std::string help) {
  Diagnostic d{.severity = Severity::warning,
               .code = code,
               .message = std::move(message),
               .at = Place(span({begin, end})),
               .label = std::move(label),
               .help = std::move(help)};
  diagnostics_.add(std::move(d));
}

std::string BodyReader::lines_of(const std::vector<Range>& ranges) const {
  std::set<std::size_t> lines;
  for (std::size_t i = 1; i < ranges.size(); ++i) lines.insert(position_of(text_, ranges[i].first).line);
  lines.erase(position_of(text_, ranges.front().first).line);
  std::string text;
  for (const std::size_t line : lines) text += (text.empty() ? "" : ", ") + std::to_string(line);
  return text.empty() ? "" : (lines.size() == 1 ? "; so does line " : "; so do lines ") + text;
}

void BodyReader::warn_of(const std::vector<Range>& ranges, const char* code, const std::string& message, const char* label,
                         const char* help) {
  if (!ranges.empty()) warn(code, message + lines_of(ranges), ranges.front().first, ranges.front().second, label, help);
}

void BodyReader::tell() {
  warn_of(bound_, "FAB6105", "this tells ranks where they meet and who they are, which fabric does itself", "not taken",
          "nothing has to be written for it");
  warn_of(printed_, "FAB6106", "this only prints", "not taken",
          "put it under slurm.setup, if it is to be in the output of the batch script");
  warn_of(trapped_, "FAB6107", "the batch script of fabric hears no traps", "not taken",
          "`stop` and slurm.requeue say what follows on a signal; put the rest under slurm.teardown");
  warn_of(others_, "FAB6109", "this starts a program too, and a job is for one", "stays in the batch script",
          "it runs on the first node alone; make another job of it, if that is not meant");
  for (const Range& hidden : hidden_)
    if (out_.launch)
      warn("FAB6110", "this stands in something that is not looked into", hidden.first, hidden.second, "stays in the batch script",
           "take it out of the condition or the loop, if it starts the ranks");
  if (arguments_ && !given_)
    warn("FAB6111", "arguments of the script are not known, which sbatch would hand to it", arguments_->first, arguments_->second,
         "looks at them", "give them: `fabric import SCRIPT --args \"WORDS\"`");
  if (!out_.launch) return;
  tell_of_names();
  if (const std::string assumed = joined(out_.launch->assumed); !assumed.empty())
    warn("FAB6112", assumed + " unless the environment of whoever submits says otherwise", out_.launch_at, launch_end_,
         "a default of the script", "write another value into the job, if it is another");
  for (const std::string& remark : out_.launch->remarks)
    warn("FAB6112", remark, out_.launch_at, launch_end_, "not all of it is taken", "look at the job, and add what is missing");
}

// Words of the program that nobody sets here.
void BodyReader::tell_of_names() {
  std::string names;
  const bool sources = std::any_of(items_.begin(), items_.end(), [](const Item& item) {
    return item.fate == Fate::kept && (item.text.starts_with("source ") || item.text.starts_with(". "));
  });
  for (const std::string& name : names_in_bash(open_text_of_launch())) {
    const bool assigned =
        std::any_of(items_.begin(), items_.end(), [&](const Item& item) { return item.fate == Fate::assigned && item.name == name; });
    if (!sources && !assigned && !in_blocks_.contains(name) && !is_of_environment(name))
      names += (names.empty() ? "`$" : ", `$") + name + '`';
  }
  if (names.empty()) return;
  warn("FAB6116", "the script sets " + names + " nowhere", out_.launch_at, launch_end_, "comes from whoever submits it",
       "write it under `env`, or into the command");
}

}  // namespace fabric
