#include "cli/carry_out.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "cli/choose_gpus.hpp"
#include "cli/find_copies.hpp"
#include "cli/follow_array.hpp"
#include "cli/follow_run.hpp"
#include "cli/outside.hpp"
#include "cli/rank_terminal.hpp"
#include "cli/render_diagnostics.hpp"
#include "cli/run_end.hpp"
#include "cli/run_view.hpp"
#include "cli/show_plan.hpp"
#include "cli/spoken.hpp"
#include "launch_backends/code_snapshot.hpp"
#include "launch_backends/descriptor.hpp"
#include "launch_backends/probes/doctor.hpp"
#include "launch_backends/probes/nvidia.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_record.hpp"
#include "launch_backends/run_standing.hpp"
#include "launch_backends/ssh.hpp"
#include "schema/json.hpp"
#include "schema/utf8.hpp"

namespace fabric {
namespace {

bool wants_json(const Invocation& invocation) { return invocation.arguments.value("format") == "json"; }

template <class T>
Value optional_value(const std::optional<T>& x) {
  return x ? Value(*x) : Value();
}

// Where there are errors nothing is started: what is left are warnings.
Value warnings_of(const Compilation& compilation) {
  return *diagnostics_value(compilation.diagnostics, compilation.sources, compilation.origins).find("diagnostics");
}

std::string log_of(const RunDirectory& run, const Plan& plan, std::int64_t rank) {
  const std::string log = run.rank_file(seat_of(plan, rank)->node, rank, ".log");
  std::filesystem::create_directories(std::filesystem::path(log).parent_path());
  return log;
}

Value summary_value(const Plan& plan, const RunDirectory& run, const RunStart& start, const Outcome& outcome, const RunView& view,
                    Value warnings) {
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
  v.set("notes", Value::Array(view.notes().begin(), view.notes().end()));
  v.set("warnings", std::move(warnings));
  return v;
}

void check_debugging(const Invocation& invocation, bool detach) {
  if (detach) throw UsageError("`--debug` gives a rank this terminal, and `--detach` leaves it", "leave one of them out");
  if (wants_json(invocation))
    throw UsageError("`--debug` gives a rank this terminal, and `--format json` writes to it", "leave one of them out");
  for (const char* option : {"rank", "local-ranks-filter", "node", "grep"})
    if (invocation.arguments.has(option))
      throw UsageError("`--debug` gives a rank this terminal, and shows all that it prints and nothing of the others: `--" +
                           std::string(option) + "` would change nothing",
                       "leave one of them out");
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
    throw UsageError("`--debug` needs a terminal, on standard input and output",
                     "start it in a terminal, without a pipe; through ssh, with `ssh -t`");
}

// Whether there is such a rank here, and what else is otherwise.
void debug(const Plan& plan, RunStart& start) {
  const std::int64_t rank = *start.debug_rank;
  const auto [first, count] = ranks_started(plan, start.node_rank);
  if (rank < first || rank >= first + count) refuse_rank(rank, plan, start.node_rank);
  start.remarks.push_back("rank " + std::to_string(rank) +
                          " has this terminal: Ctrl-C is its own, Ctrl-] ends the run, and a second one kills");
  if (count > 1) start.remarks.push_back("what the other ranks print is in their log files only");
  if (plan.job.stall || plan.job.time_limit || plan.job.restart.max > 0) start.remarks.push_back("stall, time_limit and restart are off");
}

// Returns how the run ended if its code cannot be copied.
std::optional<Outcome> take_code_of(const Plan& plan, const RunDirectory& run, std::int64_t attempt) try {
  copy_code(plan, run.path());
  return std::nullopt;
} catch (const std::exception& failure) {
  return refuse_attempt(run, attempt, failure.what());
}

// What reaches a run that goes on without this process.
std::string ways_to_reach(const Invocation& invocation, const RunDirectory& run) {
  const std::string id = invocation.arguments.has("runs") ? shown_path(run.path()) : run.id();
  return table({{shell_line({"fabric", "status", id}), "where it stands"},
                {shell_line({"fabric", "logs", "-f", id}), "what its ranks print"},
                {shell_line({"fabric", "attach", id}), "watch it as if it ran here"},
                {shell_line({"fabric", "cancel", id}), "stop it in order"}},
               2, invocation.console.out.width);
}

// A job of a cluster carries it out, and the user has left, or has asked not to wait.
int say_where_it_goes_on(const Invocation& invocation, const Compilation& compilation, const RunDirectory& run, bool asked) {
  const RunSummary summary = summary_of(run);
  if (wants_json(invocation)) {
    Value v = document_of(summary);
    v.set("run", run.path());
    v.set("warnings", warnings_of(compilation));
    invocation.console.out.write(pretty_json(v) + '\n');
  } else {
    const std::string where = sanitised(summary.standing.detail.empty() ? summary.status.state : summary.standing.detail);
    invocation.console.out.write((asked ? "submitted: " : "\nleft: ") + where + "\n\n" + ways_to_reach(invocation, run));
  }
  return exit_with(asked ? ExitCode::success : ExitCode::interrupted);
}

// All runs of an array, each of which has a folder of its own.
int carry_out_array(const Invocation& invocation, const Compilation& compilation, const RunDirectory& run, bool detach, bool stops) {
  const Console& console = invocation.console;
  const bool json = wants_json(invocation);
  const std::optional<ArraySummary> summary = detach ? std::nullopt : follow_array(run, json ? console.err : console.out, stops);
  if (!summary) return say_where_it_goes_on(invocation, compilation, run, detach);
  if (json) {
    Value v = array_value(*summary);
    v.set("run", run.path());
    v.set("warnings", warnings_of(compilation));
    console.out.write(pretty_json(v) + '\n');
  } else {
    tell_end_of_array(run, *summary, console);
  }
  return static_cast<int>(summary->whole.status.exit_code.value_or(125));
}

volatile std::sig_atomic_t interrupted_while_waiting = 0;

// The run is another process's now, the child, or 0 where that is elsewhere: says where it is, once its ranks run, or how it ended before.
// A host that is silent for as long as a lease is waited for no longer.
int await_start(const Invocation& invocation, const Compilation& compilation, const RunDirectory& run, const RunStart& start, pid_t child) {
  RunStatus status;
  RunStanding standing;
  const Terminal& err = invocation.console.err;
  double silent_since = 0;
  std::string unknown;  // why it is not known whether it has started
  ExitCode not_known = ExitCode::refused;
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int number) { interrupted_while_waiting = number; });
  take_signals_kept();
  for (;;) {
    poll(nullptr, 0, child == 0 ? 100 : 10);
    if (child == 0) standing = standing_of(run);
    const bool gone = child == 0 ? !standing.goes_on : waitpid(child, nullptr, WNOHANG) == child;
    try {
      status = run.status();
    } catch (const std::exception&) {}  // not written yet
    // A rank may end before anybody has seen it run.
    const bool of_this_attempt = status.attempt >= start.attempt;
    if (gone || (status.ended && of_this_attempt) || status.attempt > start.attempt) break;
    if (of_this_attempt && (status.state == "running" || status.state == "restarting")) break;
    const int interrupt = std::exchange(interrupted_while_waiting, 0);
    if (interrupt != 0 && child != 0) kill(child, interrupt);
    if (child != 0) continue;
    if (standing.answered) silent_since = 0;
    else if (silent_since == 0) {
      silent_since = now_seconds();
      err.write(err.paint(Style::warning, "note") + ": " + sanitised(standing.detail) + "; waiting for it\n");
    }
    const bool silent = silent_since != 0 && now_seconds() - silent_since > compilation.plan->job.ssh->lease.seconds;
    if (silent) unknown = standing.detail;
    if (interrupt == 0 && !silent) continue;
    if (interrupt != 0) not_known = ExitCode::interrupted;
    unknown += std::string(unknown.empty() ? "" : "; ") + "the run is not known to have started, and may go on on " + standing.host;
    break;
  }
  const std::string path = shown_path(run.path());
  // Nobody is left to write an end.
  const bool died = unknown.empty() && !status.ended && (child == 0 ? !standing.goes_on : !run.is_alive());
  if (died) status.message = "its controller has ended without a word";
  if (!unknown.empty()) status.message = unknown;
  const int exit_code = !unknown.empty() ? exit_with(not_known)
                        : died           ? exit_with(ExitCode::refused)
                                         : static_cast<int>(status.exit_code.value_or(0));
  if (wants_json(invocation)) {
    Value v = Value::object();
    v.set("id", run.id());
    v.set("run", run.path());
    v.set("controller_pid", child == 0 ? status.controller_pid : std::int64_t{child});
    if (!standing.host.empty()) v.set("controller_host", standing.host);
    v.set("state", status.state);
    v.set("exit_code", !unknown.empty() ? Value(exit_code) : status.exit_code ? Value(*status.exit_code) : Value());
    v.set("message", status.message.empty() ? Value() : Value(status.message));
    v.set("warnings", warnings_of(compilation));
    invocation.console.out.write(pretty_json(v) + '\n');
    return exit_code;
  }
  if (!unknown.empty()) {
    err.write(err.paint(Style::error, "error") + ": " + sanitised(unknown) + "\n\n" + ways_to_reach(invocation, run));
    return exit_code;
  }
  if (exit_code != 0) {
    invocation.console.err.write(invocation.console.err.paint(Style::error, "error") + ": " + sanitised(status.message) + "; see " +
                                 sanitised(path) + "/console.log\n");
    return exit_code;
  }
  const std::string where = standing.host.empty() ? "" : ", conducted on " + sanitised(standing.host) + ": this machine may go";
  invocation.console.out.write("started " + sanitised(path) + where + "\n\n" + ways_to_reach(invocation, run));
  return exit_with(ExitCode::success);
}

}  // namespace

std::vector<std::int64_t> take_gpus(Planning& planning) {
  if (!uses_gpus(*planning.compilation.plan)) return {};
  Diagnostics& diagnostics = planning.compilation.diagnostics;
  const Plan& plan = *planning.compilation.plan;
  std::vector<Occupancy> occupancy = gpu_occupancy(ProbeRoot{}, diagnostics);
  const bool open = std::any_of(plan.groups.begin(), plan.groups.end(), [](const NodeGroup& g) { return g.device_ids.empty(); });
  if (occupancy.empty() && open) {
    Diagnostics told_already;
    for (const Gpu& gpu : probe_nvidia(ProbeRoot{}, told_already).gpus) occupancy.push_back({gpu.index, {}});
    Diagnostic d{.severity = Severity::warning, .code = "FAB5012"};
    d.message = "the driver does not tell who uses the GPUs: the first of them are taken, idle or not";
    d.at = Path("devices");
    d.help = "look at nvidia-smi, and name those to take, such as `devices: [2, 3]`";
    diagnostics.add(std::move(d));
  }
  return choose_gpus(plan, occupancy, diagnostics);
}

void warn_of_limits(Planning& planning, const std::string& runs) {
  DoctorSubject subject;
  subject.runs = std::filesystem::absolute(runs).string();
  for (Finding& found : hindrances_of(*planning.compilation.plan, subject)) {
    Diagnostic d{.severity = Severity::warning, .code = "FAB5031", .message = found.name + ": " + found.what};
    d.help = std::move(found.help);
    planning.compilation.diagnostics.add(std::move(d));
  }
}

bool inspect_machines(Planning& planning, const RunIntent& intent) {
  // Of a job that is wrong in itself there is nothing to look for.
  const bool sound = planning.good() || planning.failure() == ExitCode::unresolved;
  if (planning.compilation.plan && sound) planning.backend->inspect(*planning.compilation.plan, intent, planning.compilation.diagnostics);
  return planning.good() && !planning.compilation.diagnostics.has_errors();
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

bool ctrl_c_stops(const Arguments& arguments) {
  const std::string written = arguments.value("ctrl-c").value_or("stop");
  if (written != "stop" && written != "leave")
    throw UsageError("`--ctrl-c " + written + "` is neither stop nor leave", "write `--ctrl-c leave`, and the run goes on when you go");
  return written == "stop";
}

std::optional<std::int64_t> debug_rank_of(const std::string& text) {
  const std::optional<Value> number = read_json(text);
  if (!number || !number->is_integer() || number->as_integer() < 0)
    throw UsageError("`--debug " + text + "` is no rank", "write for example --debug 0");
  return number->as_integer();
}

int start_run(const Invocation& invocation, Planning& planning, const std::string& runs, RunStart start, bool detach) {
  if (start.debug_rank) check_debugging(invocation, detach);
  if (runs.empty()) throw UsageError("`--runs` names no folder", "leave it out, and runs are kept in `runs` of the working directory");
  if (const std::string folder = std::filesystem::weakly_canonical(runs).string(); !is_utf8(folder))
    throw UsageError("a run cannot be kept in `" + folder + "`: the name is not UTF-8", "give another folder, as in --runs ~/runs");
  RankFilter{invocation.arguments};  // what is wrong with it is said before there is a run
  const RunIntent intent{std::filesystem::absolute(runs).lexically_normal().string(), detach};
  if (!planning.good()) {
    inspect_machines(planning, intent);
    return refuse_to_run(invocation, planning.compilation);
  }
  const Plan& plan = *planning.compilation.plan;
  if (plan.job.num_nodes == 1) start.node_rank.reset();  // it is no part of anything
  RankFilter(invocation.arguments, plan, start.node_rank);
  const bool here = plan.job.backend == BackendName::local;
  planning.submission->hands_over |= is_conducted_on_first_host(plan, detach);
  if (!ctrl_c_stops(invocation.arguments) && !planning.submission->hands_over)
    throw UsageError("`--ctrl-c leave` is for a run that a job of a cluster carries out; this one is carried out by this process",
                     "give `--detach`, and another one carries it out");
  if (!here && start.debug_rank)
    throw UsageError("`--debug` gives a rank this terminal, and the ranks of this job start elsewhere",
                     "for example with --set backend=local");
  if (here) start.device_ids = take_gpus(planning);
  if (planning.compilation.diagnostics.has_errors()) return refuse_to_run(invocation, planning.compilation);
  if (!here || plan.job.num_nodes == 1) find_copies(planning.compilation.diagnostics);
  if (planning.compilation.diagnostics.has_errors()) return refuse_to_run(invocation, planning.compilation);
  if (here) warn_of_limits(planning, runs);
  if (!inspect_machines(planning, intent)) return refuse_to_run(invocation, planning.compilation);
  if (start.debug_rank) debug(plan, start);
  RunDirectory run = RunDirectory::create(runs, plan.name, plan);
  start.detach = detach;
  return carry_out(invocation, planning, run, start);
}

// Carries it out in this process, or submits it and follows its job.
static int carry_out_here(const Invocation& invocation, Planning& planning, RunDirectory& run, const RunStart& start) {
  // Whoever reads our output may leave; the run goes on.
  std::signal(SIGPIPE, SIG_IGN);
  const Terminal& out = invocation.console.out;
  const Terminal& err = invocation.console.err;
  const Plan& plan = *planning.compilation.plan;
  const bool json = wants_json(invocation);
  RunView view(json ? err : out, err, plan.job.train ? RunView::Ranks::own_worker : RunView::Ranks::program,
               RankFilter(invocation.arguments, plan, start.node_rank));
  view.expect_ranks(static_cast<std::size_t>(ranks_started(plan, start.node_rank).count));
  if (!json) {
    // A warning that cannot be told is no reason not to run.
    try {
      report(invocation, planning.compilation);
    } catch (const std::system_error&) {}
    std::string head = show_plan_briefly(plan, out, run.path(), start.node_rank, planning.submission->hands_over);
    for (const std::string& remark : planning.backend->remarks()) head += "  " + sanitised(remark) + '\n';
    for (const std::string& remark : start.remarks) head += "  " + sanitised(remark) + '\n';
    view.head(head + '\n');
  }

  RunOptions options;
  options.run_directory = run.path();
  options.attempt = start.attempt;
  options.resume_path = start.resume_path;
  options.device_ids = start.device_ids;
  options.asked = planning.asked;
  options.node_rank = start.node_rank;
  std::optional<RankTerminal> terminal;
  std::optional<DebugView> debug_view;
  if (start.debug_rank) {
    terminal.emplace(log_of(run, plan, *start.debug_rank));
    debug_view.emplace(view, *terminal, *start.debug_rank);
    options.debug_rank = start.debug_rank;
    options.debug_terminal = terminal->path();
    view.finish();
    terminal->begin();
  }
  std::optional<Outcome> ended = take_code_of(plan, run, start.attempt);
  if (!ended && planning.submission->hands_over) run.unlock();
  if (!ended)
    ended = planning.backend->submit(plan, *planning.submission, options, debug_view ? static_cast<RunObserver&>(*debug_view) : view);
  terminal.reset();
  if (!ended) {
    const bool stops = ctrl_c_stops(invocation.arguments);
    if (is_array(run)) {
      view.finish();
      return carry_out_array(invocation, planning.compilation, run, start.detach, stops);
    }
    if (start.detach && plan.job.ssh) {
      view.finish();
      return await_start(invocation, planning.compilation, run, start, 0);
    }
    FollowEnd end;
    if (!start.detach) end = follow_run(run, view, RankFilter(invocation.arguments, plan, std::nullopt), {.tail = 10, .stops = stops});
    if (!end.ended) {
      view.finish();
      return say_where_it_goes_on(invocation, planning.compilation, run, start.detach);
    }
    if (end.stopped_by) close_stopped_run(run, end.stopped_by);
    ended = outcome_of(run, summary_of(run).status);
  }
  const Outcome& outcome = *ended;

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
    out.write(json ? pretty_json(summary_value(plan, run, start, outcome, view, warnings_of(planning.compilation))) + '\n'
                   : closing(run, outcome, view, out));
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

int carry_out(const Invocation& invocation, Planning& planning, RunDirectory& run, const RunStart& start) {
  if (!start.detach || planning.submission->hands_over) return carry_out_here(invocation, planning, run, start);
  if (!wants_json(invocation)) report(invocation, planning.compilation);

  const pid_t child = fork_process();
  if (child > 0) return await_start(invocation, planning.compilation, run, start, child);
  setsid();
  run.take_over_lock();
  std::signal(SIGHUP, SIG_IGN);
  const FileDescriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const FileDescriptor log(open((run.path() + "/console.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (nothing) dup2(nothing.get(), STDIN_FILENO);
  if (log) dup2(log.get(), STDOUT_FILENO), dup2(log.get(), STDERR_FILENO);
  Invocation apart = invocation;
  apart.console = {Terminal::of(STDOUT_FILENO), Terminal::of(STDERR_FILENO)};
  return carry_out_here(apart, planning, run, start);
}

}  // namespace fabric
