#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "cli/commands/commands.hpp"
#include "cli/event_detail.hpp"
#include "cli/find_run.hpp"
#include "cli/follow_array.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/spoken.hpp"
#include "cli/start_timeline.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_standing.hpp"
#include "launch_backends/written_at.hpp"
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

constexpr std::size_t most_notes = 20;

struct RunState {
  std::vector<std::string> notes;  // of the last attempt, each once
  std::optional<Event> stalled;    // where none of those that it is about has said a word since
  std::map<std::int64_t, RankState> ranks;
  std::string checkpoint;
  std::int64_t steps = 0;
  std::vector<StartStage> start;
};

// Of an agent that does not answer its controller tells.
std::optional<std::int64_t> node_of_stall(const Event& stalled) { return stalled.node ? stalled.node : integer_in(stalled.detail, "node"); }

void take_event(const Event& event, RunState& run) {
  const Value& d = event.detail;
  if (event.kind == "run_started") {
    run.ranks.clear();
    run.notes.clear();
    run.stalled.reset();
  }
  if (const std::string message = text_in(d, "message"); event.kind == "note" && !message.empty() && run.notes.size() < most_notes &&
                                                         std::find(run.notes.begin(), run.notes.end(), message) == run.notes.end())
    run.notes.push_back(message);
  if (event.kind == "stalled") run.stalled = event;
  if (event.kind == "checkpoint")
    if (const std::string path = text_in(d, "path"); !path.empty()) run.checkpoint = path;
  if (!event.rank) return;
  if (run.stalled && node_of_stall(*run.stalled) == event.node && event.time > run.stalled->time) run.stalled.reset();
  RankState& rank = run.ranks[*event.rank];
  rank.node = event.node.value_or(rank.node);
  rank.heard = std::max(rank.heard, event.time);
  if (event.kind == "rank_started") rank.pid = integer_in(d, "pid").value_or(0);
  if (event.kind == "start") run.steps = integer_in(d, "steps").value_or(run.steps);
  if (const auto step = integer_in(d, "step"); step && (event.kind == "step" || event.kind == "first_step")) rank.step = step;
  if (const auto loss = real_in(d, "loss"); loss && event.kind == "step") rank.loss = loss;
  if (event.kind == "rank_exited") {
    const auto signal = integer_in(d, "signal");
    rank.state = signal ? "killed by " + signal_name(static_cast<int>(*signal))
                        : "exited with " + std::to_string(integer_in(d, "exit_code").value_or(0));
    if (d.find("out_of_memory")) rank.state += ", out of memory";
    if (d.find("core")) rank.state += ", core dumped";
  }
}

RunState state_of(const RunDirectory& run) {
  RunState state;
  StartTimeline start(run);
  run.each_event([&](const std::string& kind, const Value& event) {
    start.take(kind, event);
    try {
      take_event(from_value<Event>(event), state);
    } catch (const BindingError&) {}
  });
  state.start = start.stages();
  for (auto& [number, rank] : state.ranks)
    rank.heard = std::max(rank.heard, written_at(run.rank_file(rank.node, number, ".log")).value_or(0));
  // An agent that does not answer is not the better for what its ranks print.
  const bool of_ranks = state.stalled && state.stalled->detail.find("suspect");
  for (const auto& [number, rank] : state.ranks)
    if (of_ranks && state.stalled && node_of_stall(*state.stalled) == rank.node && rank.heard > state.stalled->time) state.stalled.reset();
  return state;
}

Value document_of(const RunSummary& summary, const RunState& state) {
  Value document = document_of(summary);
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
  document.set("notes", Value::Array(state.notes.begin(), state.notes.end()));
  document.set("stalled", state.stalled ? state.stalled->detail : Value());
  document.set("start", start_value(state.start));
  return document;
}

int run_status(const Invocation& invocation) {
  const Terminal& out = invocation.console.out;
  const RunDirectory run = find_run(invocation.arguments);
  const std::optional<ArraySummary> array = array_summary_of(run);
  const RunSummary summary = array ? array->whole : summary_of(run);
  const RunStatus& status = summary.status;
  RunState state = state_of(run);
  const bool over = status.ended.has_value() || status.state == "lost";
  for (auto& [number, rank] : state.ranks)
    if (over && rank.state == "running") rank.state = "gone";
  if (over) state.stalled.reset();
  if (invocation.arguments.value("format") == "json") {
    out.write(pretty_json(array ? array_value(*array) : document_of(summary, state)) + '\n');
    return exit_with(ExitCode::success);
  }
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](std::string_view what, std::string text) { rows.push_back({out.paint(Style::faint, what), std::move(text)}); };
  row("state", sanitised(in_words(status)));
  if (status.culprit) row("died first", "rank " + std::to_string(*status.culprit));
  if (status.log) row("its log", sanitised(shown_path(run.path() + '/' + *status.log)));
  if (status.exit_code) row("exit code", std::to_string(*status.exit_code));
  if (status.node_rank) row("part", "node " + std::to_string(*status.node_rank) + " alone; the others are started by hand too");
  row("attempt", std::to_string(status.attempt));
  if (status.started > 0)
    row(over                       ? "took"
        : status.state == "queued" ? "waiting for"
                                   : "running for",
        spoken_duration(status.ended.value_or(now_seconds()) - status.started));
  if (const std::string& host = summary.standing.host; !host.empty() && !over)
    row("controller", "on " + sanitised(host) +
                          (!summary.standing.answered ? "; what is shown is of some time ago: " + sanitised(summary.standing.detail)
                                                      : ", process " + std::to_string(status.controller_pid)));
  else if (!summary.standing.detail.empty()) row("job", sanitised(summary.standing.detail));
  else if (!over && status.controller_pid > 0) {
    const RunDirectory::Holder holder = run.holder();
    row("controller",
        "process " + std::to_string(status.controller_pid) + (holder.is_elsewhere() ? " on " + sanitised(holder.host()) : ""));
  }
  if (state.stalled) row("stalled", sanitised(text_in(state.stalled->detail, "message")));
  for (const std::string& note : state.notes) row("note", sanitised(note));
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
  if (array) text += '\n' + array_table(*array, out);
  if (const std::string start = start_table(state.start, out); !start.empty()) text += '\n' + start;
  out.write(text);
  return exit_with(ExitCode::success);
}

}  // namespace

const Command status_command{
    .name = "status",
    .summary = "say where a run stands, rank by rank",
    .about =
        "Shows the state of a run, and of each rank its process, its step, and for how long it has been silent. Reads the run's folder only, so it works beside a living run and after its end; where the controller is on another host, that is asked first.",
    .operand = Operand{"RUN", "NAME, NAME/ID, or the folder of a run"},
    .options = status_options,
    .examples = status_examples,
    .run = run_status,
};

}  // namespace fabric
