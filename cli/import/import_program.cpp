#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "cli/import/bash_statements.hpp"
#include "cli/import/script_import.hpp"
#include "compiler/check_job.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

bool has_open(const std::vector<BashField>& fields) {
  return std::any_of(fields.begin(), fields.end(), [](const BashField& f) { return !f.known(); });
}

// Whether each rank may do it where the script has one shell for all of a node.
bool only_makes_environment(std::string_view text) {
  constexpr std::array<std::string_view, 25> harmless = {"cd",    "export",   "source", ".",    "module", "ml",    "ulimit", "set", "unset",
                                                         "umask", "eval",     ":",      "true", "false",  "echo",  "printf", "pwd", "shopt",
                                                         "date",  "hostname", "test",   "[",    "[[",     "sleep", "exit"};
  const auto is_harmless = [&](const BashCommand& command) {
    if (command.compound) return false;
    if (command.words.empty()) return true;  // assignments
    const std::string& name = command.words.front();
    const std::string then = command.words.size() > 1 ? command.words[1] : "";
    if (name == "conda" || name == "mamba" || name == "micromamba") return then == "activate" || then == "deactivate";
    if (name == "mkdir") return then.starts_with("-p");
    return std::find(harmless.begin(), harmless.end(), name) != harmless.end();
  };
  const std::vector<BashStatement> statements = bash_statements(text, 0, text.size());
  return std::all_of(statements.begin(), statements.end(), [&](const BashStatement& statement) {
    return std::all_of(statement.commands.begin(), statement.commands.end(), is_harmless);
  });
}

// What a task of SLURM is told of its place has other names for a rank.
constexpr std::pair<std::string_view, std::string_view> names_of_places[] = {{"SLURM_PROCID", "RANK"},
                                                                             {"SLURM_LOCALID", "LOCAL_RANK"},
                                                                             {"SLURM_NODEID", "NODE_RANK"},
                                                                             {"SLURM_NTASKS", "WORLD_SIZE"},
                                                                             {"SLURM_NPROCS", "WORLD_SIZE"}};

std::string with_names_of_ranks(std::string text) {
  for (const auto& [theirs, ours] : names_of_places)
    for (std::size_t at = 0; (at = text.find(theirs, at)) != std::string::npos;) {
      const std::size_t end = at + theirs.size();
      const bool whole =
          at > 0 && (text[at - 1] == '$' || text[at - 1] == '{') && (end >= text.size() || !is_bash_name("_" + text.substr(end, 1)));
      if (whole) text.replace(at, theirs.size(), ours);
      at += whole ? ours.size() : theirs.size();
    }
  return text;
}

Value words_value(const std::vector<std::string>& words) {
  Value value = Value::array();
  for (const std::string& word : words) value.as_array().push_back(word);
  return value;
}

}  // namespace

void ScriptImport::program() {
  const LaunchLine& launch = *body_.launch;
  const std::string origin = line(body_.launch_at);
  if (launch.program.empty()) {
    Diagnostic d{.code = "FAB6101",
                 .message = "this starts no program",
                 .at = Place(at_launch()),
                 .label = "nothing behind it",
                 .help = "write `program` into the job"};
    return diagnostics_.add(std::move(d));
  }
  const bool plain_python = launch.python.size() == 1 || (launch.python.size() == 2 && launch.python[1].text() == "-u");
  if (needs_shell()) shell_program(origin);
  else if (plain_python) plain_program(origin);
  else command_program(origin);
  if (alone_) out_.set(Path("program") / "contract", "none", "one process, which nobody tells of others");
  if (launch.local_rank_option)
    out_.set(Path("program") / "local_rank_option", *launch.local_rank_option, launch.launcher + " tells it so");
  cwd();
  of_accelerate();
}

bool ScriptImport::needs_shell() const {
  const LaunchLine& launch = *body_.launch;
  const bool open_variable = std::any_of(launch.variables.begin(), launch.variables.end(),
                                         [](const auto& v) { return !is_set_by_fabric(v.first) && !v.second.known(); });
  return has_open(launch.program) || has_open(launch.python) || !launch.before.empty() || open_variable;
}

// One that is looked for in the PATH stays so, and no other becomes one.
std::string ScriptImport::program_path(const std::string& program) const {
  if (program.find('/') == std::string::npos) return program;
  const std::string path = from_launch(program);
  return path.find('/') == std::string::npos ? "./" + path : path;
}

void ScriptImport::plain_program(const std::string& origin) {
  const LaunchLine& launch = *body_.launch;
  const std::string first = launch.program.front().text();
  if (launch.module) {
    out_.set(Path("program") / "module", first, origin);
  } else {
    out_.set(Path("program") / "script", from_launch(first), origin);
  }
  const std::string python = launch.python.front().text();
  if (python != "python" && python != "python3") out_.set(Path("program") / "python", program_path(python));
  std::vector<std::string> args;
  for (std::size_t i = 1; i < launch.program.size(); ++i) args.push_back(launch.program[i].text());
  if (!args.empty()) out_.set(Path("program") / "args", words_value(args));
}

void ScriptImport::command_program(const std::string& origin) {
  const LaunchLine& launch = *body_.launch;
  std::vector<std::string> words;
  for (const BashField& field : launch.python) words.push_back(field.text());
  if (launch.module) words.push_back("-m");
  for (const BashField& field : launch.program) words.push_back(field.text());
  if (launch.image.empty() && !srun_option("container-image")) words.front() = program_path(words.front());
  // The text of a shell that each rank is.
  if (words.size() > 2 && (words[0] == "bash" || words[0] == "sh") && words[1] == "-c") words[2] = with_names_of_ranks(words[2]);
  out_.set(Path("program") / "command", words_value(words), origin);
}

// The words as they stand in the script, for a shell that each rank is.
void ScriptImport::shell_program(const std::string& origin) {
  const LaunchLine& launch = *body_.launch;
  std::string text;
  for (const std::string& command : launch.before) {
    text += command + '\n';
    if (launch.start == LaunchLine::Start::by_launcher && !alone_ && !only_makes_environment(command))
      warn("FAB6117", "`" + in_one_line(command) + "` stands before " + launch.launcher + ", which starts the ranks of a node", at_launch(),
           "done once a node there, and in the job by each rank",
           "let one rank of a node do it, or do it before the job: in slurm.setup it is done once");
  }
  for (const auto& [name, value] : launch.variables)
    if (!is_set_by_fabric(name) && !value.known()) text += "export " + name + '=' + value.source() + '\n';
  text += "exec";
  for (const BashField& field : launch.python) text += ' ' + field.source();
  if (launch.module) text += " -m";
  for (const BashField& field : launch.program) text += ' ' + field.source();
  if (launch.local_rank_option) text += " \"$@\"";
  const std::string renamed = with_names_of_ranks(text);
  if (alone_ && renamed != text)
    warn("FAB6112", "one process a node is not told which it is", at_launch(), "uses a number of SLURM's",
         "leave `contract` out, if a rank each is what the program is for");
  std::vector<std::string> words = {"bash", "-c", renamed};
  if (launch.local_rank_option) words.push_back("bash");
  out_.set(Path("program") / "command", words_value(words), origin + ": a shell fills in what only it knows");
}

void ScriptImport::cwd() {
  std::string folder;
  std::string origin = line(body_.launch_at);
  const BashField* of_srun = srun_option("chdir");
  if (of_srun && !of_srun->known())
    warn("FAB6112", "where srun starts ranks, only the shell knows", at_launch(), "not taken: --chdir=" + of_srun->text(),
         "write `cwd` under `program`");
  if (of_srun && of_srun->known()) {
    folder = launch_folder();
  } else if (const std::optional<std::string> outside = folder_of_container()) {
    folder = *outside;
  } else if (body_.folder) {
    folder = body_.folder->text;
    origin = line(body_.folder->at);
  }
  if (folder == place_.folder) folder.clear();
  if (!folder.empty()) out_.set(Path("program") / "cwd", shortened_path(folder), origin);
  else if (!place_.from_job.empty()) out_.set(Path("program") / "cwd", place_.from_job, "the folder of the script");
}

// Of --container-workdir, by what is mounted there: the ranks' folder is mounted at its own path.
std::optional<std::string> ScriptImport::folder_of_container() {
  const BashField* inside = srun_option("container-workdir");
  if (!inside) return std::nullopt;
  const std::string mounts = srun_option("container-mounts") ? srun_option("container-mounts")->text() : "";
  for (std::size_t begin = 0; begin < mounts.size();) {
    const std::size_t end = std::min(mounts.find(',', begin), mounts.size());
    const std::string mount = mounts.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t colon = std::min(mount.find(':'), mount.size());
    const std::string where = colon < mount.size() ? mount.substr(colon + 1) : mount;
    if (where == inside->text() && mount.starts_with('/')) return mount.substr(0, colon);
  }
  if (inside->known() && inside->text() == place_.folder) return place_.folder;
  warn("FAB6112", "where ranks start in the image is no folder that is known outside", at_launch(), "not taken: " + inside->text(),
       "ranks start in the folder of the job, which is mounted: write `cwd` under `program`, if that is not right");
  return std::nullopt;
}

void ScriptImport::of_accelerate() {
  const Value& said = body_.launch->accelerate;
  if (!said.is_object()) return;
  for (const Member& m : said.as_object()) {
    if (m.key == "precision" || m.key == "strategy" || m.key == "threads") out_.set(Path() / m.key, m.value, line(body_.launch_at));
    if (m.key != "program") continue;
    if (const Value* env = m.value.find("env"))
      for (const Member& variable : env->as_object())
        out_.set(Path("program") / "env" / variable.key, variable.value, "as `accelerate launch` sets it");
  }
}

}  // namespace fabric
