#include "cli/import/body_reader.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <type_traits>

#include "launch_backends/bash_word.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

// What only prints, unless its output goes into a file.
constexpr std::array<std::string_view, 27> printers = {"echo",       "printf", "date",  "hostname", "pwd",         "env",     "printenv",
                                                       "nvidia-smi", "which",  "type",  "ls",       "df",          "free",    "lscpu",
                                                       "nvcc",       "squeue", "sinfo", "scontrol", "uname",       "whoami",  "id",
                                                       "clear",      ":",      "true",  "sstat",    "lsb_release", "rocm-smi"};
// What fabric does itself, or what has no meaning in its script.
constexpr std::array<std::string_view, 6> shell_matters = {"set", "shopt", "wait", "exit", "trap", "disown"};
constexpr std::array<std::string_view, 8> marks_of_meeting = {"scontrol show hostname", "SLURM_JOB_NODELIST", "SLURM_NODELIST",
                                                              "SLURM_PROCID",           "SLURM_NODEID",       "SLURM_LOCALID",
                                                              "hostname --ip",          "hostname -"};
constexpr std::array<std::string_view, 6> launch_words = {"torchrun", "torch.distributed", "accelerate launch", "deepspeed ", "srun ",
                                                          "mpirun "};

template <std::size_t N>
bool has_word(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool only_prints(const BashCommand& command) {
  if (command.words.empty() || !command.assignments.empty()) return false;
  for (const std::string& redirection : command.redirections)
    if (redirection.find("/dev/") == std::string::npos && redirection.find(">&") == std::string::npos &&
        redirection.find("<<") == std::string::npos)
      return false;
  const std::string& word = command.words.front();
  const bool version =
      command.words.size() == 2 && (command.words[1] == "--version" || command.words[1] == "-V" || command.words[1] == "list");
  return has_word(word, printers) || version;
}

// Of : "${NAME:=value}" NAME=${NAME:-value}, of each; none where a word is something else.
std::vector<std::string> default_assignments(const BashCommand& command) {
  std::vector<std::string> all;
  for (std::size_t i = 1; i < command.words.size(); ++i) {
    std::string word = command.words[i];
    if (word.size() > 2 && word.front() == '"' && word.back() == '"') word = word.substr(1, word.size() - 2);
    const std::string name = word.starts_with("${") ? assigned_name(word.substr(2)) : "";
    const std::string_view rest = std::string_view(word).substr(std::min(word.size(), 2 + name.size()));
    if (name.empty() || !rest.starts_with(":=") || !rest.ends_with('}')) return {};
    all.push_back(name + "=${" + name + ":-" + std::string(rest.substr(2)));
  }
  return all;
}

bool begins_with(const BashStatement& statement, std::string_view word) {
  const BashCommand& first = statement.commands.front();
  return !first.words.empty() && first.words.front() == word;
}

// That of the script: what goes on in the background, and each part of a pipe, has one of its own.
bool changes_folder(const BashStatement& statement) {
  const auto moves = [](const BashCommand& c) {
    return !c.words.empty() && (c.words.front() == "cd" || c.words.front() == "pushd" || c.words.front() == "popd");
  };
  const std::size_t joints = statement.operators.size();
  for (std::size_t i = 0; !statement.background && i < statement.commands.size(); ++i)
    if (moves(statement.commands[i]) && !(i > 0 && is_pipe(statement.operators[i - 1])) && !(i < joints && is_pipe(statement.operators[i])))
      return true;
  return false;
}

bool all_are_and(const std::vector<std::string>& operators) {
  return std::all_of(operators.begin(), operators.end(), [](const std::string& sign) { return sign == "&&"; });
}

std::string command_text(const BashCommand& command) {
  std::string text;
  for (const std::string& word : command.words) text += word + ' ';
  return text;
}

// !#SBATCH, which bash knows no command of and sbatch passes over: there is a warning of its line already.
bool is_struck_out_directive(const BashCommand& command) {
  if (command.words.empty() || !command.words.front().starts_with('!')) return false;
  std::string text = command_text(command);
  text.erase(0, text.find_first_not_of("! #"));
  return command.words == std::vector<std::string>{"!"} || text.starts_with("SBATCH");
}

// Its commands[from, to), which are joined as they were.
BashStatement part_of(const BashStatement& statement, std::size_t from, std::size_t to) {
  const auto cut = [from](const auto& list, std::size_t end) {
    return std::remove_cvref_t<decltype(list)>(list.begin() + static_cast<std::ptrdiff_t>(from),
                                               list.begin() + static_cast<std::ptrdiff_t>(end));
  };
  return {.commands = cut(statement.commands, to),
          .operators = cut(statement.operators, to - 1),
          .operators_at = cut(statement.operators_at, to - 1),
          .background = statement.background && to == statement.commands.size(),
          .begin = statement.commands[from].begin,
          .end = statement.commands[to - 1].end};
}

// cd x || ..., and cd x && make || exit 1: behind it the script is there, or nowhere.
bool or_ends(const BashStatement& statement) {
  if (statement.operators.back() != "||") return false;
  if (statement.commands.size() == 2) return true;
  const BashCommand& last = statement.commands.back();
  const std::size_t others = statement.commands.size() - 1;
  return !last.words.empty() && last.words.front() == "exit" && all_are_and({statement.operators.begin(), statement.operators.end() - 1}) &&
         !changes_folder(part_of(statement, 1, others));
}

// Whether nothing that does something goes on beside what statements[at] has left in the background.
bool is_waited_for(const std::vector<BashStatement>& statements, std::size_t at) {
  const auto does_nothing = [](const BashCommand& c) {
    return !c.compound && (c.words.empty() || c.words.front() == "export" || c.words.front() == "trap" || only_prints(c));
  };
  for (std::size_t i = at + 1; i < statements.size(); ++i) {
    if (begins_with(statements[i], "wait")) return true;
    const std::vector<BashCommand>& commands = statements[i].commands;
    if (statements[i].background || !std::all_of(commands.begin(), commands.end(), does_nothing)) return false;
  }
  return false;
}

}  // namespace

BatchBody BodyReader::read() {
  const std::vector<BashStatement> statements = with_functions_in_place(bash_statements(text_, begin_, text_.size()));
  const std::size_t launch = choose_launch(statements);
  for (std::size_t i = 0; i < statements.size(); ++i) {
    if (i == launch) take_launch(statements[i], is_waited_for(statements, i));
    else take(statements[i], i < launch);
  }
  if (launch == statements.size()) no_launch();
  order_environments();
  find_needed();
  sort_out();
  tell();
  return std::move(out_);
}

std::string BodyReader::written(std::size_t begin, std::size_t end) const {
  std::string text(text_.substr(begin, end - begin));
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\n')) text.pop_back();
  // In fabric's script that is the folder of the run.
  for (const char* variable : {"${SLURM_SUBMIT_DIR}", "$SLURM_SUBMIT_DIR"})
    for (std::size_t at = 0; (at = text.find(variable, at)) != std::string::npos; at += submitted_.size())
      if (bash_word(submitted_) == submitted_) text.replace(at, std::string_view(variable).size(), submitted_);
      else break;
  return text;
}

// Behind the line that announces them.
std::string BodyReader::documents_of(const BashStatement& statement) const {
  std::string text;
  for (const BashCommand& command : statement.commands)
    for (const auto& [begin, end] : command.documents)
      if (begin >= statement.end && begin < end) text += '\n' + written(begin, end);
  return text;
}

// A function that is called once, and without arguments, is its commands.
std::vector<BashStatement> BodyReader::with_functions_in_place(std::vector<BashStatement> statements) const {
  const auto plain_call = [](const BashStatement& s, const std::string& name) {
    return s.commands.size() == 1 && !s.background && !s.commands[0].compound && s.commands[0].words.size() == 1 &&
           s.commands[0].words[0] == name && s.commands[0].assignments.empty() && s.commands[0].redirections.empty();
  };
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const BashCommand& command = statements[i].commands.front();
    if (!command.compound || statements[i].commands.size() != 1 || !command.redirections.empty()) continue;
    const std::string_view written = text_.substr(command.begin, command.end - command.begin);
    const bool by_word = command.words.front() == "function";
    if (!by_word && command.words.back() != "()") continue;
    const std::string name = assigned_name(written.substr(std::min(written.size(), by_word ? written.find_first_not_of(" \t", 8) : 0)));
    const std::size_t brace = text_.find('{', command.begin);
    if (name.empty() || brace >= command.end || text_[command.end - 1] != '}') continue;
    const std::string_view body = text_.substr(brace + 1, command.end - brace - 2);
    if (names_arguments(body) || body.find("return") != std::string_view::npos) continue;
    std::size_t named = 0;
    for (std::size_t at = begin_; (at = text_.find(name, at)) != std::string_view::npos; at += name.size()) {
      const std::size_t end = at + name.size();
      named += (at == 0 || std::string_view(" \t\n;&|({").find(text_[at - 1]) != std::string_view::npos) &&
               (end >= text_.size() || std::string_view(" \t\n;&|()").find(text_[end]) != std::string_view::npos);
    }
    const auto call = std::find_if(statements.begin() + static_cast<std::ptrdiff_t>(i), statements.end(),
                                   [&](const BashStatement& s) { return plain_call(s, name); });
    if (named != 2 || call == statements.end()) continue;
    const std::vector<BashStatement> inside = bash_statements(text_, brace + 1, command.end - 1);
    const auto next = statements.erase(call);
    statements.insert(next, inside.begin(), inside.end());
    statements.erase(statements.begin() + static_cast<std::ptrdiff_t>(i));
    --i;
  }
  return statements;
}

bool BodyReader::hides_launch(const BashStatement& statement) const {
  if (std::none_of(statement.commands.begin(), statement.commands.end(), [](const BashCommand& c) { return c.compound; })) return false;
  const std::string_view text = text_.substr(statement.begin, statement.end - statement.begin);
  return std::any_of(launch_words.begin(), launch_words.end(),
                     [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

std::size_t BodyReader::choose_launch(const std::vector<BashStatement>& statements) {
  // Values are needed to see what a line starts: they are read in order, and once more when each line is taken.
  BashVariables known = variables_;
  std::size_t best = statements.size();
  int likelihood = 0;
  std::vector<std::size_t> programs;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    int highest = 0;
    for (const BashCommand& command : statements[i].commands) {
      follow(command, known);
      highest = std::max(highest, launch_likelihood(command, known));
    }
    if (highest > 1) programs.push_back(i);
    if (highest == 0 || highest < likelihood) continue;
    likelihood = highest;
    best = i;
  }
  // What only looks like a program is not it, where another may be.
  const auto hiding = std::find_if(statements.begin(), statements.end(), [this](const BashStatement& s) { return hides_launch(s); });
  if (likelihood == 1 && hiding != statements.end()) {
    best = statements.size();
    hidden_.push_back({hiding->begin, hiding->end});
  }
  for (const std::size_t i : programs)
    if (i != best) others_.push_back({statements[i].begin, statements[i].end});
  return best;
}

// What a command does to variables.
void BodyReader::follow(const BashCommand& command, BashVariables& variables) {
  if (command.compound) return;
  const std::string word = command.words.empty() ? "" : command.words.front();
  if (command.words.empty())
    for (const std::string& assignment : command.assignments) variables.assign(assignment, false);
  if (word == ":")
    for (const std::string& assignment : default_assignments(command)) variables.assign(assignment, false);
  if (word == "export" || word == "declare" || word == "readonly" || word == "typeset" || word == "local")
    for (std::size_t i = 1; i < command.words.size(); ++i) {
      if (command.words[i].find('=') != std::string::npos) variables.assign(command.words[i], word == "export");
      else variables.mark_exported(command.words[i]);
    }
}

void BodyReader::take(const BashStatement& statement, bool before) {
  const BashCommand& command = statement.commands.front();
  for (const std::string_view word : {"shift", "set --"})
    if (text_.substr(statement.begin, statement.end - statement.begin).find(word) != std::string_view::npos) variables_.forget_arguments();
  Item item{.text = written(statement.begin, statement.end) + (statement.background ? " &" : "") + documents_of(statement),
            .begin = statement.begin,
            .end = statement.end,
            .name = "",
            .exported = false,
            .background = statement.background};
  const bool alone = statement.commands.size() == 1;
  if (alone && is_struck_out_directive(command)) return;
  if (!alone && before && begins_with(statement, "cd") && !statement.background && all_are_and(statement.operators)) {
    take(part_of(statement, 0, 1), before);
    return take(part_of(statement, 1, statement.commands.size()), before);
  }
  const std::string word = command.words.empty() ? "" : command.words.front();
  if (std::any_of(statement.commands.begin(), statement.commands.end(), [](const BashCommand& c) { return c.compound; }))
    return block(std::move(item));
  if (alone && (assignments(command, word, item) || defaults(command, item))) return;
  if (word == "cd" && command.words.size() <= 2 && !statement.background && (alone || or_ends(statement))) {
    item.only_moves = statement.commands.size() <= 2;
    return change_folder(command, std::move(item), before);
  }
  if (before && changes_folder(statement)) lose_folder();
  if (alone && (word == "module" || word == "ml")) return module(command, std::move(item));
  if (alone && before && environment(command, word, item)) return;
  // What goes on printing beside the ranks may be asked for by $!.
  if (!statement.background &&
      std::all_of(statement.commands.begin(), statement.commands.end(), [](const BashCommand& c) { return only_prints(c); })) {
    item.fate = Fate::dropped;
    printed_.push_back({item.begin, item.end});
  } else if (has_word(word, shell_matters) && !(word == "set" && command.words.size() > 1 && command.words[1] == "--") &&
             !(word == "wait" && waits_for_others(command, before))) {
    item.fate = Fate::dropped;
    if (word == "trap") trapped_.push_back({item.begin, item.end});
    for (const std::string& flag : command.words)
      if (word == "set" && (flag == "errexit" || (flag.starts_with('-') && !flag.starts_with("--") && flag.find('e') != std::string::npos)))
        ends_at_failure_ = true;
  }
  items_.push_back(std::move(item));
}

// For what the script has left in the background, on this side of the launch. Who waits for the ranks waits for nobody: they have ended.
bool BodyReader::waits_for_others(const BashCommand& command, bool before) const {
  for (const std::string& name : names_in_bash(command_text(command)))
    if (ids_of_ranks_.contains(name)) return false;
  return std::any_of(items_.begin() + static_cast<std::ptrdiff_t>(before ? 0 : launch_item_), items_.end(),
                     [](const Item& item) { return item.fate == Fate::kept && item.background; });
}

// NAME=value ..., export NAME=value ... each for itself.
bool BodyReader::assignments(const BashCommand& command, const std::string& word, const Item& item) {
  const bool export_word = word == "export";
  if (!command.words.empty() && !export_word && word != "declare" && word != "readonly" && word != "typeset" && word != "local")
    return false;
  if (!command.redirections.empty()) return false;
  std::vector<std::string> parts = command.assignments;
  bool exported = export_word;
  for (std::size_t i = 1; i < command.words.size(); ++i) {
    const std::string& part = command.words[i];
    if (part.starts_with('-')) exported = exported || part.find('x') != std::string::npos;
    else if (assigned_name(part).empty()) return false;
    else parts.push_back(part);
  }
  for (const std::string& part : parts) {
    const std::string name = assigned_name(part);
    if (part.size() == name.size()) {
      if (exported) {
        variables_.mark_exported(name);
        for (Item& earlier : items_)
          if (earlier.fate == Fate::assigned && earlier.name == name) earlier.exported = true;
      }
      continue;
    }
    variables_.assign(part, exported);
    if (launches_in_background_ && part.ends_with("$!") && !waits_for_others({}, false)) ids_of_ranks_.insert(name);
    Item one = item;
    one.fate = Fate::assigned;
    one.name = name;
    one.exported = variables_.find(name) ? variables_.find(name)->exported : exported;
    one.text = (exported ? "export " : "") + written_part(part);
    one.of_meeting = std::any_of(marks_of_meeting.begin(), marks_of_meeting.end(),
                                 [&](std::string_view mark) { return part.find(mark) != std::string::npos; });
    for (const std::string& used : names_in_bash(part)) one.of_meeting = one.of_meeting || of_meeting_.contains(used);
    if (one.of_meeting) of_meeting_.insert(name);
    else of_meeting_.erase(name);
    items_.push_back(std::move(one));
  }
  return true;
}

// : "${NAME:=value}"
bool BodyReader::defaults(const BashCommand& command, const Item& item) {
  if (command.words.empty() || command.words.front() != ":" || !command.redirections.empty()) return false;
  const std::vector<std::string> all = default_assignments(command);
  for (std::size_t i = 0; i < all.size(); ++i) {
    variables_.assign(all[i], false);
    Item one = item;
    one.fate = Fate::assigned;
    one.name = assigned_name(all[i]);
    one.text = ": " + command.words[i + 1];
    items_.push_back(std::move(one));
  }
  return !all.empty();
}

std::string BodyReader::written_part(const std::string& part) const {
  std::string text = part;
  for (const char* variable : {"${SLURM_SUBMIT_DIR}", "$SLURM_SUBMIT_DIR"})
    if (const std::size_t at = text.find(variable); at != std::string::npos && bash_word(submitted_) == submitted_)
      text.replace(at, std::string_view(variable).size(), submitted_);
  return text;
}

// Not looked into: what it sets is not known from then on.
void BodyReader::block(Item item) {
  for (std::size_t at = item.begin; at < item.end; ++at) {
    if (at > item.begin && text_[at - 1] != ' ' && text_[at - 1] != '\t' && text_[at - 1] != '\n' && text_[at - 1] != ';') continue;
    const std::string name = assigned_name(text_.substr(at, item.end - at));
    if (name.empty() || at + name.size() >= item.end || text_[at + name.size()] != '=') continue;
    variables_.forget(name);
    in_blocks_.insert(name);
  }
  for (const std::size_t at : command_beginnings(item)) {
    const std::string_view here = text_.substr(at, item.end - at);
    if (!item.background && (here.starts_with("cd ") || here.starts_with("pushd "))) lose_folder();
    for (const std::string_view word : launch_words)
      if (here.starts_with(word)) hidden_.push_back({at, at + word.find_last_not_of(' ') + 1});
  }
  items_.push_back(std::move(item));
}

// Where a command may begin in something that is not looked into: at the beginning of a line, and behind a word that one follows.
std::vector<std::size_t> BodyReader::command_beginnings(const Item& item) const {
  std::vector<std::size_t> all;
  for (std::size_t at = item.begin; at < item.end;) {
    const std::size_t end = std::min(text_.find_first_of("\n;&|", at), item.end);
    std::size_t first = std::min(text_.find_first_not_of(" \t", at), end);
    for (bool more = true; more;) {
      more = false;
      for (const std::string_view word : {"then ", "do ", "else ", "elif ", "if ", "{ ", "( ", "! "})
        if (text_.substr(first, end - first).starts_with(word)) {
          first = std::min(text_.find_first_not_of(" \t", first + word.size()), end);
          more = true;
        }
    }
    if (first < end) all.push_back(first);
    at = end + 1;
  }
  return all;
}

// From here on only the shell knows it.
void BodyReader::lose_folder() {
  open_folder_ = true;
  if (!out_.launch) out_.folder.reset();
  variables_.forget("PWD");
}

void BodyReader::change_folder(const BashCommand& command, Item item, bool before) {
  const BashField target = command.words.size() < 2                      ? BashField{{{"~", true, false}}}
                           : variables_.expand(command.words[1]).empty() ? BashField{}
                                                                         : variables_.expand(command.words[1]).front();
  if (before) {
    if (!target.known() || (open_folder_ && !target.text().starts_with('/'))) {
      lose_folder();
    } else {
      const std::string there = plain_path(last_folder_, target.text());
      open_folder_ = false;
      last_folder_ = there;
      variables_.set("PWD", there);
      out_.folder.reset();
      if (there != submitted_) out_.folder = ScriptPart{there, item.begin};
      item.text = "cd " + bash_word(there) + written(command.end, item.end);
    }
  }
  items_.push_back(std::move(item));
}

void BodyReader::module(const BashCommand& command, Item item) {
  item.fate = Fate::module;
  const std::string& verb = command.words.size() > 1 ? command.words[1] : "";
  const bool loads = command.words.front() == "ml" || verb == "load" || verb == "add";
  const std::vector<BashField> fields = variables_.expand(std::vector<std::string>(
      command.words.begin() + (command.words.front() == "ml" ? 1 : 2 - (command.words.size() < 2)), command.words.end()));
  if (verb == "list" || verb == "avail") return;
  const auto is_name = [](const BashField& f) {
    const std::string name = f.text();
    return f.known() && !name.empty() && name.front() != '-' &&
           name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+@:=-") == std::string::npos;
  };
  const bool plain = loads && !fields.empty() && std::all_of(fields.begin(), fields.end(), is_name) && verb != "purge";
  modules_are_plain_ = modules_are_plain_ && plain && !sources_something_;
  if (plain)
    for (const BashField& field : fields) out_.modules.push_back({field.text(), item.begin});
  items_.push_back(std::move(item));
}

// Environments of Python.
bool BodyReader::environment(const BashCommand& command, const std::string& word, Item& item) {
  const std::vector<BashField> fields = variables_.expand(command.words);
  if (fields.empty()) return false;
  const auto text_at = [&](std::size_t i) { return i < fields.size() ? fields[i].text() : ""; };
  const bool known = std::all_of(fields.begin(), fields.end(), [](const BashField& f) { return f.known(); });
  if (word == "conda" && (text_at(1) == "init" || text_at(1) == "deactivate")) {
    item.fate = Fate::dropped;
    items_.push_back(std::move(item));
    return true;
  }
  const bool hook = word == "eval" && item.text.find("conda") != std::string::npos && item.text.find("hook") != std::string::npos;
  if (hook) {
    hooks_.push_back(items_.size());
    items_.push_back(std::move(item));
    return true;
  }
  const bool sources = word == "source" || word == ".";
  std::string conda, venv;
  if ((word == "conda" || word == "mamba") && text_at(1) == "activate") conda = text_at(2);
  if (sources && text_at(1) == "activate" && fields.size() > 2) conda = text_at(2);
  if (sources && fields.size() > 2 && text_at(1).ends_with("/bin/activate")) conda = text_at(2);
  if (sources && fields.size() == 2 && text_at(1).ends_with("/bin/activate"))
    venv = text_at(1).substr(0, text_at(1).size() - std::string_view("/bin/activate").size());
  if (!venv.empty() && !venv.starts_with('/')) venv = (fs::path(last_folder_) / venv).lexically_normal().string();
  const bool fits = known && !(open_folder_ && !venv.empty()) && !sources_something_ && !out_.conda && !out_.venv && word != "mamba" &&
                    !(sources && !conda.empty());
  if (!conda.empty() || !venv.empty()) {
    if (fits && !conda.empty()) out_.conda = ScriptPart{conda, item.begin};
    else if (fits) out_.venv = ScriptPart{venv, item.begin};
    else sources_something_ = true;
    if (fits) item.fate = Fate::dropped;
    items_.push_back(std::move(item));
    return true;
  }
  if (sources) sources_something_ = true;
  return false;
}

// Environments come before other commands in fabric's script: where that would be another order, all stay as they are.
void BodyReader::order_environments() {
  if (!modules_are_plain_) out_.modules.clear();
  for (Item& item : items_)
    if (item.fate == Fate::module) item.fate = modules_are_plain_ ? Fate::dropped : Fate::kept;
  if (!out_.conda) return;
  for (const std::size_t hook : hooks_) items_[hook].fate = Fate::dropped;
}

void BodyReader::take_launch(const BashStatement& statement, bool waited_for) {
  launch_item_ = items_.size();
  Item item{.fate = Fate::launch, .text = "", .begin = statement.begin, .end = statement.end, .name = "", .exported = false};
  std::size_t chosen = 0;
  int likelihood = -1;
  for (std::size_t i = 0; i < statement.commands.size(); ++i)
    if (const int found = launch_likelihood(statement.commands[i], variables_); found > likelihood) {
      chosen = i;
      likelihood = found;
    }
  const BashCommand& command = statement.commands[chosen];
  const std::string folder = last_folder_;
  take_lead(statement, chosen);
  if (statement.background && !open_folder_) last_folder_ = folder;  // of the script, which goes on where it was
  launch_item_ = items_.size();
  out_.launch = read_launch_line(command, variables_);
  out_.launch_at = command.begin;
  launch_end_ = command.end;
  launches_in_background_ = statement.background;
  if (open_folder_) out_.launch->before.insert(out_.launch->before.begin(), "cd \"$BATCH_FOLDER\" || exit");
  for (const std::string& name : names_in_bash(command_text(command))) consumed_.insert(name);
  tell_of_sequel(statement, chosen, waited_for);
  items_.push_back(std::move(item));
}

// mkdir x && cd x && srun ...: each for itself, and what fails ends the script, so that no rank starts. What feeds the ranks may never end
// where nobody reads it, and is left out; where they start if something fails, that does not end the script.
void BodyReader::take_lead(const BashStatement& statement, std::size_t chosen) {
  std::size_t fed = chosen;
  while (fed > 0 && is_pipe(statement.operators[fed - 1])) --fed;
  const bool if_it_fails = fed > 0 && statement.operators[fed - 1] == "||";
  const std::size_t told = if_it_fails ? 0 : fed;
  if (told < chosen) lead_ = in_one_line(written(statement.commands[told].begin, statement.commands[chosen].begin));
  const bool each = all_are_and({statement.operators.begin(), statement.operators.begin() + static_cast<std::ptrdiff_t>(fed)});
  for (std::size_t from = 0; from < fed;) {
    const std::size_t to = each ? from + 1 : fed;
    const std::size_t before = items_.size();
    const BashStatement part = part_of(statement, from, to);
    const std::string documents = documents_of(part);
    take(part, true);
    for (std::size_t item = before; item < items_.size(); ++item)
      if (std::string& text = items_[item].text; items_[item].fate == Fate::kept)
        text.insert(text.size() - (text.ends_with(documents) ? documents.size() : 0), if_it_fails ? " || :" : " || exit");
    from = to;
  }
}

void BodyReader::tell_of_sequel(const BashStatement& statement, std::size_t chosen, bool waited_for) {
  const BashCommand& command = statement.commands[chosen];
  const BashSequel sequel = bash_sequel(text_, statement, chosen);
  std::string elsewhere;
  for (const std::string& redirection : command.redirections) elsewhere += (elsewhere.empty() ? "" : " ") + redirection;
  if (!sequel.pipe.empty()) elsewhere += (elsewhere.empty() ? "" : " ") + in_one_line(sequel.pipe);
  if (!elsewhere.empty())
    warn("FAB6108", "what ranks print stands in their logs below the run, and is not sent elsewhere", command.begin, command.end,
         "not taken: " + elsewhere, "`fabric logs RUN` shows it");
  if (!sequel.then.empty()) {
    const auto begin = static_cast<std::size_t>(sequel.then.data() - text_.data());
    warn("FAB6112",
         std::string("what the script does when the ranks have ") + (sequel.then.starts_with("||") ? "failed" : "succeeded") +
             " is not done",
         begin, begin + sequel.then.size(), "not taken: " + in_one_line(sequel.then),
         "a job fails where a rank does; what is to be done however they end belongs under slurm.teardown");
  }
  if (!lead_.empty())
    warn("FAB6112", "what stands before the launch neither lets the ranks start nor feeds them", statement.begin, command.begin,
         "not taken: " + lead_, "ranks read no input; write an `exit` under slurm.setup, where none is to start");
  if (statement.background && !waited_for)
    warn("FAB6112", "the batch script of a job waits for its ranks", command.begin, command.end, "not taken: & behind it",
         "what follows is done when they have ended: put under slurm.setup what is to go on beside them");
}

void BodyReader::no_launch() {
  Diagnostic d{.code = "FAB6101", .message = "nothing was found in this script that starts a program of a job"};
  const auto within = [this](std::size_t at) { return static_cast<std::uint32_t>(std::min(at, text_.size())); };
  d.at.span = hidden_.empty() ? Span{source_, within(begin_), within(begin_ + 1)} : span(hidden_.front());
  d.label = hidden_.empty() ? "from here on" : "stands in something that is not looked into";
  d.help =
      "fabric looks for srun, torchrun, accelerate launch, deepspeed and python outside of loops and conditions: write the program into the job by hand";
  diagnostics_.add(std::move(d));
  launch_item_ = items_.size();
}

BatchBody read_batch_body(std::string_view text, std::size_t begin, std::uint32_t source, BashVariables variables,
                          const ScriptFolders& folders, Diagnostics& diagnostics) {
  return BodyReader(text, begin, source, std::move(variables), folders, diagnostics).read();
}

}  // namespace fabric
