#include "cli/carry_out.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "cli/choose_gpus.hpp"
#include "cli/outside.hpp"
#include "cli/render_diagnostics.hpp"
#include "cli/run_view.hpp"
#include "cli/show_plan.hpp"
#include "launch_backends/descriptor.hpp"
#include "launch_backends/probes/nvidia.hpp"
#include "launch_backends/process.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

bool wants_json(const Invocation& invocation) { return invocation.arguments.value("format") == "json"; }

std::string metrics_of(const RunDirectory& run) {
  const std::filesystem::path file = std::filesystem::path(run.path()) / "metrics.csv";
  std::error_code error;
  return std::filesystem::exists(file, error) ? file.string() : "";
}

template <class T>
Value optional_value(const std::optional<T>& x) {
  return x ? Value(*x) : Value();
}

Value summary_value(const Plan& plan, const RunDirectory& run, const RunStart& start, const Outcome& outcome, const RunView& view) {
  Value v = Value::object();
  v.set("verdict", outcome.verdict);
  v.set("exit_code", outcome.exit_code);
  v.set("message", outcome.message.empty() ? Value() : Value(outcome.message));
  v.set("name", plan.name);
  v.set("plan_id", plan_id(plan));
  v.set("run", run.path());
  v.set("attempt", view.attempt().value_or(start.attempt));
  v.set("resumed_from", optional_value(view.attempt() ? view.resume_path() : start.resume_path));
  v.set("seconds", view.seconds());
  v.set("first_step_seconds", optional_value(view.first_step_seconds()));
  v.set("last_step", optional_value(view.last_step()));
  Value epochs = Value::array();
  for (const RunView::Epoch& e : view.epochs()) {
    Value row = Value::object();
    row.set("epoch", e.epoch);
    row.set("train_loss", optional_value(e.train_loss));
    row.set("test_loss", optional_value(e.test_loss));
    row.set("accuracy", optional_value(e.accuracy));
    row.set("samples_per_s", optional_value(e.samples_per_s));
    epochs.as_array().push_back(std::move(row));
  }
  v.set("epochs", std::move(epochs));
  v.set("checkpoint", optional_value(view.checkpoint()));
  const std::string metrics = metrics_of(run);
  v.set("metrics", metrics.empty() ? Value() : Value(metrics));
  v.set("culprit", optional_value(outcome.culprit));
  Value lines = Value::array();
  for (const std::string& line : outcome.last_lines) lines.as_array().push_back(line);
  v.set("last_lines", std::move(lines));
  v.set("log", outcome.log.empty() ? Value() : Value(outcome.log));
  return v;
}

std::string closing(const RunDirectory& run, const Outcome& outcome, const RunView& view, const Terminal& out) {
  std::string text;
  if (const std::string epochs = view.epochs_table(out); !epochs.empty()) text += '\n' + epochs;
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](std::string_view what, std::string value) { rows.push_back({out.paint(Style::faint, what), std::move(value)}); };
  if (view.checkpoint()) row("checkpoint", sanitised(shown_path(*view.checkpoint())));
  if (const std::string metrics = metrics_of(run); !metrics.empty()) row("metrics", sanitised(shown_path(metrics)));
  row("run", sanitised(shown_path(run.path())));
  std::string time = spoken_duration(view.seconds());
  if (view.first_step_seconds()) time += fmt::format(", the first step after {}", spoken_duration(*view.first_step_seconds()));
  row("time", std::move(time));
  text += '\n' + table(rows, 2, out.width);
  if (outcome.verdict == "finished") text += '\n' + out.paint(Style::good, "finished") + '\n';
  return text;
}

// What died first, what it said last, and how to go on.
std::string failure(const RunDirectory& run, const Outcome& outcome, const Terminal& err) {
  const bool stopped = outcome.verdict == "stopped";
  std::string message = outcome.message.empty() ? outcome.verdict : outcome.message;
  if (message.starts_with(outcome.verdict + ' ')) message.erase(0, outcome.verdict.size() + 1);  // the word stands in front already
  std::string text = stopped ? err.paint(Style::warning, "stopped") : err.paint(Style::error, "error");
  text += err.paint(Style::strong, (stopped ? " " : ": ") + sanitised(message)) + '\n';
  const std::string bar = err.paint(Style::note, "   |");
  for (const std::string& line : outcome.last_lines)
    text += bar + ' ' + shortened(sanitised_output(line), err.width > 12 ? err.width - 6 : 6) + '\n';
  const auto remark = [&](std::string_view what, const std::string& value) {
    text += "   " + err.paint(Style::note, "=") + ' ' + std::string(what) + ": " + value + '\n';
  };
  if (!outcome.log.empty()) remark("log", sanitised(shown_path(outcome.log)));
  const std::string resume = sanitised(shell_line({"fabric", "resume", shown_path(run.path())}));
  std::vector<SkippedCheckpoint> damaged;
  if (run.newest_checkpoint(damaged)) remark("help", "go on from the newest checkpoint with `" + resume + "`");
  else if (stopped) remark("help", "start it once more in the same folder with `" + resume + "`");
  return text;
}

}  // namespace

namespace {

volatile std::sig_atomic_t interrupted_while_waiting = 0;

// The run is another process's now: says where it is, once its ranks run, or how it ended before.
int await_start(const Invocation& invocation, const RunDirectory& run, const RunStart& start, pid_t child) {
  RunStatus status;
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int number) { interrupted_while_waiting = number; });
  for (;;) {
    poll(nullptr, 0, 10);
    const bool gone = waitpid(child, nullptr, WNOHANG) == child;
    try {
      status = run.status();
    } catch (const std::exception&) {}  // not written yet
    // A rank may end before anybody has seen it run.
    if (gone || status.ended || status.attempt > start.attempt || status.state == "running" || status.state == "restarting") break;
    if (interrupted_while_waiting != 0) kill(child, std::exchange(interrupted_while_waiting, 0));
  }
  const std::string path = shown_path(run.path());
  // Nobody is left to write an end.
  const bool died = !status.ended && !run.is_alive();
  if (died) status.message = "its controller has ended without a word";
  const int exit_code = died ? exit_with(ExitCode::refused) : static_cast<int>(status.exit_code.value_or(0));
  if (wants_json(invocation)) {
    Value v = Value::object();
    v.set("id", run.id());
    v.set("run", run.path());
    v.set("controller_pid", std::int64_t{child});
    v.set("state", status.state);
    v.set("exit_code", status.exit_code ? Value(*status.exit_code) : Value());
    v.set("message", status.message.empty() ? Value() : Value(status.message));
    invocation.console.out.write(pretty_json(v) + '\n');
    return exit_code;
  }
  if (exit_code != 0) {
    invocation.console.err.write(invocation.console.err.paint(Style::error, "error") + ": " + sanitised(status.message) + "; see " +
                                 sanitised(path) + "/console.log\n");
    return exit_code;
  }
  const std::string id = invocation.arguments.has("runs") ? path : run.id();
  invocation.console.out.write("started " + sanitised(path) + "\n\n" +
                               table({{shell_line({"fabric", "status", id}), "where it stands"},
                                      {shell_line({"fabric", "logs", "-f", id}), "what its ranks print"},
                                      {shell_line({"fabric", "cancel", id}), "stop it in order"}},
                                     2, invocation.console.out.width));
  return exit_with(ExitCode::success);
}

}  // namespace

std::vector<std::int64_t> take_gpus(Planning& planning) {
  if (!uses_gpus(*planning.compilation.plan)) return {};
  Diagnostics& diagnostics = planning.compilation.diagnostics;
  return choose_gpus(*planning.compilation.plan, gpu_occupancy(ProbeRoot{}, diagnostics), diagnostics);
}

int refuse_to_run(const Invocation& invocation, const Compilation& compilation) {
  if (wants_json(invocation)) {
    Value v = Value::object();
    v.set("verdict", "refused");
    v.set("exit_code", exit_with(ExitCode::refused));
    v.set("diagnostics", *diagnostics_value(compilation.diagnostics, compilation.sources, compilation.origins).find("diagnostics"));
    invocation.console.out.write(pretty_json(v) + '\n');
  } else {
    report(invocation, compilation);
  }
  return exit_with(ExitCode::refused);
}

int refuse_to_run(const Invocation& invocation, std::string code, std::string message, std::string help) {
  Compilation nothing;
  Diagnostic d;
  d.code = std::move(code);
  d.message = std::move(message);
  d.help = std::move(help);
  nothing.diagnostics.add(std::move(d));
  return refuse_to_run(invocation, nothing);
}

int start_run(const Invocation& invocation, Planning& planning, const std::string& runs, bool detach) {
  if (runs.empty()) throw UsageError("`--runs` names no folder", "leave it out, and runs are kept in `runs` of the working directory");
  if (!planning.good()) return refuse_to_run(invocation, planning.compilation);
  RunStart start;
  start.device_ids = take_gpus(planning);
  if (planning.compilation.diagnostics.has_errors()) return refuse_to_run(invocation, planning.compilation);
  const Plan& plan = *planning.compilation.plan;
  const RunDirectory run = RunDirectory::create(runs, plan.name, plan);
  if (!detach) return carry_out(invocation, planning, run, start);

  const pid_t child = fork_process();
  if (child > 0) return await_start(invocation, run, start, child);
  setsid();
  run.take_over_lock();
  std::signal(SIGHUP, SIG_IGN);
  const FileDescriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const FileDescriptor log(open((run.path() + "/console.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (nothing) dup2(nothing.get(), STDIN_FILENO);
  if (log) dup2(log.get(), STDOUT_FILENO), dup2(log.get(), STDERR_FILENO);
  Invocation apart = invocation;
  apart.console = {Terminal::of(STDOUT_FILENO), Terminal::of(STDERR_FILENO)};
  return carry_out(apart, planning, run, start);
}

int carry_out(const Invocation& invocation, Planning& planning, const RunDirectory& run, const RunStart& start) {
  // Whoever reads our output may leave; the run goes on.
  std::signal(SIGPIPE, SIG_IGN);
  const Terminal& out = invocation.console.out;
  const Terminal& err = invocation.console.err;
  const Plan& plan = *planning.compilation.plan;
  const bool json = wants_json(invocation);
  RunView view(json ? err : out, err, plan.job.train ? RunView::Ranks::own_worker : RunView::Ranks::program);
  if (!json) {
    // A warning that cannot be told is no reason not to run.
    try {
      report(invocation, planning.compilation);
    } catch (const std::system_error&) {}
    std::string head = show_plan_briefly(plan, out, run.path());
    for (const std::string& remark : start.remarks) head += "  " + sanitised(remark) + '\n';
    view.head(head + '\n');
  }

  RunOptions options;
  options.run_directory = run.path();
  options.attempt = start.attempt;
  options.resume_path = start.resume_path;
  options.device_ids = start.device_ids;
  const Outcome outcome = planning.backend->submit(plan, *planning.submission, options, view);

  // The run is over and its folder says how; that standard output takes no more cannot change it. A summary that is asked for by a
  // program has to arrive, and a failure is told, even if whoever reads the lines before it has stopped reading.
  constexpr std::chrono::milliseconds patience{1000};
  const bool quick = view.finish(patience);
  int exit_code = outcome.exit_code;
  bool told = json || outcome.verdict == "finished";
  const auto tell = [&err](const std::string& text) { [[maybe_unused]] const int error = write_all(err.fd, text); };
  const auto tell_failure = [&] {
    if (!std::exchange(told, true)) tell(failure(run, outcome, err));
  };
  if (!json) {
    if (!quick && view.apart()) {
      tell_failure();
      // A pager may take from the terminal what was told while it showed its own page.
      told = !err.interactive;
    }
    view.finish();
  }
  try {
    out.write(json ? pretty_json(summary_value(plan, run, start, outcome, view)) + '\n' : closing(run, outcome, view, out));
  } catch (const std::system_error& error) {
    tell(err.paint(Style::error, "error") + ": " + error.what() + "; how the run ended is in " +
         sanitised(shown_path(run.path() + "/status.json")) + '\n');
    if (json && exit_code == 0) exit_code = exit_with(ExitCode::refused);
  }
  tell_failure();
  if (json) {
    // Whoever waits for the end of the summary before reading the lines of the run is not to wait for us.
    if (!quick) dup2(err.fd, out.fd);
    view.finish();
  }
  return exit_code;
}

}  // namespace fabric
