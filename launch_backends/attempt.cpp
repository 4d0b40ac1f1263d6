#include "launch_backends/attempt.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/lost_run.hpp"
#include "launch_backends/process_tree.hpp"
#include "launch_backends/rank_output.hpp"
#include "launch_backends/stall.hpp"
#include "schema/joined.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;

constexpr int fabric_failed = 125;
constexpr double failure_grace = 1;    // seconds between TERM and KILL once a rank has failed
constexpr double agent_patience = 60;  // seconds for an agent to say hello
constexpr auto look_at_agents_every = 100ms;
constexpr double ending_patience = 15;    // seconds beyond the grace for agents to say that all has ended
constexpr auto longest_turn = 3s;         // from one look at the clock to the next, of a process that is not stopped
constexpr double farewell_patience = 10;  // seconds for a carrier to end when its agents have
constexpr auto overruled_look_every = 1s;
constexpr auto carrier_patience = 2s;  // for a carrier whose agents are all gone or given up

}  // namespace

std::string time_limit_in_words(const Plan& plan, const RunOptions& options) {
  if (!options.time_words.empty()) return options.time_words;
  return plan.job.time_limit ? "the time limit of " + plan.job.time_limit->str() : "the end of the time that it was given";
}

void Attempt::start_agents() {
  std::int64_t node = options_.node_rank.value_or(0);
  for (const Carrier& carrier : carriers_) {
    start_carrier(carrier, node);
    node += carrier.nodes;
  }
}

void Attempt::start_carrier(const Carrier& carrier, std::int64_t first_node) {
  std::optional<StandingAgent> agent = carrier.standing_by ? carrier.standing_by() : std::nullopt;
  if (!agent) agent = start_command(carrier, first_node);
  auto started = std::make_unique<CarrierLink>();
  started->pid = agent->pid;
  started->process = std::move(agent->process);
  started->first = links_.size();
  started->agents = carrier.nodes;
  started->name = carrier.argv.front();
  started->sets = carrier.sets;
  started->explain = carrier.explain;
  started->pipe = std::make_unique<FramePipe>(std::move(agent->pipes.first), std::move(agent->pipes.second), "controller", agent->nonce,
                                              options_.attempt);
  started->pipe->send(messages::Greet{agent->nonce});
  for (std::int64_t i = 0; i < carrier.nodes; ++i) {
    AgentLink link;
    link.node = first_node + i;
    link.carrier = started.get();
    links_.push_back(std::move(link));
  }
  carrier_links_.push_back(std::move(started));
}

StandingAgent Attempt::start_command(const Carrier& carrier, std::int64_t first_node) const {
  DescriptorPair to = make_pipe(), from = make_pipe();
  ProcessStart start;
  start.argv = carrier.argv;
  std::vector<std::string> added = {"--node", std::to_string(first_node), "--generation", std::to_string(options_.attempt), "--nonce",
                                    nonce_};
  if (options_.lease > 0) added.insert(added.end(), {"--lease", std::to_string(static_cast<std::int64_t>(std::ceil(options_.lease)))});
  if (!carrier.node_variable.empty()) added.insert(added.end(), {"--node-variable", carrier.node_variable});
  for (std::string& word : added) {
    // What a shell joins and cuts again has no word that it would change.
    if (carrier.by_shell) start.argv.back() += ' ' + word;
    else start.argv.push_back(std::move(word));
  }
  start.env = own_environment();
  FileDescriptor errors;
  if (!carrier.errors.empty()) errors.reset(open(carrier.errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  start.descriptors = {
      {to.first.get(), STDIN_FILENO}, {from.second.get(), STDOUT_FILENO}, {errors ? errors.get() : STDERR_FILENO, STDERR_FILENO}};
  // Ctrl-C reaches the controller alone, which tells the ranks in order.
  start.new_session = true;
  start.parent_death_signal = carrier.at_our_end;
  const pid_t pid = start_process(start);
  return {pid, open_process(pid), {std::move(from.first), std::move(to.second)}, nonce_};
}

Outcome Attempt::run() {
  Event started;
  started.kind = "run_started";
  started.detail = Value::object();
  started.detail.set("attempt", options_.attempt);
  started.detail.set("plan_id", plan_id(plan_));
  if (options_.asked) started.detail.set("asked", *options_.asked);
  if (options_.node_rank) started.detail.set("node_rank", *options_.node_rank);
  record_.status.attempt = options_.attempt;
  for (std::size_t node = 0; node < options_.nodes.size(); ++node)
    if (options_.nodes[node].own_disk) record_.keep_copies_of(static_cast<std::int64_t>(node));
  record_.open(std::move(started));
  try {
    start_agents();
  } catch (const std::system_error& error) {
    fail(error.what());
  }
  while (!all_ended()) {
    wait();
    hear_signals();
    for (const auto& carrier : carrier_links_) hear(*carrier);
    keep_time();
    record_.tick();
  }
  for (AgentLink& link : links_) judge_lost(link);
  sweep();
  return outcome();
}

void Attempt::wait() {
  std::vector<pollfd> watched = {{surroundings_.descriptor(), POLLIN, 0}};
  for (const auto& carrier : carrier_links_) {
    watched.push_back({carrier->pipe->in(), POLLIN, 0});
    watched.push_back({carrier->pipe->wants_to_write() ? carrier->pipe->out() : -1, POLLOUT, 0});
    watched.push_back({carrier->exit ? -1 : carrier->process.get(), POLLIN, 0});
  }
  const std::size_t agents = watched.size();
  for (const AgentLink* link : here_) watched.push_back({link->wardens.descriptor(), POLLIN, 0});
  if (poll(watched.data(), watched.size(), wait_milliseconds()) < 0 && errno != EINTR)
    throw std::system_error(errno, std::generic_category(), "poll");
  for (std::size_t i = 0; i < here_.size(); ++i)
    if (watched[agents + i].revents & POLLIN) here_[i]->wardens.see_agent_ended();
  for (std::size_t i = 0; i < carrier_links_.size(); ++i) {
    if ((watched[3 * i + 3].revents & POLLIN) == 0) continue;
    // The message with which its other half says farewell may still be in the pipe.
    CarrierLink& carrier = *carrier_links_[i];
    int status = 0;
    if (waitpid(carrier.pid, &status, WNOHANG) == carrier.pid) carrier.exit = ExitStatus::of(status);
  }
}

int Attempt::wait_milliseconds() const {
  const bool waits =
      give_up_at_ || deadline_ || stall_ || greeted_ < links_.size() ||
      std::any_of(carrier_links_.begin(), carrier_links_.end(), [](const auto& carrier) { return carrier->exit.has_value(); }) ||
      std::any_of(here_.begin(), here_.end(), [](const AgentLink* link) { return link->halved(); });
  return waits ? 250 : 500;
}

void Attempt::hear_signals() {
  while (const int signal = surroundings_.take()) {
    if (signal == options_.time_signal) {
      if (stopping_) continue;
      out_of_time_ = true;
      stop_all(plan_.job.stop.signal, plan_.job.stop.grace.seconds, time_limit_in_words(plan_, options_) + " is near");
      continue;
    }
    // A scheduler that ends its job tells all of it at once, and here that is no second wish.
    if (stopping_ && std::exchange(agents_told_, false)) {
      asked_by_signal_ = signal;
      continue;
    }
    // The terminal that goes tells it twice, itself and by its shell.
    if (stopping_ && signal == SIGHUP) continue;
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

void Attempt::hear(CarrierLink& carrier) {
  carrier.pipe->flush();
  if (carrier.pipe->ended()) return;
  carrier.pipe->receive();
  try {
    while (std::optional<Message> message = carrier.pipe->next()) {
      AgentLink& link = sender_of(*message);
      link.heard = Clock::now();
      link.silence_told = false;
      obey(link, *message);
    }
    nudge(carrier);
  } catch (const std::runtime_error& error) {
    const auto first = std::find_if(links_.begin(), links_.end(), [&](const AgentLink& link) { return link.carrier == &carrier; });
    fail(carrier.shared() ? std::string("the agents cannot be understood: ") + error.what()
                          : "the agent of " + name_of_node(first->node) + " cannot be understood: " + error.what());
    carrier.pipe->close_out();
  }
}

// agent-K, or keeper-K where the agent itself is gone.
AgentLink& Attempt::sender_of(const Message& message) {
  const std::string_view name = message.from;
  const std::size_t dash = name.find('-');
  std::int64_t node = -1;
  if (dash != std::string_view::npos && (name.starts_with("agent-") || name.starts_with("keeper-")))
    std::from_chars(name.data() + dash + 1, name.data() + name.size(), node);
  const std::int64_t at = node - links_.front().node;
  if (node < 0 || at < 0 || at >= static_cast<std::int64_t>(links_.size()))
    throw ProtocolError("'" + message.from + "' is no agent of this run");
  return links_[static_cast<std::size_t>(at)];
}

void Attempt::dismiss(AgentLink& link) {
  if (std::exchange(link.dismissed, true)) return;
  ++link.carrier->dismissed;
  if (!link.carrier->has_no_more_to_say()) return;
  link.carrier->farewell = Clock::now();
  link.carrier->pipe->close_out();
}

void Attempt::obey(AgentLink& link, const Message& message) {
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
    auto ready = from_value<messages::Ready>(body);
    if (!std::exchange(link.ready, true)) ++ready_;
    // What its own command has given an agent is of no other launcher.
    for (const std::string& own : link.carrier->sets)
      std::erase_if(ready.scrubbed, [&own](const std::string& name) { return name.starts_with(own); });
    if (!ready.scrubbed.empty() && scrubbed_told_ != ready.scrubbed) {
      scrubbed_told_ = ready.scrubbed;
      Value detail = Value::object();
      detail.set("message", "inherited variables of another launcher were removed: " + joined(ready.scrubbed));
      detail.set("scrubbed", to_value(ready.scrubbed));
      record_.event("note", std::move(detail));
    }
    if (ready.main_port) main_port_ = *ready.main_port;
    if (link.node == 0) inherited_ = ready.inherited;
    if (ready_ == links_.size()) begin();
  } else if (type == messages::RankStarted::type) {
    const auto started = from_value<messages::RankStarted>(body);
    ++ranks_started_;
    log_begins_[started.rank] = record_.log_begin(link.node, started.rank, started.log_begin);
    Event event;
    event.kind = "rank_started";
    event.time = started.time;
    event.node = link.node;
    event.rank = started.rank;
    event.detail = Value::object();
    event.detail.set("pid", started.pid);
    record_.event(event);
    if (ranks_started_ == static_cast<std::size_t>(ranks_) && !stopping_) record_.state("running");
  } else if (type == messages::RankExited::type) {
    rank_exited(link, from_value<messages::RankExited>(body));
  } else if (type == messages::Happened::type) {
    const Event event = from_value<messages::Happened>(body).event;
    follow_progress(event);
    record_.event(event);
  } else if (type == messages::View::type) {
    const auto view = from_value<messages::View>(body);
    if (view.dropped > 0)
      record_.line(link.node, view.rank,
                   "[" + std::to_string(view.dropped) + (view.dropped == 1 ? " line is" : " lines are") + " in the log file only]");
    for (const std::string& line : view.lines) record_.line(link.node, view.rank, line);
  } else if (type == messages::Unfinished::type) {
    const auto line = from_value<messages::Unfinished>(body);
    record_.unfinished(link.node, line.rank, line.text, line.redraws);
  } else if (type == messages::Failed::type) {
    fail(from_value<messages::Failed>(body).message);
  } else if (type == messages::Interrupted::type) {
    const auto interrupted = from_value<messages::Interrupted>(body);
    asked_at_agents_ = true;
    if (asked_by_signal_ == 0 && !stopping_) asked_by_signal_ = static_cast<int>(interrupted.signal), agents_told_ = true;
    else if (stopping_) interrupted_ = static_cast<int>(interrupted.signal);
    stop_all(plan_.job.stop.signal, plan_.job.stop.grace.seconds,
             "SIG" + signal_name(static_cast<int>(interrupted.signal)) + " to the agent");
  } else if (type == messages::Lost::type) {
    link.lost = from_value<messages::Lost>(body);
    judge_lost(link);
    stop_all("TERM", failure_grace, loss_.empty() ? "the " + link.lost->who + " of " + name_of_node(link.node) + " was lost" : loss_);
    // To the keeper this says that its word was heard; see keeper.cpp.
    if (link.lost->who == "agent") dismiss(link);
  } else if (type == messages::Done::type) {
    link.done = true;
    for (const std::string& process : from_value<messages::Done>(body).left_behind) left_behind_.insert(process);
    dismiss(link);
  } else {
    throw ProtocolError("'" + type + "' is no message of this version");
  }
}

// One that has ended before its agents said that they would.
void Attempt::look_after(const CarrierLink& carrier) {
  if (!carrier.ended() || stopping_ || links_.size() == 1) return;
  for (std::size_t i = carrier.first; i < carrier.first + static_cast<std::size_t>(carrier.agents); ++i)
    if (!links_[i].done) {
      judge_lost(links_[i]);
      return stop_all("TERM", failure_grace, loss_);
    }
}

// An agent that answers nothing cannot tell of its ranks either.
void Attempt::watch_agent(AgentLink& link, Clock::time_point now) {
  const double stall = stall_->seconds;
  if (link.done || link.ended()) return;
  const double silent = std::chrono::duration<double>(now - link.heard).count();
  if (silent < stall || std::exchange(link.silence_told, true)) return;
  Value detail = Value::object();
  detail.set("seconds", silent);
  detail.set("node", link.node);
  detail.set("message", silent_agent_message(link.node, link.agent_pid, silent));
  record_.event("stalled", std::move(detail));
}

void Attempt::follow_progress(const Event& event) {
  if (event.kind == "step" || event.kind == "first_step") {
    const Value* step = event.detail.find("step");
    if (step && step->is_integer()) progress_.step = std::max(progress_.step.value_or(0), step->as_integer());
  } else if (event.kind == "checkpoint") {
    if (const Value* path = event.detail.find("path"); path && path->is_string()) progress_.checkpoint = path->as_string();
  }
}

void Attempt::rank_exited(AgentLink& link, const messages::RankExited& exit) {
  RankEnd end;
  end.rank = exit.rank;
  end.time = exit.time - link.clock_offset;
  end.uncertainty = link.clock_uncertainty;
  end.status = exit.signal ? ExitStatus{true, static_cast<int>(*exit.signal)} : ExitStatus{false, static_cast<int>(exit.code.value_or(0))};
  end.out_of_memory = exit.out_of_memory;
  end.core = exit.core;
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
  if (!exit.core.empty()) event.detail.set("core", exit.core);
  if (exit.by_us) event.detail.set("told_to_end", true);
  record_.event(event);

  const bool failed = !end.status.good();
  ends_.push_back(std::move(end));
  if (failed && !stopping_) stop_all("TERM", failure_grace, described_on_node(ends_.back()));
}

void Attempt::keep_time() {
  const Clock::time_point now = Clock::now();
  for (std::size_t i = 0; greeted_ < links_.size() && i < links_.size(); ++i) {
    AgentLink& link = links_[i];
    if (link.greeted || link.ended() || now - started_ < std::chrono::duration<double>(agent_patience)) continue;
    fail("the agent of " + name_of_node(link.node) + " did not answer within " + std::to_string(static_cast<int>(agent_patience)) + " s");
    link.greeted = true;
    ++greeted_;
    give_up_at_ = now;
  }
  // Whoever was stopped, as a suspended job is, has heard nothing for that long, and missed nothing.
  if (const Clock::duration away = now - std::exchange(turned_, now); away > longest_turn)
    for (AgentLink& link : links_) link.heard = std::min(now, link.heard + away);
  for (AgentLink* link : here_)
    if (stopping_ || link->halved()) link->wardens.wake();
  for (const auto& carrier : carrier_links_) {
    look_after(*carrier);
    ping(*carrier, now);
  }
  // With thousands of them a look at each takes longer than most of what there is to do in between.
  if (now - agents_looked_at_ >= look_at_agents_every) {
    agents_looked_at_ = now;
    for (const auto& carrier : carrier_links_) {
      if (carrier->ended() || !(stopping_ || carrier->has_no_more_to_say())) continue;
      // One that is stopped does not end; on this machine it is the keeper.
      if (const std::optional<ProcessEntry> process = process_entry(carrier->pid)) wake_process(*process);
      const double patience = std::min(options_.lease, farewell_patience);
      if (patience > 0 && carrier->has_no_more_to_say() && now - carrier->farewell > std::chrono::duration<double>(patience))
        let_go(*carrier);
    }
    for (AgentLink& link : links_) {
      const double silent = std::chrono::duration<double>(now - link.heard).count();
      if (options_.lease > 0 && link.greeted && !link.done && !link.dismissed && !link.ended() && silent > options_.lease)
        give_up(link, silent);
      if (stall_ && begun_ && !stopping_) watch_agent(link, now);
    }
  }
  look_overruled(now);
  if (deadline_ && now >= *deadline_ && !stopping_) {
    out_of_time_ = true;
    stop_all(plan_.job.stop.signal, plan_.job.stop.grace.seconds, time_limit_in_words(plan_, options_) + " is reached");
  }
  // A carrier waits for each of its agents, also for one that nothing is heard of.
  const bool heard_out = std::all_of(links_.begin(), links_.end(), [](const AgentLink& link) { return link.done || link.ended(); });
  if (give_up_at_ && given_up_ && heard_out) give_up_at_ = std::min(*give_up_at_, now + carrier_patience);
  if (!give_up_at_ || now < *give_up_at_) return;
  // They do not answer. Locally the sweep ends what is left; elsewhere the closed pipe does.
  for (const AgentLink& link : links_)
    if (!link.carrier->exit && !link.done && loss_.empty()) loss_ = "the agent of " + name_of_node(link.node) + " did not end in time";
  for (const auto& carrier : carrier_links_) {
    if (carrier->exit) continue;
    carrier->pipe->close_out();
    if (kill(carrier->pid, SIGKILL) == 0) give_up_at_ = now + 1s;
  }
  if (std::all_of(carrier_links_.begin(), carrier_links_.end(), [](const auto& carrier) { return carrier->exit.has_value(); })) {
    end_processes_with_variable("FABRIC_RUN_ID=" + record_.directory().id(), 2s);
    for (const auto& carrier : carrier_links_) carrier->pipe->stop_reading();
  }
}

void Attempt::stop_all(const std::string& signal, double grace, const std::string& why) {
  const Clock::time_point limit = Clock::now() + clock_time(grace + ending_patience);
  give_up_at_ = give_up_at_ ? std::min(*give_up_at_, limit) : limit;
  if (!std::exchange(stopping_, true)) {
    Value detail = Value::object();
    detail.set("why", why);
    record_.event("stopping", std::move(detail));
    record_.state("stopping");
  }
  for (const auto& carrier : carrier_links_) carrier->pipe->send(messages::StopRanks{signal, grace});
}

void Attempt::fail(const std::string& message) {
  if (failure_.empty()) failure_ = message;
  stop_all("TERM", failure_grace, message);
}

// An agent that hears nothing of us for the lease has ended its ranks; one that is not heard for as long is gone, or cannot be told apart
// from one that is.
void Attempt::give_up(AgentLink& link, double silent) {
  if (loss_.empty())
    loss_ = "nothing was heard of the agent of " + name_of_node(link.node) + " for " + Duration{std::floor(silent)}.str() +
            ": its host or the way to it is gone";
  dismiss(link);
  link.done = given_up_ = true;
  const std::string why = loss_;
  if (!link.carrier->shared()) let_go(*link.carrier);
  stop_all("TERM", failure_grace, why);
}

// Of ssh another process holds the pipe open, that of the connection, which may be what hangs.
void Attempt::let_go(CarrierLink& carrier) {
  if (!carrier.exit) kill(carrier.pid, SIGKILL);
  carrier.pipe->stop_reading();
}

std::string Attempt::name_of_node(std::int64_t node) const {
  const NodeOptions* own = own_options_of(node);
  return "node " + std::to_string(node) + (own && !own->host.empty() ? " (" + own->host + ')' : "");
}

std::string Attempt::described_on_node(const RankEnd& end) const {
  const std::optional<RankSeat> seat = seat_of(plan_, end.rank);
  const NodeOptions* own = seat ? own_options_of(seat->node) : nullptr;
  return describe(end, own ? own->host : "");
}

void Attempt::look_overruled(Clock::time_point now) {
  if (!options_.overruled || now - overruled_looked_at_ < overruled_look_every) return;
  overruled_looked_at_ = now;
  const std::optional<Overruling> found = options_.overruled();
  if (!found || (overruled_ && overruled_->grace == found->grace)) return;
  overruled_ = found;
  using Grace = Overruling::Grace;
  hurried_ = hurried_ || found->grace == Grace::none;
  if (found->grace == Grace::of_job) stop_all(plan_.job.stop.signal, plan_.job.stop.grace.seconds, found->why);
  else stop_all(found->grace == Grace::none ? "KILL" : "TERM", found->grace == Grace::none ? 0 : failure_grace, found->why);
}

// What became of a pair that did not end by the word `done`.
void Attempt::judge_lost(AgentLink& link) {
  if (!loss_.empty()) return;
  const std::string node = " of " + name_of_node(link.node) + ' ';
  if (link.carrier->shared() && link.carrier->exit && !link.carrier->exit->good() && !link.done) {
    loss_ = '`' + link.carrier->name + "`, which carries the agents, " + link.carrier->exit->str();
    return;
  }
  if (link.lost && link.lost->who == "agent") {
    const ExitStatus status = link.lost->signal ? ExitStatus{true, static_cast<int>(*link.lost->signal)}
                                                : ExitStatus{false, static_cast<int>(link.lost->code.value_or(0))};
    loss_ = "the agent" + node + status.str();
  } else if (link.carrier->exit && !link.carrier->exit->good() && link.carrier->explain && !link.lost && !link.done) {
    loss_ = link.carrier->explain(*link.carrier->exit);
    if (failure_.empty() && !link.greeted)
      for (const std::string& line : link.carrier->pipe->reader().noise()) loss_ += "\n" + line;
  } else if (link.carrier->exit && !link.carrier->exit->good() && (link.lost || !link.done)) {
    loss_ = "the keeper" + node + link.carrier->exit->str();
  } else if (link.ended() && link.lost) {
    loss_ = "the agent" + node + "lost its " + link.lost->who;
  } else if (link.ended() && !link.done && failure_.empty()) {
    loss_ = "the agent" + node + "ended without a word";
    // A controller that was held up may have been taken for lost.
    if (const std::string noted = noted_loss(record_.directory().path(), link.node); !noted.empty()) loss_ += ": " + noted;
    for (const std::string& line : link.carrier->pipe->reader().noise()) loss_ += "\n" + line;
  }
}

void Attempt::sweep() {
  std::vector<ProcessEntry> left = end_processes_with_variable("FABRIC_RUN_ID=" + record_.directory().id(), 5s);
  // Orphans whose keeper and agent both died have fallen to us, with whatever variables; but so has what was there before the run.
  if (left.empty() && surroundings_.has_only_the_run()) left = end_descendants(5s);
  for (const ProcessEntry& process : left) left_behind_.insert(described(process));
  while (waitpid(-1, nullptr, WNOHANG) > 0) {}
}

Outcome Attempt::outcome() {
  Outcome out;
  out.asked_for = asked_by_signal_ != 0 || overruled_;
  out.asked_at_agents = asked_at_agents_;
  const std::optional<RootCause> cause = root_cause(ends_);
  if (!failure_.empty()) {
    out.exit_code = fabric_failed;
    out.verdict = ranks_started_ == 0 ? "refused" : "failed";
    out.message = failure_;
  } else if (overruled_) {
    out.exit_code = 128 + SIGTERM;
    out.verdict = "stopped";
    out.message = overruled_->why;
  } else if (!loss_.empty()) {
    out.exit_code = fabric_failed;
    out.verdict = "lost";
    out.message = loss_;
  } else if (asked_by_signal_ != 0 || out_of_time_) {
    out.exit_code = asked_by_signal_ != 0 ? 128 + asked_by_signal_ : time_is_up;
    out.verdict = "stopped";
    out.message = asked_by_signal_ != 0 ? "stopped by SIG" + signal_name(asked_by_signal_) : "stopped at " + time_limit_in_words(plan_, options_);
    // A rank that did not stop in order has perhaps saved nothing.
    const auto killed = std::count_if(ends_.begin(), ends_.end(), [](const RankEnd& end) {
      return end.by_us && end.status == ExitStatus{true, SIGKILL};
    });
    if (cause && !cause->end.by_us) {
      out.message += ", and " + described_on_node(cause->end);
    } else if (killed > 0) {
      out.message += ranks_ == 1 ? ", and the rank " : ", and " + std::to_string(killed) + " of " + std::to_string(ranks_) + " ranks ";
      out.message += std::string(hurried_ ? "" : "did not leave within the grace and ") + (killed == 1 ? "was" : "were") + " killed";
    }
  } else if (cause) {
    out.exit_code = cause->end.status.shell_code();
    out.verdict = "failed";
    out.message = described_on_node(cause->end);
    if (!cause->rule.empty()) out.message += " (" + cause->rule + ")";
    out.culprit = cause->end.rank;
    culprit_ = cause->end.status;
    if (const std::optional<RankSeat> seat = seat_of(plan_, cause->end.rank)) {
      out.log = record_.directory().rank_file(seat->node, cause->end.rank, ".log");
      out.log_begin = log_begins_[cause->end.rank];
      out.last_lines = last_lines(out.log, Outcome::most_lines, out.log_begin);
    }
  } else if (ends_.size() < static_cast<std::size_t>(ranks_)) {
    out.exit_code = fabric_failed;
    out.verdict = "lost";
    out.message = "nothing was heard of the end of " + std::to_string(ranks_ - static_cast<std::int64_t>(ends_.size())) + " of " +
                  std::to_string(ranks_) + " ranks";
  } else {
    out.verdict = "finished";
  }
  if (!left_behind_.empty()) {
    out.message += (out.message.empty() ? "" : "; ") + std::string("left, since it could not be ended:");
    for (const char* comma = " "; const std::string& process : left_behind_) out.message += std::exchange(comma, ", ") + process;
  }
  return out;
}

}  // namespace fabric
