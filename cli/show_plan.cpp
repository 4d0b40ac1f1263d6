#include "cli/show_plan.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/core.h>

#include "cli/outside.hpp"
#include "compiler/choose_hosts.hpp"
#include "schema/joined.hpp"
#include "schema/json.hpp"
#include "schema/number_list.hpp"

namespace fabric {
namespace {

std::string plural(std::int64_t n, std::string_view what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

std::string range(std::int64_t first, std::int64_t count) {
  return count == 1 ? std::to_string(first) : fmt::format("{}-{}", first, first + count - 1);
}

std::string shown_value(const Value& value) {
  if (value.is_null()) return "at start";
  // Devices: a count of them, as a job writes it.
  if (const Value* count = value.is_object() ? value.find("count") : nullptr) return canonical_json(*count);
  return sanitised(value.is_string() ? value.as_string() : canonical_json(value));
}

std::string number(double x) { return canonical_json(Value(x)); }

// cnn (width 32) on /data/fashion-mnist
std::vector<std::pair<std::string, std::string>> training(const Train<Resolved>& train) {
  std::string schedule = fmt::format("lr {}", number(train.optimizer.lr));
  if (train.schedule.name != ScheduleName::constant)
    schedule += fmt::format(", falling {}", train.schedule.name == ScheduleName::cosine ? "by a cosine" : "linearly");
  if (train.schedule.warmup_steps) schedule += fmt::format(", after {} of warm-up", plural(train.schedule.warmup_steps, "step"));
  const std::string length = train.epochs ? plural(*train.epochs, "epoch") : plural(train.steps.value_or(0), "step");
  std::string batch = fmt::format("{} of batches of {}", length, train.batch_size);
  batch += fmt::format(" ({} a rank{})", train.micro_batch_size,
                       train.accumulation > 1 ? fmt::format(" x {} accumulated", train.accumulation) : "");
  return {{"Task", fmt::format("{}, {} of width {}", name_of(train.task), name_of(train.model.name), train.model.width)},
          {"Data", sanitised(shown_path(train.data.path))},
          {"Optimizer", fmt::format("{}, {}", name_of(train.optimizer.name), schedule)},
          {"Length", batch}};
}

// train.py, Python 3.11.2, commit 0123456789ab with changes; contract torchrun
std::string program(const Program& program, const Code& code) {
  std::string text = program.script ? shown_path(*program.script) : program.module ? "module " + *program.module : program.command->front();
  if (code.python_version) text += ", " + *code.python_version;
  if (code.git_commit) {
    text += ", commit " + code.git_commit->substr(0, 12);
    if (code.git_commit->ends_with("-dirty")) text += " with changes";
  }
  return text + "; contract " + std::string(name_of(program.contract));
}

std::string resources(const Plan& plan) {
  const ResolvedJob& job = plan.job;
  std::string text = fmt::format("{} on {}, {} {} each", plural(plan.world_size, "rank"), plural(job.num_nodes, "node"),
                                 job.accelerator == Accelerator::cuda ? "one GPU," : "", plural(job.threads, "thread"));
  if (const std::size_t at = text.find("  "); at != std::string::npos) text.erase(at, 1);
  // A program decides these for itself.
  if (!job.train) return text;
  text += fmt::format("; {}, {}", name_of(job.strategy), name_of(job.precision));
  if (plan.world_size > 1) text += fmt::format(", {}", name_of(job.process_group.backend));
  return text;
}

std::string devices_of(const NodeGroup& group) {
  const std::string_view kind = name_of(group.accelerator);
  if (group.device_ids.empty()) return fmt::format("{} x {}", group.ranks_per_node, kind);
  std::vector<std::string> ids;
  for (const std::int64_t id : group.device_ids) ids.push_back(std::to_string(id));
  return fmt::format("{} {}", kind, joined(ids, ","));
}

// ranks 0-1 on 0-15; ranks 2-3 on 16-31
std::string bound_cpus(const NodeGroup& group) {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> sets;
  for (const RankCpus& row : group.cpus) {
    const auto same = std::find_if(sets.begin(), sets.end(), [&row](const auto& set) { return set.first == row.cpus; });
    if (same == sets.end()) sets.push_back({row.cpus, {row.of}});
    else same->second.push_back(row.of);
  }
  const std::string_view noun = group.accelerator == Accelerator::cuda ? "GPU" : group.nodes == 1 ? "rank" : "local rank";
  std::vector<std::string> words;
  for (const auto& [cpus, who] : sets)
    words.push_back(fmt::format("{}{} {} on {}", noun, who.size() == 1 ? "" : "s", number_list_text(who), cpus));
  return joined(words, "; ");
}

// What the job says of failures and of time; empty if it leaves that as it is.
std::string supervision(const ResolvedJob& job) {
  std::vector<std::string> words;
  if (job.restart.max > 0) {
    words.push_back("started again after a failure, " +
                    (job.restart.max == 1 ? std::string("once") : fmt::format("{} times at most", job.restart.max)));
    if (!job.restart.on.empty()) words.back() += fmt::format(", by {}", plural(static_cast<std::int64_t>(job.restart.on.size()), "rule"));
  }
  if (job.stall) words.push_back("a stall is told after " + job.stall->str());
  if (job.time_limit) words.push_back("stopped after " + job.time_limit->str());
  return joined(words, "; ");
}

std::string title(const Plan& plan, const Terminal& terminal) {
  return terminal.paint(Style::strong, sanitised(plan.name)) + "  " + terminal.paint(Style::faint, "plan " + plan_id(plan).substr(0, 12)) +
         "\n\n";
}

using Rows = std::vector<std::vector<std::string>>;

Rows facts(const Plan& plan, const Terminal& terminal, const std::string& where) {
  Rows rows;
  const auto row = [&](std::string_view what, std::string text) { rows.push_back({terminal.paint(Style::faint, what), std::move(text)}); };
  row("Job", plan.request.text ? (plan.request.job.ends_with("/stdin.yaml") ? "from standard input" : "from the command line")
                               : sanitised(shown_path(plan.request.job)));
  if (!plan.request.profiles.empty()) row("Profile", sanitised(joined(plan.request.profiles, ", ")));
  for (const std::string& set : plan.request.sets) row("Set", sanitised(set));
  row("Where", sanitised(where));
  if (plan.job.ssh && plan.job.ssh->controller == SshController::first_host)
    row("Conducted", "on " + sanitised(plan.groups.front().hosts.front()) + ", by a process there");
  row("Ranks", resources(plan));
  for (const NodeGroup& group : plan.groups)
    if (!group.cpus.empty()) row("CPUs", bound_cpus(group));
  if (plan.job.train)
    for (auto& [what, text] : training(*plan.job.train)) row(what, std::move(text));
  if (plan.job.program) row("Program", sanitised(program(*plan.job.program, plan.code)));
  if (const std::string watched = supervision(plan.job); !watched.empty()) row("Watched", watched);
  if (plan.job.program && plan.job.checkpoint.path)
    row("Resumes", "from the newest of " + sanitised(shown_path(*plan.job.checkpoint.path)));
  if (plan.job.code.sync)
    row("Code", "a copy of " + sanitised(*plan.job.code.sync) + (plan.job.ssh ? ", brought to hosts with a disk of their own" : ""));
  return rows;
}

// hardware_file: describes the machines, and nobody was asked.
std::string machines_of(const Plan& plan, const std::optional<std::string>& hardware_file, bool submitted = true) {
  if (plan.job.ssh) {
    std::vector<std::string> names;
    for (const NodeGroup& group : plan.groups) names.insert(names.end(), group.hosts.begin(), group.hosts.end());
    return (names.size() == 1 ? "over ssh on " : plural(plan.job.num_nodes, "host") + " over ssh: ") + names_in_words(names) +
           (hardware_file ? ", as " + std::filesystem::path(*hardware_file).filename().string() + " describes" : "");
  }
  if (!plan.job.slurm) return hardware_file ? "the machine that " + *hardware_file + " describes" : "this machine";
  const Slurm& slurm = *plan.job.slurm;
  std::string where = plan.job.num_nodes == 1 ? "1 node" : std::to_string(plan.job.num_nodes) + " nodes";
  if (!submitted) return where + " of an allocation of SLURM";
  where += " of SLURM, " + (slurm.partition ? "partition " + *slurm.partition : std::string("its default partition"));
  if (hardware_file) where += ", as " + std::filesystem::path(*hardware_file).filename().string() + " describes";
  return where + "; `--render slurm` shows the batch script";
}

// The part of several nodes that is started here. Their plans can be compared, since they are one.
std::string place_of(const Plan& plan, std::string where, std::optional<std::int64_t> node_rank) {
  if (!node_rank || plan.job.num_nodes == 1) return where;
  for (const NodeGroup& group : plan.groups) {
    const std::int64_t index = *node_rank - group.first_node;
    if (index < 0 || index >= group.nodes) continue;
    where +=
        fmt::format(", as node {} of nodes {}: rank{} {}; the plan is the same on each", *node_rank, range(0, plan.job.num_nodes),
                    group.ranks_per_node == 1 ? "" : "s", range(group.first_rank + index * group.ranks_per_node, group.ranks_per_node));
  }
  return where;
}

std::string section(std::string_view name, const Terminal& terminal) { return '\n' + terminal.paint(Style::strong, name) + '\n'; }

std::string shell_word(const std::string& word) {
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + '\'';
}

// A text with what is known of one rank put in.
std::string bound(const Text& text, std::int64_t rank, std::int64_t local_rank, std::int64_t node) {
  const Binding* binding = std::get_if<Binding>(&text.base);
  if (binding) {
    switch (*binding) {
      case Binding::rank: return std::to_string(rank) + text.then;
      case Binding::local_rank: return std::to_string(local_rank) + text.then;
      case Binding::node_rank: return std::to_string(node) + text.then;
      default: break;
    }
  }
  return text.str();
}

std::string command_of(const RankTemplate& rank) {
  std::vector<std::string> words;
  for (const Text& argument : rank.argv) words.push_back(argument.is_literal() ? shell_word(argument.str()) : argument.str());
  return joined(words, " ");
}

}  // namespace

std::string shell_line(const std::vector<std::string>& arguments) {
  std::vector<std::string> words;
  for (const std::string& a : arguments) words.push_back(shell_word(a));
  return joined(words, " ");
}

std::string show_plan_briefly(const Plan& plan, const Terminal& terminal, const std::string& run, std::optional<std::int64_t> node_rank,
                              bool submitted) {
  Rows rows = facts(plan, terminal, place_of(plan, machines_of(plan, std::nullopt, submitted), node_rank));
  if (!run.empty()) rows.push_back({terminal.paint(Style::faint, "Run"), sanitised(shown_path(run))});
  return title(plan, terminal) + table(rows, 2, terminal.width);
}

std::string show_plan(const Plan& plan, const std::optional<std::string>& hardware_file, const Terminal& terminal,
                      std::optional<std::int64_t> node_rank) {
  const std::string where = place_of(plan, machines_of(plan, hardware_file), node_rank);
  std::string text = title(plan, terminal) + table(facts(plan, terminal, where), 2, terminal.width);

  Rows nodes = {{terminal.paint(Style::faint, "node"), terminal.paint(Style::faint, "ranks"), terminal.paint(Style::faint, "devices"),
                 terminal.paint(Style::faint, "threads a rank"), terminal.paint(Style::faint, "starts")}};
  const bool named = !plan.groups.front().hosts.empty();
  if (named) nodes.front().insert(nodes.front().begin() + 1, terminal.paint(Style::faint, plan.job.num_nodes == 1 ? "host" : "hosts"));
  for (const NodeGroup& group : plan.groups) {
    nodes.push_back({range(group.first_node, group.nodes), range(group.first_rank, group.nodes * group.ranks_per_node), devices_of(group),
                     std::to_string(plan.job.threads), sanitised(command_of(group.rank))});
    if (named) nodes.back().insert(nodes.back().begin() + 1, sanitised(names_in_words(group.hosts)));
  }
  text += section("Nodes", terminal) + table(nodes, 2, terminal.width);

  if (!plan.decisions.empty()) {
    Rows decisions;
    for (const Decision& d : plan.decisions)
      decisions.push_back({d.field, terminal.paint(Style::accent, shown_value(d.value)), sanitised(d.because)});
    text += section("Decided for you", terminal) + table(decisions, 2, terminal.width);
  }

  Rows outputs;
  for (const Output& o : plan.outputs) outputs.push_back({sanitised(o.path), sanitised(o.what)});
  text += section("Writes, below runs/" + sanitised(plan.name) + "/TIME-ID", terminal) + table(outputs, 2, terminal.width);

  if (hardware_file && !plan.questions.empty()) {
    Rows open;
    for (const Question& q : plan.questions) open.push_back({sanitised(q.field), sanitised(q.subject)});
    text += section("Not looked at, since the hardware comes from a file", terminal) + table(open, 2, terminal.width);
  }
  return text;
}

std::string show_missing_promises(const std::vector<std::string>& promises, const Terminal& terminal) {
  if (promises.empty()) return "";
  Rows rows;
  for (const std::string& promise : promises) rows.push_back({"-", sanitised(promise)});
  return section("Cannot be promised in this shape", terminal) + table(rows, 2, terminal.width);
}

std::string show_ranks(const Plan& plan, const Terminal& terminal) {
  std::string text;
  for (const NodeGroup& group : plan.groups) {
    for (std::int64_t i = 0; i < group.nodes * group.ranks_per_node; ++i) {
      const std::int64_t rank = group.first_rank + i;
      const std::int64_t node = group.first_node + i / group.ranks_per_node;
      const std::int64_t local = i % group.ranks_per_node;
      text += section(fmt::format("Rank {}", rank), terminal);
      std::string device = name_of(group.accelerator) == "cuda" ? "cuda, bound at start" : "cpu";
      if (!group.device_ids.empty()) device = fmt::format("cuda {}", group.device_ids[static_cast<std::size_t>(local)]);
      std::vector<std::string> argv;
      for (const Text& a : group.rank.argv) argv.push_back(a.is_literal() ? shell_word(a.str()) : bound(a, rank, local, node));
      Rows rows;
      const auto row = [&](std::string_view what, const std::string& value) {
        rows.push_back({terminal.paint(Style::faint, what), sanitised(value)});
      };
      row("node", fmt::format("{}, local rank {}", node, local));
      row("device", device);
      const bool open = group.accelerator == Accelerator::cuda && group.device_ids.empty();
      const std::int64_t of = group.accelerator == Accelerator::cuda && !open ? group.device_ids[static_cast<std::size_t>(local)] : local;
      const auto cpus = std::find_if(group.cpus.begin(), group.cpus.end(), [of](const RankCpus& r) { return r.of == of; });
      if (open && !group.cpus.empty()) row("CPUs", "those of its device");
      else if (cpus != group.cpus.end()) row("CPUs", cpus->cpus);
      row("starts", joined(argv, " "));
      row("in", bound(group.rank.cwd, rank, local, node));
      text += table(rows, 2, terminal.width);
      Rows variables;
      for (const auto& [name, value] : group.rank.env) variables.push_back({sanitised(name), sanitised(bound(value, rank, local, node))});
      for (const auto& [name, value] : group.rank.defaults)
        if (!group.rank.env.contains(name))
          variables.push_back({sanitised(name), sanitised(bound(value, rank, local, node)) + ", unless the environment has it"});
      text += table(variables, 4, terminal.width);
    }
    text += section("Removed from what ranks inherit", terminal);
    for (const std::string& line : wrapped(joined(group.rank.scrub, " "), terminal.width > 24 ? terminal.width - 4 : 20))
      text += "  " + line + '\n';
  }
  return text;
}

}  // namespace fabric
