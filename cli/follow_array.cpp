#include "cli/follow_array.hpp"

#include <poll.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <stdexcept>

#include <fmt/core.h>

#include "cli/outside.hpp"
#include "cli/run_end.hpp"
#include "cli/spoken.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_record.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;

constexpr auto look_every = 1s;
constexpr auto look_seldom = 10s;  // while nothing happens

volatile std::sig_atomic_t array_interrupts = 0, array_signal = SIGINT;

void take_array_signal(int signal) {
  array_signal = signal;
  array_interrupts = array_interrupts + 1;
}

std::string name_of_task(const RunSummary& run) { return std::filesystem::path(run.path).filename().string(); }

Style style_of_state(const std::string& state) {
  if (state == "finished") return Style::good;
  return state == "failed" || state == "lost" || state == "refused" ? Style::error : Style::warning;
}

// [3] running; or how it ended.
std::string line_of(const ArrayTask& task, const Terminal& out) {
  const RunStatus& status = task.run->status;
  std::string line =
      out.paint(Style::faint, fmt::format("[{}]", task.index)) + ' ' + out.paint(style_of_state(status.state), sanitised(status.state));
  if (status.ended && status.started > 0) line += " after " + spoken_duration(*status.ended - status.started);
  if (!status.message.empty()) line += ": " + sanitised(status.message);
  return line + '\n';
}

}  // namespace

std::optional<ArraySummary> follow_array(const RunDirectory& run, const Terminal& out, bool stops) {
  array_interrupts = 0;
  std::signal(SIGINT, take_array_signal);
  if (stops) std::signal(SIGTERM, take_array_signal);
  std::map<std::int64_t, std::string> told;  // the state of each
  std::string told_detail;
  int passed_on = 0;
  bool delivered = false;  // the first of them
  auto pause = std::chrono::milliseconds(look_every);
  for (;;) {
    std::optional<ArraySummary> summary = array_summary_of(run);
    if (!summary) return std::nullopt;
    bool news = false;
    for (const ArrayTask& task : summary->tasks) {
      if (!task.run) continue;
      const bool over = !task.run->standing.goes_on;
      // Not each word on the way: that it runs, that it waits again, and its end.
      const std::string state = over ? task.run->status.state : task.run->standing.in_queue ? "queued" : "running";
      std::string& before = told[task.index];
      if (state == before) continue;
      before = state;
      news = true;
      out.write(over || state == "queued" ? line_of(task, out) : out.paint(Style::faint, fmt::format("[{}]", task.index)) + " running\n");
    }
    if (!summary->whole.standing.goes_on) return summary;
    const std::string& detail = summary->whole.standing.detail;
    if ((summary->whole.standing.in_queue || !summary->whole.standing.answered) && detail != told_detail)
      out.write(out.paint(Style::warning, "note") + ": " + sanitised(told_detail = detail) + '\n');
    pause = news ? std::chrono::milliseconds(look_every) : std::min<std::chrono::milliseconds>(pause + 500ms, look_seldom);
    for (auto waited = 0ms; waited < pause && array_interrupts == passed_on; waited += 100ms) poll(nullptr, 0, 100);
    if (array_interrupts == passed_on) continue;
    if (!stops) return std::nullopt;
    out.write(
        out.paint(Style::warning, "stopping") +
        std::string(passed_on == 0 ? ": what waits is taken from the queue, ranks save and leave, press Ctrl-C again to kill\n" : "\n"));
    try {
      delivered |= stop_run(run, array_signal, delivered);
    } catch (const std::runtime_error& error) {
      out.write(out.paint(Style::warning, "note") + ": the runs could not be told to stop, and go on: " + sanitised(error.what()) + '\n');
    }
    passed_on = array_interrupts;
    pause = look_every;
  }
}

void tell_end_of_array(const RunDirectory& run, const ArraySummary& summary, const Console& console) {
  const RunStatus& status = summary.whole.status;
  std::size_t finished = 0;
  for (const ArrayTask& task : summary.tasks) finished += task.run && task.run->status.state == "finished";
  console.out.write(fmt::format("\n{} of {} finished\n\n", finished, summary.tasks.size()) +
                    table({{console.out.paint(Style::faint, "runs"), sanitised(shown_path(run.path())) + "_N"}}, 2, console.out.width));
  if (status.state == "finished") return;
  for (const ArrayTask& task : summary.tasks) {
    if (!task.run || status.message.find(name_of_task(*task.run) + ':') != 0) continue;
    const RunDirectory own = RunDirectory::open(task.run->path);
    console.err.write(failure(own, outcome_of(own, task.run->status), console.err));
    return;
  }
  console.err.write(console.err.paint(Style::error, "error") + ": " + sanitised(status.message) + '\n');
}

std::string array_table(const ArraySummary& summary, const Terminal& out) {
  std::vector<std::vector<std::string>> rows = {{}};
  for (const char* heading : {"task", "state", "attempt", "took", "exit", ""}) rows[0].push_back(out.paint(Style::faint, heading));
  for (std::size_t i = 0; i < summary.tasks.size(); ++i) {
    const ArrayTask& task = summary.tasks[i];
    if (!task.run) {
      // Of thousands mostly all wait.
      while (i + 1 < summary.tasks.size() && !summary.tasks[i + 1].run) ++i;
      const std::int64_t last = summary.tasks[i].index;
      rows.push_back(
          {std::to_string(task.index) + (last > task.index ? '-' + std::to_string(last) : std::string()), "not begun", "", "", "", ""});
      continue;
    }
    const RunStatus& status = task.run->status;
    const double took = status.ended.value_or(now_seconds()) - status.started;
    rows.push_back({std::to_string(task.index), out.paint(style_of_state(status.state), sanitised(status.state)),
                    std::to_string(status.attempt), status.started > 0 ? spoken_duration(took) : "",
                    status.exit_code ? std::to_string(*status.exit_code) : "",
                    sanitised(status.message.empty() ? task.run->standing.detail : status.message)});
  }
  return table(rows, 2, out.width);
}

Value array_value(const ArraySummary& summary) {
  Value document = document_of(summary.whole);
  Value tasks = Value::array();
  for (const ArrayTask& task : summary.tasks) {
    Value row = task.run ? document_of(*task.run) : Value::object();
    row.set("index", task.index);
    if (!task.run) row.set("state", "not begun");
    tasks.as_array().push_back(std::move(row));
  }
  document.set("tasks", std::move(tasks));
  return document;
}

}  // namespace fabric
