#include "launch_backends/node_agent.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <utility>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/keeper.hpp"
#include "launch_backends/lost_run.hpp"
#include "launch_backends/out_of_memory.hpp"
#include "launch_backends/port_watch.hpp"
#include "launch_backends/process_tree.hpp"
#include "launch_backends/rank_error.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;

constexpr auto look_every = 20ms;                // at what ranks write
constexpr double loss_grace = 1;                 // seconds, when controller or keeper is lost
constexpr auto meeting_look_every = 250ms;       // whether ranks meet
constexpr double sample_apart = 0.5;             // seconds between two looks at silent ranks
constexpr auto clearing_grace = 500ms;           // for what ranks have left behind
constexpr auto locking_limit = 20s;              // for an earlier attempt to be gone
constexpr auto ending_limit = 5s;                // for the kernel to end what was killed
constexpr std::size_t most_waiting = 256 << 10;  // bytes on their way to the controller before views and events wait in their files
constexpr std::size_t most_at_once = 64 << 10;   // bytes of a rank's file in one look
constexpr int store_descriptor = 3;              // its number in rank 0

FileDescriptor watch_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  FileDescriptor signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) throw std::system_error(errno, std::generic_category(), "signalfd");
  return signals;
}

std::string own_host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

// What an earlier attempt wrote to a log may end in half a line.
void end_half_line(const std::string& log) {
  const FileDescriptor file(open(log.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY));
  const off_t size = file ? lseek(file.get(), 0, SEEK_END) : 0;
  char last = '\n';
  if (size > 0 && pread(file.get(), &last, 1, size - 1) == 1 && last != '\n') [[maybe_unused]]
    const ssize_t n = write(file.get(), "\n", 1);
}

// Who holds the lock of a node has written the numbers of its processes into it: those that are still there, as words of a command.
std::string holders(int lock) {
  char text[128] = {};
  if (pread(lock, text, sizeof text - 1, 0) <= 0) return "";
  std::string living;
  std::istringstream numbers(text);
  for (pid_t pid; numbers >> pid;) {
    const std::optional<ProcessEntry> entry = process_entry(pid);
    if (entry && !entry->ended && (entry->name == "fabric-agent" || entry->name == "fabric-keeper")) living += ' ' + std::to_string(pid);
  }
  return living;
}

}  // namespace

NodeAgent::NodeAgent(AgentIdentity identity, FileDescriptor in, FileDescriptor out, FileDescriptor keeper)
    : identity_(std::move(identity)),
      pipe_(std::move(in), std::move(out), "agent-" + std::to_string(identity_.node), identity_.nonce, identity_.generation),
      keeper_(std::move(keeper)),
      signals_(watch_signals()),
      host_(own_host_name()) {}

int NodeAgent::run() {
  messages::Hello hello;
  hello.nonce = identity_.nonce;
  hello.host = host_;
  hello.agent_pid = getpid();
  hello.keeper_pid = identity_.keeper;
  pipe_.send(hello);
  while (phase_ != Phase::done || pipe_.wants_to_write()) {
    wait();
    hear_signals();
    hear_controller();
    reap();
    follow_ranks();
    keep_time();
    pipe_.flush();
  }
  // What the controller may have said meanwhile is taken, so that no carrier complains of unread bytes.
  pipe_.receive();
  return pipe_.out() >= 0 || controller_lost_ ? 0 : 1;
}

void NodeAgent::wait() {
  pollfd watched[] = {{signals_.get(), POLLIN, 0},
                      {pipe_.in(), POLLIN, 0},
                      {pipe_.wants_to_write() ? pipe_.out() : -1, POLLOUT, 0},
                      {keeper_.get(), POLLIN, 0}};
  if (poll(watched, 4, wait_milliseconds()) < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
  if (watched[3].revents & (POLLHUP | POLLERR | POLLIN)) {
    keeper_.reset();
    lose_keeper();
  }
}

int NodeAgent::wait_milliseconds() const {
  if (phase_ == Phase::locking || phase_ == Phase::running || phase_ == Phase::clearing)
    return static_cast<int>(std::chrono::milliseconds(look_every).count());
  return job_.lease > 0 ? 1000 : -1;
}

void NodeAgent::hear_signals() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCHLD || phase_ == Phase::done) continue;
    messages::Interrupted interrupted;
    interrupted.signal = signal;
    pipe_.send(interrupted);
    stop(job_.stop_signal, job_.stop_grace);
  }
}

void NodeAgent::hear_controller() {
  if (pipe_.ended()) return;
  pipe_.receive();
  try {
    while (std::optional<Message> message = pipe_.next()) {
      heard_ = Clock::now();
      obey(*message);
    }
  } catch (const std::exception& error) {
    // A controller that cannot be understood cannot be obeyed, nor told.
    fail(error.what());
  }
  if (pipe_.ended()) lose_controller();
}

void NodeAgent::obey(const Message& message) {
  const std::string type = message.type();
  if (type == messages::Greet::type) return;
  if (type == messages::Ping::type) {
    messages::Pong pong;
    pong.ping = from_value<messages::Ping>(message.body).time;
    pong.time = now_seconds();
    pipe_.send(pong);
  } else if (type == messages::Prepare::type && phase_ == Phase::waiting) {
    prepare(from_value<messages::Prepare>(message.body));
  } else if (type == messages::Start::type && phase_ == Phase::prepared) {
    start(from_value<messages::Start>(message.body));
  } else if (type == messages::StopRanks::type) {
    const auto order = from_value<messages::StopRanks>(message.body);
    stop(order.signal, order.grace);
  } else {
    throw ProtocolError("'" + type + "' came where it has no meaning");
  }
}

void NodeAgent::prepare(messages::Prepare order) {
  job_ = std::move(order);
  try {
    std::filesystem::create_directories(node_file(""));
    const std::string path = node_file("lock");
    node_lock_.reset(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!node_lock_) throw std::system_error(errno, std::generic_category(), "cannot lock " + path);
    phase_ = Phase::locking;
    locking_since_ = Clock::now();
    take_node();
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

// The lock of a node is held for as long as an agent or its keeper lives. Those of an earlier attempt may still be ending its ranks,
// after its controller was killed; how long that may take is known from their limits.
void NodeAgent::take_node() {
  if (flock(node_lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw std::system_error(errno, std::generic_category(), "cannot lock " + node_file("lock"));
    const auto waited = Clock::now() - locking_since_;
    const std::string left = "processes of an earlier attempt of this run are still on node " + std::to_string(identity_.node);
    if (waited > 1s && !std::exchange(locking_named_, true)) note(std::nullopt, left + "; the ranks start when they have ended");
    if (waited < locking_limit) return;
    const std::string pids = holders(node_lock_.get());
    throw std::runtime_error(left + ": end them with `" + (pids.empty() ? "fuser -k " + node_file("lock") : "kill -9" + pids) +
                             "` there and resume again");
  }
  const std::string own = std::to_string(getpid()) + ' ' + std::to_string(identity_.keeper) + '\n';
  if (ftruncate(node_lock_.get(), 0) != 0 || pwrite(node_lock_.get(), own.data(), own.size(), 0) < 0)
    throw std::system_error(errno, std::generic_category(), "cannot write " + node_file("lock"));
  holds_node_ = true;
  // Left by an earlier attempt.
  std::filesystem::remove(node_file("stop"));
  std::filesystem::remove(node_file("lost.json"));
  messages::Ready ready;
  if (job_.binds_port) {
    port_ = reserve_port(job_.main_address, job_.main_port, uses(job_.group.rank, Binding::store_fd));
    ready.main_port = port_.port;
  }
  environment_ = own_environment();
  file_variables_ = variables_of_file(job_.group.rank);
  ready.scrubbed = scrubbed_names(job_.group.rank, environment_);
  if (!tell_keeper(keeper_.get(), job_.run_id, job_.run_directory, node_lock_.get())) return lose_keeper();
  phase_ = Phase::prepared;
  pipe_.send(ready);
}

void NodeAgent::start(const messages::Start& order) {
  phase_ = Phase::running;
  last_sign_ = Clock::now();
  kills_for_memory_ = out_of_memory_kills();
  try {
    ranks_.reserve(static_cast<std::size_t>(job_.group.ranks_per_node));
    for (std::int64_t local = 0; local < job_.group.ranks_per_node; ++local) start_rank(local, order.main_port);
  } catch (const std::exception& error) {
    fail(error.what());
  }
  // It is rank 0's now: a second holder would let peers connect to nobody after its death.
  if (uses(job_.group.rank, Binding::store_fd)) port_.socket.reset();
}

void NodeAgent::start_rank(std::int64_t local_rank, std::int64_t main_port) {
  RankPlace place;
  place.main_address = job_.main_address;
  place.main_port = main_port;
  place.role_address = job_.main_address;
  place.devices = device_names(job_.device_ids, environment_);
  place.node_name = host_;
  place.node_rank = job_.node;
  place.local_rank = local_rank;
  place.rank = job_.group.first_rank + (job_.node - job_.group.first_node) * job_.group.ranks_per_node + local_rank;
  place.attempt = job_.attempt;
  place.resume_path = job_.resume_path;
  place.run_id = job_.run_id;
  place.run_directory = job_.run_directory;
  const std::string name = "rank-" + std::to_string(place.rank);
  place.events_file = node_file(name + ".events.jsonl");
  place.error_file = node_file(name + ".error.json");
  std::filesystem::remove(place.error_file);  // of an earlier attempt
  place.stop_file = node_file("stop");
  const bool hosts_store = place.rank == 0 && port_.socket && uses(job_.group.rank, Binding::store_fd);
  if (hosts_store) place.store_fd = store_descriptor;

  const std::string log = node_file(name + ".log");
  end_half_line(log);
  Rank rank{.number = place.rank, .pid = 0, .log = LogTail(log), .events = EventTail(place.events_file)};
  const FileDescriptor output(open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666));
  rank.log_begin = rank.log.size();
  if (!output) throw std::system_error(errno, std::generic_category(), "cannot write " + log);
  BoundRank bound = bind_rank(job_.group.rank, place, environment_, file_variables_);
  ProcessStart process;
  process.argv = std::move(bound.argv);
  process.env = std::move(bound.env);
  process.cwd = std::move(bound.cwd);
  process.descriptors = {{output.get(), 1}, {output.get(), 2}};
  if (hosts_store) process.descriptors.emplace_back(port_.socket.get(), store_descriptor);
  process.new_session = true;
  process.parent_death_signal = SIGKILL;
  rank.pid = start_process(process);

  messages::RankStarted started;
  started.rank = rank.number;
  started.pid = rank.pid;
  started.time = now_seconds();
  started.log_begin = rank.log_begin;
  ranks_.push_back(std::move(rank));
  pipe_.send(started);
}

void NodeAgent::stop(const std::string& signal, double grace) {
  if (phase_ == Phase::waiting || phase_ == Phase::locking || phase_ == Phase::prepared) {
    finish();
    return;
  }
  if (phase_ != Phase::running) return;
  const Clock::time_point at = Clock::now() + clock_time(grace);
  const bool first = !kill_at_;
  kill_at_ = first ? at : std::min(*kill_at_, at);
  if (grace <= 0) {
    kill_ranks();
  } else if (first) {
    const FileDescriptor stop_file(open(node_file("stop").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    stop_signal_ = signal_number(signal).value_or(SIGTERM);
    signal_ranks(stop_signal_);
  }
}

void NodeAgent::signal_ranks(int signal) {
  // The group of a rank that is not reaped yet cannot be another's.
  for (const Rank& rank : ranks_)
    if (rank.pid != 0) kill(-rank.pid, signal);
}

void NodeAgent::kill_ranks() {
  killing_ = true;
  signal_ranks(SIGKILL);
  for (const ProcessEntry& process : living_descendants(getpid())) signal_process(process, SIGKILL);
}

void NodeAgent::reap() {
  for (;;) {
    int wait_status = 0;
    const pid_t pid = waitpid(-1, &wait_status, WNOHANG);
    if (pid <= 0) return;
    const auto rank = std::find_if(ranks_.begin(), ranks_.end(), [pid](const Rank& r) { return r.pid == pid; });
    if (rank == ranks_.end()) continue;
    const ExitStatus status = ExitStatus::of(wait_status);
    rank->pid = 0;
    rank->ended = true;
    last_sign_ = Clock::now();
    rank->log_end = rank->log.size();
    rank->events_end = rank->events.size();
    messages::RankExited& exit = rank->exit;
    exit.rank = rank->number;
    exit.time = now_seconds();
    (status.by_signal ? exit.signal : exit.code) = status.number;
    const bool sent = status.by_signal && (status.number == stop_signal_ || (killing_ && status.number == SIGKILL));
    exit.by_us = (stop_signal_ != 0 || killing_) && (sent || !status.by_signal);
    if (status == ExitStatus{true, SIGKILL} && !exit.by_us) {
      const std::optional<std::int64_t> kills = out_of_memory_kills();
      exit.out_of_memory = kills && kills_for_memory_ && *kills > *kills_for_memory_;
      kills_for_memory_ = kills;
    }
  }
}

void NodeAgent::follow_ranks() {
  for (Rank& rank : ranks_) {
    if (rank.told || pipe_.waiting_bytes() >= most_waiting) continue;
    do follow(rank);
    while (rank.ended && !rank.told && pipe_.waiting_bytes() < most_waiting);
  }
  if (phase_ == Phase::running && all_told()) {
    phase_ = Phase::clearing;
    if (has_children())
      for (const ProcessEntry& process : living_descendants(getpid())) signal_process(process, SIGTERM);
    clear_by_ = killing_ ? Clock::now() : Clock::now() + clearing_grace;
  }
}

void NodeAgent::follow(Rank& rank) {
  for (Event& event : rank.events.read(most_at_once, rank.ended)) {
    event.node = identity_.node;
    event.rank = rank.number;
    if (const Value* step = event.detail.find("step"); step && step->is_integer()) rank.step = step->as_integer();
    if (event.kind == "error") {
      const auto text = [&event](std::string_view key) {
        const Value* value = event.detail.find(key);
        return value && value->is_string() ? value->as_string() : std::string();
      };
      rank.exit.error_class = text("class");
      rank.exit.error_message = text("message");
    }
    pipe_.send(messages::Happened{std::move(event)});
  }
  // What a rank was writing when it was ended is half a line: nobody's mistake.
  const bool cut_short = rank.ended && (rank.exit.signal || rank.exit.by_us);
  if (rank.events.take_malformed(cut_short) > 0 && !std::exchange(rank.malformed_named, true))
    note(rank.number, "the events file of rank " + std::to_string(rank.number) +
                          " has lines that are no events (a JSON object with `kind`); they are passed over");
  LogTail::Lines lines = rank.log.read(most_at_once, rank.ended);
  if (!lines.lines.empty() || lines.dropped > 0) pipe_.send(messages::View{rank.number, lines.dropped, std::move(lines.lines)});
  // What a rank said comes before its end, however far the controller is behind.
  if (rank.ended && rank.events.offset() >= rank.events_end && rank.log.offset() >= rank.log_end) {
    explain_exit(rank);
    pipe_.send(rank.exit);
    rank.told = true;
  }
}

// A script that never joins the others, as one for Lightning's Fabric without launch(), trains once in each rank and ends well.
void NodeAgent::watch_meeting() {
  meeting_looked_at_ = Clock::now();
  if (job_.expects_meeting && !met_) met_ = port_is_used(port_.port);
}

// Two samples of what each rank does, some time apart, tell who computes.
void NodeAgent::watch_silence() {
  const Clock::time_point now = Clock::now();
  for (Rank& rank : ranks_) {
    const std::int64_t bytes = rank.log.size() + rank.events.size();
    if (std::exchange(rank.heard_bytes, bytes) != bytes) last_sign_ = now;
  }
  if (kill_at_ || now - last_sign_ < std::chrono::duration<double>(job_.stall)) {
    sampled_at_.reset();
    return;
  }
  if (!sampled_at_) {
    sampled_at_ = now;
    for (Rank& rank : ranks_) rank.sample = sample_process(rank.pid);
    return;
  }
  const double apart = std::chrono::duration<double>(now - *sampled_at_).count();
  if (apart < sample_apart) return;
  std::vector<RankActivity> activities;
  std::vector<std::int64_t> ended;
  for (const Rank& rank : ranks_) {
    if (rank.ended) {
      ended.push_back(rank.number);
      continue;
    }
    const ProcessSample sample = sample_process(rank.pid);
    activities.push_back(
        {rank.number, rank.pid, sample.state, (sample.cpu_seconds - rank.sample.cpu_seconds) / apart, sample.system_call, rank.step});
  }
  const double silent = std::chrono::duration<double>(now - last_sign_).count();
  const std::optional<Suspect> suspect = find_suspect(activities, job_.group.accelerator);
  Event event;
  event.kind = "stalled";
  event.time = now_seconds();
  event.node = identity_.node;
  event.detail = Value::object();
  event.detail.set("seconds", silent);
  event.detail.set("message", stall_message(silent, activities, ended, job_.group.accelerator));
  event.detail.set("suspect", suspect ? Value(suspect->rank) : Value());
  pipe_.send(messages::Happened{std::move(event)});
  // Said again after as much silence once more.
  last_sign_ = now;
}

// What a failed rank left behind says more than its exit code.
void NodeAgent::explain_exit(Rank& rank) {
  messages::RankExited& exit = rank.exit;
  if (!exit.code || *exit.code == 0 || !exit.error_message.empty()) return;
  const std::string name = "rank-" + std::to_string(rank.number);
  std::optional<RankError> error = read_error_file(node_file(name + ".error.json"));
  // 1 is what an uncaught exception gives; one that was caught explains no other.
  if (!error && *exit.code == 1) error = find_traceback(last_lines(node_file(name + ".log"), 200, rank.log_begin));
  if (!error) return;
  exit.error_class = error->error_class;
  exit.error_message = error->message;
}

void NodeAgent::note(std::optional<std::int64_t> rank, const std::string& message) {
  Event event;
  event.kind = "note";
  event.time = now_seconds();
  event.node = identity_.node;
  event.rank = rank;
  event.detail = Value::object();
  event.detail.set("message", message);
  pipe_.send(messages::Happened{std::move(event)});
}

bool NodeAgent::all_told() const {
  return std::all_of(ranks_.begin(), ranks_.end(), [](const Rank& rank) { return rank.told; });
}

void NodeAgent::keep_time() {
  const Clock::time_point now = Clock::now();
  if (phase_ != Phase::done && job_.lease > 0 && !controller_lost_ && now - heard_ > std::chrono::duration<double>(job_.lease))
    lose_controller();
  if (phase_ == Phase::locking) {
    try {
      take_node();
    } catch (const std::exception& error) {
      fail(error.what());
    }
  }
  if (phase_ == Phase::running && job_.stall > 0) watch_silence();
  if (phase_ == Phase::running && now - meeting_looked_at_ > meeting_look_every) watch_meeting();
  if (phase_ == Phase::running && kill_at_ && now >= *kill_at_) kill_ranks();
  if (phase_ == Phase::clearing) clear();
}

void NodeAgent::clear() {
  if (has_children() && Clock::now() < *clear_by_) return;
  finish();
}

void NodeAgent::finish() {
  const auto ended_well = [](const Rank& rank) { return rank.exit.code == 0 && !rank.exit.by_us; };
  if (phase_ == Phase::clearing && job_.expects_meeting && std::all_of(ranks_.begin(), ranks_.end(), ended_well)) {
    // A closed connection stays in the kernel's table for a while.
    watch_meeting();
    if (!met_)
      note(std::nullopt, "nobody was seen to use " + job_.main_address + ':' + std::to_string(port_.port) +
                             " (MASTER_ADDR, MASTER_PORT): unless the ranks meet in another way, these were " +
                             std::to_string(ranks_.size()) + " independent processes");
  }
  messages::Done done;
  const auto name = [&done](const std::vector<ProcessEntry>& left) {
    for (const ProcessEntry& process : left) done.left_behind.push_back(std::to_string(process.pid) + ' ' + process.name);
  };
  name(end_descendants(ending_limit));
  if ((keeper_lost_ || controller_lost_) && !job_.run_id.empty())
    name(end_processes_with_variable("FABRIC_RUN_ID=" + job_.run_id, ending_limit));
  pipe_.send(done);
  phase_ = Phase::done;
  if (controller_lost_ && identity_.node == 0) close_lost_run(job_.run_directory, job_.attempt, loss());
}

void NodeAgent::fail(const std::string& message) {
  if (phase_ == Phase::done || std::exchange(failed_, true)) return;
  pipe_.send(messages::Failed{message});
  if (phase_ == Phase::running && !ranks_.empty()) stop("TERM", loss_grace);
  else finish();
}

void NodeAgent::lose_keeper() {
  if (phase_ == Phase::done || std::exchange(keeper_lost_, true)) return;
  messages::Lost lost;
  lost.nonce = identity_.nonce;
  lost.who = "keeper";
  pipe_.send(lost);
  stop("TERM", loss_grace);
}

void NodeAgent::lose_controller() {
  if (phase_ == Phase::done || std::exchange(controller_lost_, true)) return;
  pipe_.close_out();
  // Before that the folder of the node is another's.
  if (holds_node_) note_loss(job_.run_directory, identity_.node, loss());
  stop("TERM", loss_grace);
}

std::string NodeAgent::loss() const {
  const std::string ranks = "the ranks of node " + std::to_string(identity_.node);
  if (!holds_node_) return "the controller was lost before " + ranks + " were started";
  return std::string(keeper_lost_ ? "the keeper and the controller were lost" : "the controller was lost") + "; " + ranks + " were ended";
}

std::string NodeAgent::node_file(const std::string& name) const {
  return job_.run_directory + "/nodes/" + std::to_string(identity_.node) + '/' + name;
}

}  // namespace fabric
