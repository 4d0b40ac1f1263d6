#include "cli/import/launch_line.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "cli/accelerate_line.hpp"
#include "cli/accelerate_words.hpp"
#include "cli/command.hpp"
#include "launch_backends/slurm_options.hpp"

namespace fabric {
namespace {

constexpr int deepest_line = 8;  // of shells in shells

std::string base_name(const BashField& field) { return field.known() ? std::filesystem::path(field.text()).filename().string() : ""; }

bool is_python(const std::string& name) {
  if (name == "ipython") return true;
  if (!name.starts_with("python")) return false;
  return name.find_first_not_of("0123456789.", 6) == std::string::npos;
}

bool is_shell(const std::string& name) { return name == "bash" || name == "sh"; }

// `timeout`, its options and its time: how many words, and 0 where that is not what stands at fields[at].
std::size_t words_of_timeout(const std::vector<BashField>& fields, std::size_t at) {
  if (at >= fields.size() || base_name(fields[at]) != "timeout") return 0;
  std::size_t behind = at + 1;
  while (behind < fields.size() && fields[behind].text().starts_with('-')) {
    const std::string option = fields[behind].text();
    const bool value_follows = option == "-k" || option == "-s" || option == "--kill-after" || option == "--signal";
    behind += value_follows ? 2 : 1;
  }
  return behind + 1 < fields.size() ? behind + 1 - at : 0;
}

template <std::size_t N>
bool is_one_of(const std::string& word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Of srun, beside those that sbatch has too.
constexpr std::array<std::string_view, 27> srun_switches = {"label",
                                                            "unbuffered",
                                                            "pty",
                                                            "overlap",
                                                            "exact",
                                                            "whole",
                                                            "multi-prog",
                                                            "no-shell",
                                                            "disable-status",
                                                            "preserve-env",
                                                            "interactive",
                                                            "external",
                                                            "exclusive",
                                                            "kill-on-bad-exit",
                                                            "immediate",
                                                            "container-writable",
                                                            "container-readonly",
                                                            "container-mount-home",
                                                            "no-container-mount-home",
                                                            "container-remap-root",
                                                            "no-container-remap-root",
                                                            "container-entrypoint",
                                                            "no-container-entrypoint",
                                                            "debugger-test",
                                                            "send-libs",
                                                            "quit-on-interrupt",
                                                            "join"};
constexpr std::pair<char, std::string_view> srun_letters[] = {
    {'l', "label"},   {'u', "unbuffered"},   {'K', "kill-on-bad-exit"}, {'W', "wait"},           {'I', "immediate"}, {'r', "relative"},
    {'T', "threads"}, {'E', "preserve-env"}, {'Z', "no-allocate"},      {'X', "disable-status"}, {'j', "join"}};

constexpr std::array<std::string_view, 9> torchrun_switches = {"standalone",         "no-python", "use-env", "module",   "run-path",
                                                               "virtual-local-rank", "help",      "m",       "duplicate"};

std::string folded(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

class LaunchReader {
 public:
  explicit LaunchReader(const BashVariables& variables) : variables_(variables) {}

  LaunchLine read(const BashCommand& command) {
    take(command, 0);
    for (std::optional<BashField>* count : {&out_.processes, &out_.nodes, &out_.restarts})
      if (*count) take_default(**count);
    for (const char* option : {"container-image", "container-mounts", "nodes", "ntasks", "ntasks-per-node", "gpus-per-node", "gres"})
      if (const auto found = out_.srun_options.find(option); found != out_.srun_options.end()) take_default(found->second);
    return std::move(out_);
  }

 private:
  using Fields = std::vector<BashField>;

  void take(const BashCommand& command, int depth) {
    for (const std::string& assignment : command.assignments) variable(assignment);
    Fields fields = variables_.expand(command.words);
    line(std::move(fields), depth);
  }

  // What a job has to know: as where the environment of who submits says nothing else.
  void take_default(BashField& field) {
    if (field.known()) return;
    const std::optional<BashField> value = variables_.by_defaults(field);
    if (!value) return;
    out_.assumed.push_back('`' + field.text() + "` is " + (value->text().empty() ? "empty" : value->text()));
    field = *value;
  }

  void variable(const std::string& assignment) {
    const std::string name = assigned_name(assignment);
    if (const std::size_t equals = assignment.find('='); equals == name.size())
      out_.variables.emplace_back(name, variables_.expand_as_one(assignment.substr(equals + 1)));
  }

  static Fields behind(const Fields& fields, std::size_t at) {
    return Fields(fields.begin() + static_cast<std::ptrdiff_t>(std::min(at, fields.size())), fields.end());
  }

  void line(Fields fields, int depth) {
    while (!fields.empty()) {
      const std::string name = base_name(fields.front());
      const std::size_t timeout = words_of_timeout(fields, 0);
      if (name == "time" || name == "nohup" || name == "exec" || name == "command" || name == "unbuffer") {
        fields.erase(fields.begin());
      } else if (timeout > 0 && out_.start != LaunchLine::Start::by_tasks) {
        // Behind srun it is a program of each task, and stays one.
        std::string text;
        for (std::size_t i = 0; i < timeout; ++i) text += (i == 0 ? "" : " ") + fields[i].text();
        out_.remarks.push_back('`' + text + "` is not taken: `time_limit` is what a job has for it");
        fields = behind(fields, timeout);
      } else if (name == "env" && fields.size() > 1) {
        fields.erase(fields.begin());
        while (!fields.empty() && fields.front().text().find('=') != std::string::npos &&
               is_bash_name(assigned_name(fields.front().text()))) {
          const std::string text = fields.front().text();
          const std::string variable_name = assigned_name(text);
          BashField value = fields.front();
          value.parts.front().text.erase(0, variable_name.size() + 1);
          out_.variables.emplace_back(variable_name, std::move(value));
          fields.erase(fields.begin());
        }
      } else {
        break;
      }
    }
    if (fields.empty()) return;
    const std::string name = base_name(fields.front());
    if (name == "srun") return srun(fields, depth);
    if (is_shell(name) && depth < deepest_line && shell(fields, depth)) return;
    if (name == "singularity" || name == "apptainer") return apptainer(fields, depth);
    if (name == "torchrun" || name == "accelerate" || name == "deepspeed" || name == "composer") beside(fields.front());
    if (name == "torchrun") return torchrun(behind(fields, 1), "torchrun", false);
    if (name == "accelerate" && fields.size() > 1 && fields[1].text() == "launch") return accelerate(behind(fields, 2));
    if (name == "deepspeed") return deepspeed(behind(fields, 1));
    if (name == "composer") return composer(behind(fields, 1));
    if (name == "conda" && fields.size() > 1 && fields[1].text() == "run") return conda_run(behind(fields, 2), depth);
    if (is_python(name)) return python(fields);
    out_.program = std::move(fields);
  }

  // The Python of an environment is beside its launchers.
  void beside(const BashField& launcher) {
    const std::filesystem::path path(launcher.text());
    if (path.has_parent_path()) out_.python = {BashField{{{(path.parent_path() / "python").string()}}}};
  }

  // Options from fields[at] on; stops at what is none. take(name, value) has the value of those that are no switches.
  template <class IsSwitch, class Take>
  static std::size_t options(const Fields& fields, std::size_t at, IsSwitch&& is_switch, Take&& take) {
    while (at < fields.size()) {
      const std::string word = fields[at].text();
      if (word == "--") return at + 1;
      if (word.size() < 2 || word.front() != '-') return at;
      const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
      const std::string name = word.substr(0, equals);
      ++at;
      if (equals != std::string::npos) {
        BashField value = fields[at - 1];
        // The name may be followed by an open part at once.
        std::size_t left = equals + 1;
        while (!value.parts.empty() && left > 0) {
          const std::size_t here = std::min(left, value.parts.front().text.size());
          value.parts.front().text.erase(0, here);
          left -= here;
          if (value.parts.front().text.empty()) value.parts.erase(value.parts.begin());
        }
        take(name, value);
      } else if (is_switch(name)) {
        take(name, BashField{});
      } else if (at < fields.size()) {
        take(name, fields[at++]);
      }
    }
    return at;
  }

  void srun(const Fields& fields, int depth) {
    out_.start = LaunchLine::Start::by_tasks;
    std::size_t at = 1;
    while (at < fields.size()) {
      const std::string word = fields[at].text();
      if (fields[at].parts.size() == 1 && fields[at].parts.front().open) {
        out_.remarks.push_back("of srun, " + word + " is not known");
        ++at;
        continue;
      }
      if (word.size() < 2 || word.front() != '-' || word == "--") break;
      if (!word.starts_with("--")) {
        at = short_option(fields, at);
        continue;
      }
      const std::size_t equals = word.find('=');
      const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
      const SlurmOption* known = find_slurm_option(name);
      // A name that srun has too, and with another meaning there.
      const bool value_follows = name == "wait" || (!is_one_of(name, srun_switches) && (!known || known->value == OptionValue::needed));
      at = options(
          fields, at, [&](const std::string&) { return !value_follows; },
          [&](const std::string&, const BashField& value) { out_.srun_options[name] = value; }, 1);
    }
    if (at < fields.size() && fields[at].text() == "--") ++at;
    line(behind(fields, at), depth);
  }

  // One option alone.
  template <class IsSwitch, class Take>
  static std::size_t options(const Fields& fields, std::size_t at, IsSwitch&& is_switch, Take&& take, int) {
    const Fields two(fields.begin() + static_cast<std::ptrdiff_t>(at),
                     fields.begin() + static_cast<std::ptrdiff_t>(std::min(at + 2, fields.size())));
    bool taken = false;
    std::size_t used = 1;
    const std::string word = two.front().text();
    if (word.find('=') == std::string::npos && !is_switch(word) && two.size() > 1) used = 2;
    options(two, 0, is_switch, [&](const std::string& name, const BashField& value) {
      if (!std::exchange(taken, true)) take(name, value);
    });
    return at + used;
  }

  std::size_t short_option(const Fields& fields, std::size_t at) {
    const std::string word = fields[at].text();
    for (std::size_t i = 1; i < word.size(); ++i) {
      std::string name(1, word[i]);
      bool value_follows = true;
      const auto letter =
          std::find_if(std::begin(srun_letters), std::end(srun_letters), [&](const auto& row) { return row.first == word[i]; });
      if (letter != std::end(srun_letters)) {
        name = letter->second;
        value_follows = !is_one_of(name, srun_switches);
      } else if (const SlurmOption* known = find_slurm_option(word[i])) {
        name = known->name;
        value_follows = known->value == OptionValue::needed;
      }
      if (!value_follows) {
        out_.srun_options[name] = BashField{};
        continue;
      }
      if (i + 1 < word.size()) {
        BashField value;
        value.parts.push_back({word.substr(i + 1), !fields[at].known()});
        out_.srun_options[name] = value;
        return at + 1;
      }
      if (at + 1 < fields.size()) out_.srun_options[name] = fields[at + 1];
      return at + 2;
    }
    return at + 1;
  }

  // bash -c TEXT: its last command that starts something; what stands before is done first.
  bool shell(const Fields& fields, int depth) {
    std::size_t at = 1;
    bool text_follows = false;
    while (at < fields.size() && fields[at].text().starts_with('-') && fields[at].text().size() > 1) {
      const std::string word = fields[at++].text();
      text_follows = text_follows || (!word.starts_with("--") && word.find('c') != std::string::npos);
    }
    if (!text_follows || at >= fields.size()) return false;
    const std::string text = fields[at].text();
    // It has arguments of its own.
    if (at + 1 < fields.size() && names_arguments(text)) return false;
    const std::vector<BashStatement> statements = bash_statements(text, 0, text.size());
    std::size_t best = statements.size();
    int likelihood = -1;
    for (std::size_t i = 0; i < statements.size(); ++i)
      if (const int found = statements[i].commands.back().compound ? 0 : launch_likelihood(last_of(statements[i]), variables_);
          found >= likelihood) {
        best = i;
        likelihood = found;
      }
    if (best == statements.size()) return false;
    for (std::size_t i = 0; i < best; ++i) out_.before.push_back(text.substr(statements[i].begin, statements[i].end - statements[i].begin));
    const BashStatement& chosen = statements[best];
    const BashCommand& command = last_of(chosen);
    // cd X && python ...
    if (command.begin > chosen.begin) {
      std::string first = text.substr(chosen.begin, command.begin - chosen.begin);
      first.erase(first.find_last_not_of(" \t&|\n\\") + 1);
      if (!first.empty()) out_.before.push_back(first);
    }
    const BashSequel sequel = bash_sequel(text, chosen, index_of(chosen, command));
    if (best + 1 < statements.size()) out_.remarks.push_back("what follows in the same `bash -c` is not done");
    if (!sequel.then.empty()) out_.remarks.push_back('`' + in_one_line(sequel.then) + "` in the same `bash -c` is not done");
    if (!command.redirections.empty() || !sequel.pipe.empty())
      out_.remarks.push_back("what a rank prints stands in its log, and is not sent elsewhere");
    if (command.compound) {
      out_.program = {fields.begin(), fields.end()};
      out_.before.clear();
      return true;
    }
    take(command, depth + 1);
    return true;
  }

  static std::size_t index_of(const BashStatement& statement, const BashCommand& command) {
    return static_cast<std::size_t>(&command - statement.commands.data());
  }

  // Of a && b | tee: b.
  static const BashCommand& last_of(const BashStatement& statement) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < statement.operators.size(); ++i) {
      if (statement.operators[i] != "&&") break;
      at = i + 1;
    }
    return statement.commands[std::min(at, statement.commands.size() - 1)];
  }

  void apptainer(const Fields& fields, int depth) {
    constexpr std::array<std::string_view, 12> switches = {"--nv",       "--rocm",       "--cleanenv", "-e",        "--contain",
                                                           "-c",         "--containall", "-C",         "--no-home", "--writable-tmpfs",
                                                           "--writable", "--fakeroot"};
    if (fields.size() < 2 || (fields[1].text() != "exec" && fields[1].text() != "run")) {
      out_.program = fields;
      return;
    }
    std::string not_taken;
    const std::size_t at = options(
        fields, 2, [&](const std::string& name) { return is_one_of(name, switches); },
        [&](const std::string& name, const BashField& value) {
          if (name == "--bind" || name == "-B") {
            const std::string all = value.text();
            for (std::size_t begin = 0; begin < all.size();) {
              const std::size_t end = std::min(all.find(',', begin), all.size());
              out_.mounts.push_back(all.substr(begin, end - begin));
              begin = end + 1;
            }
          } else if (name == "--env") {
            const std::string text = value.text();
            if (const std::string variable_name = assigned_name(text); !variable_name.empty() && value.known())
              out_.variables.emplace_back(variable_name, BashField{{{text.substr(variable_name.size() + 1)}}});
          } else if (name != "--nv" && name != "--pwd") {
            not_taken += (not_taken.empty() ? "" : ", ") + name;
          }
        });
    if (!not_taken.empty()) out_.remarks.push_back("of apptainer, " + not_taken + " is not taken");
    if (at >= fields.size()) return;
    out_.image = fields[at].text();
    line(behind(fields, at + 1), depth);
  }

  void conda_run(const Fields& fields, int depth) {
    constexpr std::array<std::string_view, 5> switches = {"--no-capture-output", "--live-stream", "-v", "--verbose",
                                                          "--debug-wrapper-scripts"};
    const std::size_t at = options(
        fields, 0, [&](const std::string& name) { return is_one_of(name, switches); },
        [&](const std::string& name, const BashField& value) {
          if (name == "-n" || name == "--name" || name == "-p" || name == "--prefix") out_.conda = value.text();
        });
    line(behind(fields, at), depth);
  }

  void python(const Fields& fields) {
    std::size_t at = 1;
    while (at < fields.size() && fields[at].text().starts_with('-') && fields[at].text().size() > 1) {
      const std::string word = fields[at].text();
      if (word == "-m" && at + 1 < fields.size()) {
        const std::string module = fields[at + 1].text();
        const bool starts_ranks = module == "torch.distributed.run" || module == "torch.distributed.launch" ||
                                  module == "accelerate.commands.launch" || module == "composer.cli.launcher";
        if (starts_ranks) out_.python = {fields.front()};
        if (module == "composer.cli.launcher") return composer(behind(fields, at + 2));
        if (module == "torch.distributed.run" || module == "torch.distributed.launch")
          return torchrun(behind(fields, at + 2), module, module.ends_with("launch"));
        if (module == "accelerate.commands.launch") return accelerate(behind(fields, at + 2));
        out_.python.assign(fields.begin(), fields.begin() + static_cast<std::ptrdiff_t>(at));
        out_.module = true;
        out_.program = behind(fields, at + 1);
        return;
      }
      if (word == "-c") {
        out_.program = fields;
        return;
      }
      at += word == "-W" || word == "-X" ? 2 : 1;
    }
    out_.python.assign(fields.begin(), fields.begin() + static_cast<std::ptrdiff_t>(std::min(at, fields.size())));
    out_.program = behind(fields, at);
  }

  void program_of(const Fields& fields, bool no_python) {
    if (!no_python && out_.python.empty()) out_.python = {BashField{{{"python"}}}};
    if (no_python) out_.python.clear();
    out_.program = fields;
  }

  void torchrun(const Fields& fields, const std::string& name, bool launch) {
    out_.start = LaunchLine::Start::by_launcher;
    out_.launcher = name;
    bool no_python = false, use_env = false;
    const std::size_t at = options(
        fields, 0,
        [&](const std::string& option) { return is_one_of(folded(option.substr(option.find_first_not_of('-'))), torchrun_switches); },
        [&](const std::string& option, const BashField& value) {
          const std::string word = folded(option.substr(option.find_first_not_of('-')));
          if (word == "nproc-per-node") out_.processes = value;
          else if (word == "nnodes") out_.nodes = value;
          else if (word == "max-restarts") out_.restarts = value;
          else if (word == "module" || word == "m") out_.module = true;
          else if (word == "no-python") no_python = true;
          else if (word == "use-env") use_env = true;
        });
    if (!out_.processes) out_.processes = BashField{{{"1"}}};
    program_of(behind(fields, at), no_python);
    if (launch && !use_env) out_.local_rank_option = "--local_rank";
  }

  void deepspeed(const Fields& fields) {
    constexpr std::array<std::string_view, 6> switches = {"module",   "no-python",   "no-local-rank",
                                                          "save-pid", "force-multi", "bind-cores-to-rank"};
    out_.start = LaunchLine::Start::by_launcher;
    out_.launcher = "deepspeed";
    bool no_python = false;
    out_.local_rank_option = "--local_rank";
    const std::size_t at = options(
        fields, 0, [&](const std::string& option) { return is_one_of(folded(option.substr(option.find_first_not_of('-'))), switches); },
        [&](const std::string& option, const BashField& value) {
          const std::string word = folded(option.substr(option.find_first_not_of('-')));
          if (word == "num-gpus") out_.processes = value;
          else if (word == "num-nodes") out_.nodes = value;
          else if (word == "module") out_.module = true;
          else if (word == "no-python") no_python = true;
          else if (word == "no-local-rank") out_.local_rank_option.reset();
          else if (word == "include" || word == "exclude")
            out_.remarks.push_back("of deepspeed, " + option + " is not taken: fabric starts ranks on all nodes of the job");
        });
    program_of(behind(fields, at), no_python);
  }

  // MosaicML's.
  void composer(const Fields& fields) {
    constexpr std::array<std::string_view, 6> switches = {"verbose", "v", "module-mode", "m", "command-mode", "c"};
    out_.start = LaunchLine::Start::by_launcher;
    out_.launcher = "composer";
    bool no_python = false;
    const std::size_t at = options(
        fields, 0, [&](const std::string& option) { return is_one_of(folded(option.substr(option.find_first_not_of('-'))), switches); },
        [&](const std::string& option, const BashField& value) {
          const std::string word = folded(option.substr(option.find_first_not_of('-')));
          if (word == "nproc" || word == "n") out_.processes = value;
          else if (word == "module-mode" || word == "m") out_.module = true;
          else if (word == "command-mode" || word == "c") no_python = true;
        });
    program_of(behind(fields, at), no_python);
  }

  void accelerate(const Fields& fields) {
    out_.start = LaunchLine::Start::by_launcher;
    out_.launcher = "accelerate";
    out_.processes_of_all = true;
    bool no_python = false;
    std::string open;
    std::vector<std::string> words;
    const std::size_t at = options(
        fields, 0,
        [&](const std::string& option) {
          if (option == "-m" || option == "-q") return true;
          std::string word = option.substr(option.find_first_not_of('-'));
          std::replace(word.begin(), word.end(), '-', '_');
          const AccelerateWord* known = find_accelerate_word(word);
          return known && known->is_switch;
        },
        [&](const std::string& option, const BashField& value) {
          std::string word = option.substr(option.find_first_not_of('-'));
          std::replace(word.begin(), word.end(), '-', '_');
          if (word == "num_processes") out_.processes = value;
          else if (word == "num_machines") out_.nodes = value;
          else if (word == "module" || word == "m") out_.module = true;
          else if (word == "no_python") no_python = true;
          else if (word == "max_restarts") out_.restarts = value;
          else if (word == "machine_rank" || word == "main_process_ip" || word == "main_process_port" || word == "same_network" ||
                   word == "multi_gpu" || word.starts_with("rdzv") || word == "role" || word == "tee" || word == "t" || word == "q" ||
                   word == "quiet" || word == "log_dir")
            return;  // fabric does so itself
          else {
            if (!value.known()) open += (open.empty() ? "--" : ", --") + word;
            words.push_back("--" + word);
            if (!value.parts.empty()) words.push_back(value.text());
          }
        });
    if (!open.empty()) {
      out_.remarks.push_back("of accelerate, what only the shell knows is not taken: " + open);
    } else {
      words.insert(words.end(), {"--num_processes", "2", "--num_machines", "1", "train.py"});
      try {
        AccelerateLine line = read_accelerate_line(words);
        for (const std::string& remark : line.remarks) out_.remarks.push_back(remark);
        out_.accelerate = std::move(line.job);
      } catch (const UsageError& error) {
        out_.remarks.push_back(std::string("of accelerate: ") + error.what());
      }
    }
    program_of(behind(fields, at), no_python);
  }

  const BashVariables& variables_;
  LaunchLine out_;
};

}  // namespace

int launch_likelihood(const BashCommand& command, const BashVariables& variables) {
  if (command.compound || command.words.empty()) return 0;
  const std::vector<BashField> fields = variables.expand(command.words);
  const auto name_at = [&](std::size_t i) { return i < fields.size() ? base_name(fields[i]) : ""; };
  std::size_t at = 0;
  for (std::size_t words = 1; words > 0; at += words) {
    const std::string word = name_at(at);
    words = word == "time" || word == "nohup" || word == "exec" || word == "env" ? 1 : words_of_timeout(fields, at);
  }
  const std::string name = name_at(at);
  const auto says = [&](std::string_view what) {
    return std::any_of(fields.begin(), fields.end(), [what](const BashField& f) { return f.text().find(what) != std::string::npos; });
  };
  if (name == "torchrun" || name == "deepspeed" || name == "composer" || (name == "accelerate" && name_at(at + 1) == "launch")) return 3;
  if (name == "srun" || name == "singularity" || name == "apptainer" || name == "conda" || is_shell(name)) {
    if (name == "conda" && name_at(at + 1) != "run") return 0;
    // A line of Python that prepares or looks at something.
    for (std::size_t i = at; i + 1 < fields.size(); ++i)
      if (is_python(base_name(fields[i])) && fields[i + 1].text() == "-c") return name == "srun" ? 1 : 0;
    for (const char* launcher : {"torchrun", "torch.distributed", "deepspeed", "accelerate", "composer", "python"})
      if (says(launcher)) return name == "srun" ? 3 : 2;
    const bool looks_around = std::any_of(fields.begin(), fields.end(), [](const BashField& f) {
      return f.text() == "hostname" || f.text() == "nvidia-smi" || f.text() == "env" || f.text() == "date";
    });
    return name == "srun" && fields.size() > at + 1 && !looks_around ? 1 : 0;
  }
  if (!is_python(name)) return 0;
  const std::string first = at + 1 < fields.size() ? fields[at + 1].text() : "";
  if (first.empty() || first == "-c" || first == "--version" || first == "-V") return 0;
  if (first == "-m") {
    const std::string module = at + 2 < fields.size() ? fields[at + 2].text() : "";
    if (module == "pip" || module == "venv" || module == "ipykernel") return 0;
  }
  return 2;
}

LaunchLine read_launch_line(const BashCommand& command, const BashVariables& variables) { return LaunchReader(variables).read(command); }

}  // namespace fabric
