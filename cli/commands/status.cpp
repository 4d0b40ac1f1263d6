#include <sys/stat.h>

#include <map>

#include <fmt/core.h>

#include "cli/commands/commands.hpp"
#include "cli/find_run.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/run_view.hpp"
#include "launch_backends/process.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Option status_options[] = {runs_option, format_option};

constexpr Example status_examples[] = {
    {"fabric status train", "where the last run of that name stands, rank by rank"},
};

struct RankState {
  std::int64_t node = 0;
  std::int64_t pid = 0;
  std::string state = "running";
  std::optional<std::int64_t> step;
  std::optional<double> loss;
  double heard = 0;  // seconds since the epoch: the last byte or event
};

struct RunState {
  std::map<std::int64_t, RankState> ranks;
  std::string checkpoint;
  std::int64_t steps = 0;
};

double written_at(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && status.st_size > 0
             ? static_cast<double>(status.st_mtim.tv_sec) + static_cast<double>(status.st_mtim.tv_nsec) / 1e9
             : 0;
}

std::optional<std::int64_t> integer_in(const Value& detail, const char* name) {
  const Value* v = detail.find(name);
  return v && v->is_integer() ? std::optional(v->as_integer()) : std::nullopt;
}

void take_event(const Event& event, RunState& run) {
  const Value& d = event.detail;
  if (event.kind == "run_started") run.ranks.clear();
  if (event.kind == "checkpoint")
    if (const Value* path = d.find("path"); path && path->is_string()) run.checkpoint = path->as_string();
  if (!event.rank) return;
  RankState& rank = run.ranks[*event.rank];
  rank.node = event.node.value_or(rank.node);
  rank.heard = std::max(rank.heard, event.time);
  if (event.kind == "rank_started") rank.pid = integer_in(d, "pid").value_or(0);
  if (event.kind == "start") run.steps = integer_in(d, "steps").value_or(run.steps);
  if (const auto step = integer_in(d, "step"); step && (event.kind == "step" || event.kind == "first_step")) rank.step = step;
  if (const Value* loss = d.find("loss"); loss && loss->is_number() && event.kind == "step") rank.loss = loss->as_real();
  if (event.kind == "rank_exited") {
    const auto signal = integer_in(d, "signal");
    rank.state = signal ? "killed by " + signal_name(static_cast<int>(*signal))
                        : "exited with " + std::to_string(integer_in(d, "exit_code").value_or(0));
  }
}

RunState state_of(const RunDirectory& run) {
  RunState state;
  run.each_event([&state](const std::string&, const Value& event) {
    try {
      take_event(from_value<Event>(event), state);
    } catch (const BindingError&) {}
  });
  for (auto& [number, rank] : state.ranks)
    rank.heard =
        std::max(rank.heard, written_at(run.path() + "/nodes/" + std::to_string(rank.node) + "/rank-" + std::to_string(number) + ".log"));
  return state;
}

Value document_of(const RunSummary& summary, const RunState& state) {
  Value document = to_value(summary.status);
  document.set("id", summary.id);
  document.set("path", summary.path);
  document.set("checkpoint", state.checkpoint.empty() ? Value() : Value(state.checkpoint));
  Value ranks = Value::array();
  for (const auto& [number, rank] : state.ranks) {
    Value row = Value::object();
    row.set("rank", number);
    row.set("node", rank.node);
    row.set("pid", rank.pid);
    row.set("state", rank.state);
    row.set("step", rank.step ? Value(*rank.step) : Value());
    row.set("loss", rank.loss ? Value(*rank.loss) : Value());
    row.set("heard", rank.heard);
    ranks.as_array().push_back(std::move(row));
  }
  document.set("ranks", std::move(ranks));
  return document;
}

int run_status(const Invocation& invocation) {
  const Terminal& out = invocation.console.out;
  const RunDirectory run = find_run(invocation.arguments);
  const RunSummary summary = summary_of(run);
  const RunStatus& status = summary.status;
  RunState state = state_of(run);
  const bool over = status.ended.has_value() || status.state == "lost";
  for (auto& [number, rank] : state.ranks)
    if (over && rank.state == "running") rank.state = "gone";
  if (invocation.arguments.value("format") == "json") {
    out.write(pretty_json(document_of(summary, state)) + '\n');
    return exit_with(ExitCode::success);
  }
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](std::string_view what, std::string text) { rows.push_back({out.paint(Style::faint, what), std::move(text)}); };
  row("state", sanitised(status.state) + (status.message.empty() ? "" : ": " + sanitised(status.message)));
  if (status.exit_code) row("exit code", std::to_string(*status.exit_code));
  row("attempt", std::to_string(status.attempt));
  if (status.started > 0) row(over ? "took" : "running for", spoken_duration(status.ended.value_or(now_seconds()) - status.started));
  if (!over) row("controller", "process " + std::to_string(status.controller_pid));
  if (!state.checkpoint.empty()) row("checkpoint", sanitised(shown_path(state.checkpoint)));
  row("folder", sanitised(shown_path(run.path())));
  std::string text = out.paint(Style::strong, sanitised(summary.id)) + "\n\n" + table(rows, 2, out.width);
  if (!state.ranks.empty()) {
    std::vector<std::vector<std::string>> ranks = {{}};
    for (const char* heading : {"rank", "node", "pid", "state", "step", "loss", over ? "" : "silent for"})
      ranks[0].push_back(out.paint(Style::faint, heading));
    for (const auto& [number, rank] : state.ranks) {
      std::string step = rank.step ? grouped(static_cast<double>(*rank.step)) : "";
      if (rank.step && state.steps > 0) step += " of " + grouped(static_cast<double>(state.steps));
      const bool runs = rank.state == "running" && !over;
      ranks.push_back({std::to_string(number), std::to_string(rank.node), std::to_string(rank.pid), rank.state, step,
                       rank.loss ? fmt::format("{:.4f}", *rank.loss) : "",
                       runs ? spoken_duration(std::max(0.0, now_seconds() - rank.heard)) : ""});
    }
    text += '\n' + table(ranks, 2, out.width);
  }
  out.write(text);
  return exit_with(ExitCode::success);
}

}  // namespace

const Command status_command{
    .name = "status",
    .summary = "say where a run stands, rank by rank",
    .about =
        "Shows the state of a run, and of each rank its process, its step, and for how long it has been silent. Reads the run's folder only, so it works beside a living run and after its end.",
    .operand = Operand{"RUN", "NAME, NAME/ID, or the folder of a run"},
    .options = status_options,
    .examples = status_examples,
    .run = run_status,
};

}  // namespace fabric
