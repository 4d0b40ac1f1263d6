#include "launch_backends/controller.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <system_error>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/frame_pipe.hpp"
#include "launch_backends/process_tree.hpp"
#include "launch_backends/rank_output.hpp"
#include "launch_backends/restart_policy.hpp"
#include "launch_backends/root_cause.hpp"
#include "launch_backends/run_record.hpp"
#include "launch_backends/stall.hpp"
#include "launch_backends/surroundings.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int fabric_failed = 125;
constexpr int time_is_up = 124;          // as timeout(1) has it
constexpr double failure_grace = 1;      // seconds between TERM and KILL once a rank has failed
constexpr double agent_patience = 60;    // seconds for an agent to say hello
constexpr double ending_patience = 15;   // seconds beyond the grace for agents to say that all has ended
constexpr std::size_t shown_lines = 20;  // of the culprit's output

// One agent, as the controller sees it.
struct Link {
  std::int64_t node = 0;
  pid_t pid = 0;  // of the command that was started: the keeper, or what carries it
  FileDescriptor process;
  std::unique_ptr<FramePipe> pipe;
  bool greeted = false;
  bool ready = false;
  bool done = false;
  std::optional<ExitStatus> exit;  // of the command
  std::optional<messages::Lost> lost;
  double clock_offset = 0;       // what to take from the agent's clock to have ours, seconds
  double clock_uncertainty = 0;  // seconds to either side

  pid_t agent_pid = 0;
  Clock::time_point heard = Clock::now();  // from the agent, last
  Clock::time_point pinged = Clock::now();
  bool silence_told = false;

  bool ended() const { return exit.has_value() && pipe->ended(); }
};

// One attempt of a run, from its first agent to its last.
class Controller {
 public:
  Controller(const Plan& plan, const RunOptions& options, const std::vector<AgentCommand>& agents, RunRecord& record,
             Surroundings& surroundings, std::optional<Clock::time_point> deadline)
      : plan_(plan), options_(options), agents_(agents), record_(record), surroundings_(surroundings), deadline_(deadline) {
    if (plan.job.main_address) main_address_ = *plan.job.main_address;
  }

  // Writes the end of the run neither into its status nor into its events: another attempt may follow.
  Outcome run();
  const std::optional<ExitStatus>& culprit() const { return culprit_; }
  const Progress& progress() const { return progress_; }
  // The signal that came while the attempt was being stopped already, 0 if none did.
  int interrupted() const { return interrupted_; }

 private:
  const NodeGroup& group_of(std::int64_t node) const {
    for (const NodeGroup& group : plan_.groups)
      if (node >= group.first_node && node < group.first_node + group.nodes) return group;
    return plan_.groups.front();
  }
  const std::vector<std::int64_t>& devices_of(std::int64_t node) const {
    const std::vector<std::int64_t>& written = group_of(node).device_ids;
    return written.empty() ? options_.device_ids : written;
  }

  void start_agents();
  void wait();
  int wait_milliseconds() const;
  void hear_signals();
  void hear(Link& link);
  void obey(Link& link, const Message& message);
  void greeted(Link& link, const messages::Hello& hello);
  void begin();
  void rank_exited(Link& link, const messages::RankExited& exit);
  void keep_time();
  void stop_all(const std::string& signal, double grace, const std::string& why);
  void fail(const std::string& message);
  bool all_ended() const {
    return std::all_of(links_.begin(), links_.end(), [](const Link& link) { return link.ended(); });
  }
  void judge_lost(Link& link);
  void sweep();
  void follow_progress(const Event& event);
  void watch_agent(Link& link, Clock::time_point now);
  Outcome outcome();

  const Plan& plan_;
  const RunOptions& options_;
  const std::vector<AgentCommand>& agents_;
  RunRecord& record_;
  Surroundings& surroundings_;
  const std::optional<Clock::time_point> deadline_;  // of the whole run
  const std::string nonce_ = make_nonce();
  std::string main_address_ = "127.0.0.1";
  std::int64_t main_port_ = 0;
  std::vector<Link> links_;
  const Clock::time_point started_ = Clock::now();
  std::vector<RankEnd> ends_;
  std::map<std::int64_t, std::int64_t> log_begins_;  // rank -> size of its log when this attempt began
  std::size_t ranks_started_ = 0;
  bool begun_ = false;       // the agents were told to start their ranks
  int asked_by_signal_ = 0;  // the user's, the first
  bool stopping_ = false;
  int interrupted_ = 0;
  bool hurried_ = false;  // by a signal while stopping
  std::optional<Clock::time_point> give_up_at_;
  std::string failure_;  // of fabric itself, the first
  std::string loss_;     // of an agent or keeper, the first
  std::vector<std::string> left_behind_;
  bool out_of_time_ = false;
  std::optional<ExitStatus> culprit_;
  Progress progress_;
};

void Controller::start_agents() {
  for (std::size_t node = 0; node < agents_.size(); ++node) {
    Link link;
    link.node = static_cast<std::int64_t>(node);
    DescriptorPair to = make_pipe(), from = make_pipe();
    ProcessStart start;
    start.argv = agents_[node].argv;
    for (const std::string& argument : {std::string("--node"), std::to_string(node), std::string("--generation"),
                                        std::to_string(options_.attempt), std::string("--nonce"), nonce_})
      start.argv.push_back(argument);
    start.env = own_environment();
    start.descriptors = {{to.first.get(), STDIN_FILENO}, {from.second.get(), STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}};
    // Ctrl-C reaches the controller alone, which tells the ranks in order.
    start.new_session = true;
    link.pid = start_process(start);
    link.process = open_process(link.pid);
    link.pipe = std::make_unique<FramePipe>(std::move(from.first), std::move(to.second), "controller", nonce_, options_.attempt);
    link.pipe->send(messages::Greet{nonce_});
    links_.push_back(std::move(link));
  }
}

Outcome Controller::run() {
  Event started;
  started.kind = "run_started";
  started.detail = Value::object();
  started.detail.set("attempt", options_.attempt);
  started.detail.set("plan_id", plan_id(plan_));
  record_.status.attempt = options_.attempt;
  record_.open(std::move(started));
  try {
    start_agents();
  } catch (const std::system_error& error) {
    fail(error.what());
  }
  while (!all_ended()) {
    wait();
    hear_signals();
    for (Link& link : links_) hear(link);
    keep_time();
  }
  for (Link& link : links_) judge_lost(link);
  sweep();
  return outcome();
}

void Controller::wait() {
  std::vector<pollfd> watched = {{surroundings_.descriptor(), POLLIN, 0}};
  for (const Link& link : links_) {
    watched.push_back({link.pipe->in(), POLLIN, 0});
    watched.push_back({link.pipe->wants_to_write() ? link.pipe->out() : -1, POLLOUT, 0});
    watched.push_back({link.exit ? -1 : link.process.get(), POLLIN, 0});
  }
  if (poll(watched.data(), watched.size(), wait_milliseconds()) < 0 && errno != EINTR)
    throw std::system_error(errno, std::generic_category(), "poll");
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if ((watched[3 * i + 3].revents & POLLIN) == 0) continue;
    // The message with which its other half says farewell may still be in the pipe.
    int status = 0;
    if (waitpid(links_[i].pid, &status, WNOHANG) == links_[i].pid) links_[i].exit = ExitStatus::of(status);
  }
}

int Controller::wait_milliseconds() const {
  const bool waits = give_up_at_ || deadline_ || plan_.job.stall ||
                     std::any_of(links_.begin(), links_.end(), [](const Link& link) { return !link.greeted; });
  return waits ? 250 : -1;
}

void Controller::hear_signals() {
  while (const int signal = surroundings_.take()) {
    // Where a failure already ends the run, that stays its outcome, and the signal hurries it.
    if (stopping_) {
      hurried_ = true;
      interrupted_ = signal;
      stop_all("KILL", 0, "a signal while stopping");
      continue;
    }
    asked_by_signal_ = signal;
    stop_all(plan_.job.stop.signal, plan_.job.stop.grace.seconds, "SIG" + signal_name(signal));
  }
}

void Controller::hear(Link& link) {
  link.pipe->flush();
  if (link.pipe->ended()) return;
  link.pipe->receive();
  try {
    while (std::optional<Message> message = link.pipe->next()) {
      link.heard = Clock::now();
      link.silence_told = false;
      obey(link, *message);
    }
  } catch (const std::runtime_error& error) {
    fail("the agent of node " + std::to_string(link.node) + " cannot be understood: " + error.what());
    link.pipe->close_out();
  }
}

void Controller::obey(Link& link, const Message& message) {
  const Value& body = message.body;
  const std::string type = message.type();
  if (type == messages::Hello::type) {
    greeted(link, from_value<messages::Hello>(body));
  } else if (type == messages::Pong::type) {
    const auto pong = from_value<messages::Pong>(body);
    // The answer was written somewhere between question and arrival (RFC 5905, section 8, for one exchange).
    const double now = now_seconds();
    link.clock_offset = pong.time - (pong.ping + now) / 2;
    link.clock_uncertainty = (now - pong.ping) / 2;
  } else if (type == messages::Ready::type) {
    const auto ready = from_value<messages::Ready>(body);
    link.ready = true;
    if (!ready.scrubbed.empty()) {
      Value detail = Value::object();
      std::string list;
      for (const std::string& name : ready.scrubbed) list += (list.empty() ? "" : ", ") + name;
      detail.set("message", "inherited variables of another launcher were removed: " + list);
      detail.set("scrubbed", to_value(ready.scrubbed));
      record_.event("note", std::move(detail));
    }
    if (ready.main_port) main_port_ = *ready.main_port;
    if (std::all_of(links_.begin(), links_.end(), [](const Link& l) { return l.ready; })) begin();
  } else if (type == messages::RankStarted::type) {
    const auto started = from_value<messages::RankStarted>(body);
    ++ranks_started_;
    log_begins_[started.rank] = started.log_begin;
    Event event;
    event.kind = "rank_started";
    event.time = started.time;
    event.node = link.node;
    event.rank = started.rank;
    event.detail = Value::object();
    event.detail.set("pid", started.pid);
    record_.event(event);
    if (ranks_started_ == static_cast<std::size_t>(plan_.world_size) && !stopping_) record_.state("running");
  } else if (type == messages::RankExited::type) {
    rank_exited(link, from_value<messages::RankExited>(body));
  } else if (type == messages::Happened::type) {
    const Event event = from_value<messages::Happened>(body).event;
    follow_progress(event);
    record_.event(event);
  } else if (type == messages::View::type) {
    const auto view = from_value<messages::View>(body);
    if (view.dropped > 0) record_.line(link.node, view.rank, "[" + std::to_string(view.dropped) + " lines are in the log file only]");
    for (const std::string& line : view.lines) record_.line(link.node, view.rank, line);
  } else if (type == messages::Failed::type) {
    fail(from_value<messages::Failed>(body).message);
  } else if (type == messages::Interrupted::type) {
    const auto interrupted = from_value<messages::Interrupted>(body);
    if (asked_by_signal_ == 0 && !stopping_) asked_by_signal_ = static_cast<int>(interrupted.signal);
    else if (stopping_) interrupted_ = static_cast<int>(interrupted.signal);
    stop_all(plan_.job.stop.signal, plan_.job.stop.grace.seconds,
             "SIG" + signal_name(static_cast<int>(interrupted.signal)) + " to the agent");
  } else if (type == messages::Lost::type) {
    link.lost = from_value<messages::Lost>(body);
    judge_lost(link);
    stop_all("TERM", failure_grace,
             loss_.empty() ? "the " + link.lost->who + " of node " + std::to_string(link.node) + " was lost" : loss_);
    // To the keeper this says that its word was heard; see keeper.cpp.
    if (link.lost->who == "agent") link.pipe->close_out();
  } else if (type == messages::Done::type) {
    link.done = true;
    for (std::string& process : from_value<messages::Done>(body).left_behind) left_behind_.push_back(std::move(process));
    link.pipe->close_out();
  } else {
    throw ProtocolError("'" + type + "' is no message of this version");
  }
}

// An agent that answers nothing cannot tell of its ranks either.
void Controller::watch_agent(Link& link, Clock::time_point now) {
  const double stall = plan_.job.stall->seconds;
  if (link.done || link.ended()) return;
  if (now - link.pinged > std::chrono::duration<double>(stall / 4)) {
    link.pinged = now;
    link.pipe->send(messages::Ping{now_seconds()});
  }
  const double silent = std::chrono::duration<double>(now - link.heard).count();
  if (silent < stall || std::exchange(link.silence_told, true)) return;
  const std::string pid = std::to_string(link.agent_pid);
  Value detail = Value::object();
  detail.set("seconds", silent);
  detail.set("message", "the agent of node " + std::to_string(link.node) + " (process " + pid + ") has not answered for " +
                            Duration{std::round(silent)}.str() +
                            (sample_process(link.agent_pid).state == 'T' ? ": it is stopped, `kill -CONT " + pid + "` lets it go on"
                                                                         : "; `gdb -p " + pid + " -batch -ex bt` shows where it stands"));
  record_.event("stalled", std::move(detail));
}

void Controller::follow_progress(const Event& event) {
  if (event.kind == "step" || event.kind == "first_step") {
    const Value* step = event.detail.find("step");
    if (step && step->is_integer()) progress_.step = std::max(progress_.step.value_or(0), step->as_integer());
  } else if (event.kind == "checkpoint") {
    if (const Value* path = event.detail.find("path"); path && path->is_string()) progress_.checkpoint = path->as_string();
  }
}

void Controller::greeted(Link& link, const messages::Hello& hello) {
  link.greeted = true;
  link.agent_pid = static_cast<pid_t>(hello.agent_pid);
  Event event;
  event.kind = "node_ready";
  event.time = now_seconds();
  event.node = link.node;
  event.detail = Value::object();
  event.detail.set("host", hello.host);
  event.detail.set("agent_pid", hello.agent_pid);
  event.detail.set("keeper_pid", hello.keeper_pid);
  record_.event(event);

  link.pipe->send(messages::Ping{now_seconds()});
  messages::Prepare prepare;
  prepare.run_id = record_.directory().id();
  prepare.run_directory = record_.directory().path();
  prepare.attempt = options_.attempt;
  prepare.node = link.node;
  prepare.group = group_of(link.node);
  prepare.device_ids = devices_of(link.node);
  prepare.resume_path = options_.resume_path;
  prepare.binds_port = link.node == 0;
  // Across machines the first node's table says it; here all is on one.
  const std::optional<Program>& program = plan_.job.program;
  prepare.expects_meeting =
      program && (program->script || program->module) && program->contract != Contract::none && plan_.world_size > 1 && agents_.size() == 1;
  prepare.main_address = main_address_;
  prepare.main_port = plan_.job.main_port;
  prepare.stop_signal = plan_.job.stop.signal;
  prepare.stop_grace = plan_.job.stop.grace.seconds;
  if (plan_.job.stall) prepare.stall = plan_.job.stall->seconds;
  if (!stopping_) link.pipe->send(prepare);
}

void Controller::begin() {
  if (stopping_ || std::exchange(begun_, true)) return;
  Value bound = Value::object();
  bound.set("main_address", main_address_);
  bound.set("main_port", main_port_);
  Value devices = Value::array();
  for (const std::int64_t id : devices_of(0)) devices.as_array().push_back(id);
  bound.set("device_ids", std::move(devices));
  bound.set("attempt", options_.attempt);
  bound.set("resume_path", options_.resume_path ? Value(*options_.resume_path) : Value());
  record_.event("bound", std::move(bound));
  for (Link& link : links_) link.pipe->send(messages::Start{main_port_});
}

void Controller::rank_exited(Link& link, const messages::RankExited& exit) {
  RankEnd end;
  end.rank = exit.rank;
  end.time = exit.time - link.clock_offset;
  end.uncertainty = link.clock_uncertainty;
  end.status = exit.signal ? ExitStatus{true, static_cast<int>(*exit.signal)} : ExitStatus{false, static_cast<int>(exit.code.value_or(0))};
  end.out_of_memory = exit.out_of_memory;
  end.by_us = exit.by_us;
  end.error_class = exit.error_class;
  end.error_message = exit.error_message;

  Event event;
  event.kind = "rank_exited";
  event.time = exit.time;
  event.node = link.node;
  event.rank = exit.rank;
  event.detail = Value::object();
  if (exit.signal) event.detail.set("signal", *exit.signal);
  else event.detail.set("exit_code", *exit.code);
  if (exit.out_of_memory) event.detail.set("out_of_memory", true);
  if (exit.by_us) event.detail.set("told_to_end", true);
  record_.event(event);

  const bool failed = !end.status.good();
  ends_.push_back(std::move(end));
  if (failed && !stopping_) stop_all("TERM", failure_grace, describe(ends_.back()));
}

void Controller::keep_time() {
  const Clock::time_point now = Clock::now();
  for (Link& link : links_) {
    if (link.greeted || link.ended() || now - started_ < std::chrono::duration<double>(agent_patience)) continue;
    fail("the agent of node " + std::to_string(link.node) + " did not answer within " + std::to_string(static_cast<int>(agent_patience)) +
         " s");
    link.greeted = true;
    give_up_at_ = now;
  }
  if (plan_.job.stall && begun_ && !stopping_)
    for (Link& link : links_) watch_agent(link, now);
  if (deadline_ && now >= *deadline_ && !stopping_) {
    out_of_time_ = true;
    stop_all(plan_.job.stop.signal, plan_.job.stop.grace.seconds, "the time limit of " + plan_.job.time_limit->str() + " is reached");
  }
  if (!give_up_at_ || now < *give_up_at_) return;
  // They do not answer. Locally the sweep ends what is left; elsewhere the closed pipe does.
  for (Link& link : links_) {
    if (link.exit) continue;
    loss_ = loss_.empty() ? "the agent of node " + std::to_string(link.node) + " did not end in time" : loss_;
    link.pipe->close_out();
    if (kill(link.pid, SIGKILL) == 0) give_up_at_ = now + 1s;
  }
  if (std::all_of(links_.begin(), links_.end(), [](const Link& link) { return link.exit.has_value(); })) {
    end_processes_with_variable("FABRIC_RUN_ID=" + record_.directory().id(), 2s);
    for (Link& link : links_) link.pipe->stop_reading();
  }
}

void Controller::stop_all(const std::string& signal, double grace, const std::string& why) {
  const Clock::time_point limit = Clock::now() + clock_time(grace + ending_patience);
  give_up_at_ = give_up_at_ ? std::min(*give_up_at_, limit) : limit;
  if (!std::exchange(stopping_, true)) {
    Value detail = Value::object();
    detail.set("why", why);
    record_.event("stopping", std::move(detail));
    record_.state("stopping");
  }
  for (Link& link : links_)
    if (!link.done) link.pipe->send(messages::StopRanks{signal, grace});
}

void Controller::fail(const std::string& message) {
  if (failure_.empty()) failure_ = message;
  stop_all("TERM", failure_grace, message);
}

// What became of a pair that did not end by the word `done`.
void Controller::judge_lost(Link& link) {
  if (!loss_.empty()) return;
  const std::string node = " of node " + std::to_string(link.node) + ' ';
  if (link.lost && link.lost->who == "agent") {
    const ExitStatus status = link.lost->signal ? ExitStatus{true, static_cast<int>(*link.lost->signal)}
                                                : ExitStatus{false, static_cast<int>(link.lost->code.value_or(0))};
    loss_ = "the agent" + node + status.str();
  } else if (link.exit && !link.exit->good() && (link.lost || !link.done)) {
    loss_ = "the keeper" + node + link.exit->str();
  } else if (link.ended() && link.lost) {
    loss_ = "the agent" + node + "lost its " + link.lost->who;
  } else if (link.ended() && !link.done && failure_.empty()) {
    loss_ = "the agent" + node + "ended without a word";
    for (const std::string& line : link.pipe->reader().noise()) loss_ += "\n" + line;
  }
}

void Controller::sweep() {
  const std::vector<ProcessEntry> left = end_processes_with_variable("FABRIC_RUN_ID=" + record_.directory().id(), 5s);
  for (const ProcessEntry& process : left) left_behind_.push_back(std::to_string(process.pid) + ' ' + process.name);
  // Only children of the run can have fallen to us: orphans whose keeper and agent both died.
  while (waitpid(-1, nullptr, WNOHANG) > 0) {}
}

Outcome Controller::outcome() {
  Outcome out;
  const std::optional<RootCause> cause = root_cause(ends_);
  if (!failure_.empty()) {
    out.exit_code = fabric_failed;
    out.verdict = ranks_started_ == 0 ? "refused" : "failed";
    out.message = failure_;
  } else if (!loss_.empty()) {
    out.exit_code = fabric_failed;
    out.verdict = "lost";
    out.message = loss_;
  } else if (asked_by_signal_ != 0 || out_of_time_) {
    out.exit_code = asked_by_signal_ != 0 ? 128 + asked_by_signal_ : time_is_up;
    out.verdict = "stopped";
    out.message = asked_by_signal_ != 0 ? "stopped by SIG" + signal_name(asked_by_signal_)
                                        : "stopped at the time limit of " + plan_.job.time_limit->str();
    // A rank that did not stop in order has perhaps saved nothing.
    const auto killed = std::count_if(ends_.begin(), ends_.end(), [](const RankEnd& end) {
      return end.by_us && end.status == ExitStatus{true, SIGKILL};
    });
    if (cause && !cause->end.by_us) {
      out.message += ", and " + describe(cause->end);
    } else if (killed > 0) {
      out.message += ", and " + std::to_string(killed) + " of " + std::to_string(plan_.world_size) + " ranks " +
                     (hurried_ ? "" : "did not leave within the grace and ") + (killed == 1 ? "was" : "were") + " killed";
    }
  } else if (cause) {
    out.exit_code = cause->end.status.shell_code();
    out.verdict = "failed";
    out.message = describe(cause->end);
    if (!cause->rule.empty()) out.message += " (" + cause->rule + ")";
    out.culprit = cause->end.rank;
    culprit_ = cause->end.status;
    for (const NodeGroup& group : plan_.groups) {
      const std::int64_t offset = cause->end.rank - group.first_rank;
      if (offset < 0 || offset >= group.nodes * group.ranks_per_node) continue;
      out.log = record_.directory().path() + "/nodes/" + std::to_string(group.first_node + offset / group.ranks_per_node) + "/rank-" +
                std::to_string(cause->end.rank) + ".log";
      out.last_lines = last_lines(out.log, shown_lines, log_begins_[cause->end.rank]);
    }
  } else if (ends_.size() < static_cast<std::size_t>(plan_.world_size)) {
    out.exit_code = fabric_failed;
    out.verdict = "lost";
    out.message = "nothing was heard of the end of " + std::to_string(plan_.world_size - static_cast<std::int64_t>(ends_.size())) + " of " +
                  std::to_string(plan_.world_size) + " ranks";
  } else {
    out.verdict = "finished";
  }
  if (!left_behind_.empty()) {
    out.message += (out.message.empty() ? "" : "; ") + std::string("the kernel could not end process ");
    for (std::size_t i = 0; i < left_behind_.size(); ++i) out.message += (i ? ", " : "") + left_behind_[i];
  }
  return out;
}

}  // namespace

Outcome conduct(const Plan& plan, const RunOptions& options, const std::vector<AgentCommand>& agents, RunObserver& observer) {
  RunRecord record(RunDirectory::open(options.run_directory), observer);
  Surroundings surroundings;
  RestartPolicy policy(plan.job.restart);
  RunOptions now = options;
  std::optional<Clock::time_point> deadline;
  if (plan.job.time_limit) deadline = Clock::now() + clock_time(plan.job.time_limit->seconds);
  for (;;) {
    Controller attempt(plan, now, agents, record, surroundings, deadline);
    Outcome outcome = attempt.run();
    RestartPolicy::Verdict verdict = policy.judge(outcome, attempt.culprit(), attempt.progress());
    if (verdict.restart && attempt.interrupted() != 0) verdict = {false, 0, "SIG" + signal_name(attempt.interrupted())};
    if (!verdict.restart) {
      if (!verdict.why.empty()) outcome.message += "; no new start: " + verdict.why;
      record.close(outcome);
      return outcome;
    }
    std::vector<SkippedCheckpoint> damaged;
    now.attempt += 1;
    // What an earlier attempt left holds as long as there is none newer.
    if (const std::optional<std::string> newest = record.directory().newest_checkpoint(damaged)) now.resume_path = newest;
    else if (!attempt.progress().checkpoint.empty()) now.resume_path = attempt.progress().checkpoint;
    Value detail = Value::object();
    detail.set("attempt", now.attempt);
    detail.set("wait", verdict.wait);
    detail.set("why", verdict.why);
    detail.set("resume_path", now.resume_path ? Value(*now.resume_path) : Value());
    record.event("restarting", std::move(detail));
    record.state("restarting");
    const int signal = surroundings.wait(verdict.wait, deadline);
    const bool late = deadline && Clock::now() >= *deadline;
    if (signal == 0 && !late) continue;
    outcome.exit_code = signal ? 128 + signal : time_is_up;
    outcome.verdict = "stopped";
    outcome.message = (signal ? "stopped by SIG" + signal_name(signal) : "stopped at the time limit of " + plan.job.time_limit->str()) +
                      " before a new start; " + outcome.message;
    record.close(outcome);
    return outcome;
  }
}

}  // namespace fabric
