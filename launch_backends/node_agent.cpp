#include "launch_backends/node_agent.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/core_dump.hpp"
#include "launch_backends/debugged_rank.hpp"
#include "launch_backends/keeper.hpp"
#include "launch_backends/leftovers.hpp"
#include "launch_backends/lost_run.hpp"
#include "launch_backends/open_files.hpp"
#include "launch_backends/process_tree.hpp"
#include "launch_backends/replace_file.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;

constexpr auto look_early = 10ms;                // at what ranks write, before it is worth a watch
constexpr auto early_time = 1s;                  // in which a wrapper may move a rank into another control group, too
constexpr auto look_apart = 15ms;                // with a watch, as soon as they do
constexpr auto look_every = 20ms;                // where it cannot be known that they do, and for what else takes time
constexpr auto look_anyway = 100ms;              // where it can
constexpr double loss_grace = 1;                 // seconds, when controller or keeper is lost
constexpr auto groups_look_every = 500ms;        // later
constexpr auto meeting_look_every = 250ms;       // whether ranks meet
constexpr auto clearing_grace = 500ms;           // for what ranks have left behind
constexpr auto locking_limit = 20s;              // beyond the lease, for an earlier attempt to be gone
constexpr auto longest_pause = 3s;               // from one look at the clock to the next, of a process that is not stopped
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
  // A keeper that is stopped would stay, and hold up its controller.
  if (const std::optional<ProcessEntry> keeper = process_entry(identity_.keeper); keeper && getppid() == identity_.keeper)
    wake_process(*keeper);
  return pipe_.out() >= 0 || controller_lost_ ? 0 : 1;
}

void NodeAgent::wait() {
  pollfd watched[] = {{signals_.get(), POLLIN, 0},
                      {pipe_.in(), POLLIN, 0},
                      {pipe_.wants_to_write() ? pipe_.out() : -1, POLLOUT, 0},
                      {keeper_.get(), POLLIN, 0},
                      {watch_.descriptor(), POLLIN, 0}};
  int limit = wait_milliseconds();
  // A rank that writes without a pause is not looked at without one.
  if (const auto rest = std::chrono::ceil<std::chrono::milliseconds>(written_at_ + look_apart - Clock::now()); rest > 0ms && limit != 0) {
    watched[4].fd = -1;
    limit = limit < 0 ? static_cast<int>(rest.count()) : std::min(limit, static_cast<int>(rest.count()));
  }
  if (poll(watched, 5, limit) < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
  if (watched[3].revents & (POLLHUP | POLLERR | POLLIN)) {
    keeper_.reset();
    lose_keeper();
  }
}

int NodeAgent::wait_milliseconds() const {
  if (phase_ == Phase::running && !kill_at_ && watch_.hears_all()) return static_cast<int>(std::chrono::milliseconds(look_anyway).count());
  if (phase_ == Phase::running && !watching_) return static_cast<int>(std::chrono::milliseconds(look_early).count());
  if (phase_ == Phase::locking || phase_ == Phase::running || phase_ == Phase::clearing)
    return static_cast<int>(std::chrono::milliseconds(look_every).count());
  return lease() > 0 ? 1000 : -1;
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
      // Those who share a carrier hear what is said to the others.
      if (!messages::is_for(message->body, identity_.node)) continue;
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
    if (job_.plan) replace_file(job_.run_directory + "/plan.json", *job_.plan);
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
    if (waited < locking_limit + clock_time(lease())) return;
    std::string pids;
    for (const ProcessEntry& process : holders_of_node(node_lock_.get())) pids += ' ' + std::to_string(process.pid);
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
  if (binds_port()) {
    port_ = reserve_port(job_.main_address, job_.main_port, uses(job_.group.rank, Binding::store_fd));
    ready.main_port = port_.port;
    // A distribution may have put the machine's own name there, in /etc/hosts.
    const bool meant = job_.main_address.starts_with("127.") || job_.main_address == "localhost" || job_.main_address == "::1";
    if (job_.group.nodes > 1 && port_.loopback && !meant)
      note(std::nullopt,
           job_.main_address +
               " is a loopback address on this machine, which the others cannot reach: give main_address another name or a number");
  } else {
    check_address(job_.main_address);
  }
  std::vector<std::string> variables;
  for (const std::string& variable : job_.variables) variables.push_back(bytes_of_text(variable));
  environment_ = with_variables(own_environment(), variables);
  file_variables_ = variables_of_file(job_.group.rank);
  ready.scrubbed = scrubbed_names(job_.group.rank, environment_);
  if (identity_.node == 0) ready.inherited = inherited_of(job_.group.rank, environment_);
  if (!tell_keeper(keeper_.get(), job_.run_id, job_.run_directory, node_lock_.get())) return lose_keeper();
  phase_ = Phase::prepared;
  pipe_.send(ready);
}

void NodeAgent::start(const messages::Start& order) {
  phase_ = Phase::running;
  last_sign_ = running_since_ = Clock::now();
  try {
    open_files_ = raise_open_files(job_.group.ranks_per_node);
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
  if (uses(job_.group.rank, Binding::own_device) && local_rank >= static_cast<std::int64_t>(place.devices.size()))
    throw std::runtime_error("no GPU is bound for local rank " + std::to_string(local_rank));
  place.node_name = host_;
  place.node_rank = identity_.node;
  place.local_rank = local_rank;
  place.rank = job_.group.first_rank + (identity_.node - job_.group.first_node) * job_.group.ranks_per_node + local_rank;
  place.attempt = job_.attempt;
  place.resume_path = job_.resume_path;
  place.run_id = job_.run_id;
  place.run_directory = job_.run_directory;
  place.network_interface = job_.network_interface;
  const std::string name = "rank-" + std::to_string(place.rank);
  place.events_file = node_file(name + ".events.jsonl");
  place.error_file = node_file(name + ".error.json");
  std::filesystem::remove(place.error_file);  // of an earlier attempt
  place.stop_file = node_file("stop");
  const bool hosts_store = place.rank == 0 && port_.socket && uses(job_.group.rank, Binding::store_fd);
  if (hosts_store) place.store_fd = store_descriptor;

  const std::string log = node_file(name + ".log");
  end_half_line(log);
  Rank rank{.number = place.rank,
            .pid = 0,
            .log = LogTail(log),
            .events = EventTail(place.events_file),
            .times = LogTimes(node_file(name + ".times"))};
  const FileDescriptor output(open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666));
  rank.log_begin = rank.log.size();
  rank.events_begin = rank.events.size();
  if (!output) throw std::system_error(errno, std::generic_category(), "cannot write " + log);
  BoundRank bound = bind_rank(job_.group.rank, place, environment_, file_variables_);
  ProcessStart process;
  process.argv = std::move(bound.argv);
  process.env = std::move(bound.env);
  process.cwd = rank.cwd = std::move(bound.cwd);
  process.descriptors = {{output.get(), 1}, {output.get(), 2}};
  FileDescriptor terminal;
  if (job_.debug_rank == rank.number) terminal = give_terminal(process, job_.debug_terminal.value_or(""));
  else if (job_.debug_rank) without_breakpoints(process);
  if (hosts_store) process.descriptors.emplace_back(port_.socket.get(), store_descriptor);
  process.cpus = cpus_of(job_.group, local_rank, job_.device_ids);
  process.limits = {{RLIMIT_NOFILE, open_files_}};
  process.new_session = true;
  process.parent_death_signal = SIGKILL;
  rank.pid = start_process(process);
  rank.memory_counter = memory_kills_.look(getpid());

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
    // A rank that is stopped takes no signal before it goes on.
    signal_ranks(SIGCONT);
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
    last_sign_ = Clock::now();
    // A wrapper, such as a shell, may die at once of the signal at which its program saves: that has the rest of the grace.
    if (!killing_ && stop_signal_ != 0 && status == ExitStatus{true, stop_signal_}) rank->last_group = pid;
    else close(*rank);
    messages::RankExited& exit = rank->exit;
    exit.rank = rank->number;
    exit.time = now_seconds();
    (status.by_signal ? exit.signal : exit.code) = status.number;
    const bool sent = status.by_signal && (status.number == stop_signal_ || (killing_ && status.number == SIGKILL));
    exit.by_us = (stop_signal_ != 0 || killing_) && (sent || !status.by_signal);
    if (WCOREDUMP(wait_status)) exit.core = core_dump_of(pid, rank->cwd, status.number);
    // A shell whose only child was killed ends so.
    const bool killed = status == ExitStatus{true, SIGKILL} || status == ExitStatus{false, 128 + SIGKILL};
    exit.out_of_memory = killed && !exit.by_us && memory_kills_.take_kill(rank->memory_counter);
  }
}

void NodeAgent::close(Rank& rank) {
  rank.last_group = 0;
  rank.ended = true;
  rank.log_end = rank.log.size();
  rank.events_end = rank.events.size();
}

// Those whose wrapper has ended before its program.
void NodeAgent::close_ended() {
  const auto lives_on = [this](const Rank& rank) { return rank.last_group != 0; };
  if (std::none_of(ranks_.begin(), ranks_.end(), lives_on)) return;
  const std::vector<ProcessEntry> living = has_children() ? living_descendants(getpid()) : std::vector<ProcessEntry>();
  for (Rank& rank : ranks_) {
    const auto of_rank = [&rank](const ProcessEntry& process) { return getpgid(process.pid) == rank.last_group; };
    // What the kernel cannot end is not waited for.
    if (rank.last_group != 0 && (killing_ || std::none_of(living.begin(), living.end(), of_rank))) close(rank);
  }
}

void NodeAgent::follow_ranks() {
  if (phase_ == Phase::running && !watching_ && Clock::now() - running_since_ > early_time) {
    watching_ = true;
    for (const Rank& rank : ranks_)
      for (const char* tail : {".log", ".events.jsonl"}) watch_.add(node_file("rank-" + std::to_string(rank.number) + tail));
  }
  if (watch_.take()) written_at_ = Clock::now();
  close_ended();
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
  // Read first: a line that came between the look and the reading would be told of before the first output was.
  std::vector<Event> events = rank.events.read(most_at_once, rank.ended);
  LogTail::Lines lines = rank.log.read(most_at_once, rank.ended);
  if (!rank.spoke && rank.log.size() + rank.events.size() > rank.log_begin + rank.events_begin) {
    rank.spoke = true;
    tell("first_output", rank.number);
  }
  for (Event& event : events) {
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
  rank.times.seen(rank.log.offset(), now_seconds());
  if (job_.passes_lines && (!lines.lines.empty() || lines.dropped > 0))
    pipe_.send(messages::View{rank.number, lines.dropped, std::move(lines.lines)});
  if (job_.passes_lines && lines.unfinished)
    pipe_.send(messages::Unfinished{rank.number, lines.unfinished->text, lines.unfinished->redraws});
  // What a rank said comes before its end, however far the controller is behind.
  if (rank.ended && rank.events.offset() >= rank.events_end && rank.log.offset() >= rank.log_end) {
    rank.times.seen(rank.log.offset(), now_seconds(), true);
    explain_exit(rank);
    pipe_.send(rank.exit);
    rank.told = true;
  }
}

// A wrapper moves a rank into another control group soon after its start, if at all.
void NodeAgent::watch_groups() {
  const Clock::time_point now = Clock::now();
  if (now - groups_looked_at_ < (now - running_since_ < early_time ? look_every : groups_look_every)) return;
  groups_looked_at_ = now;
  for (Rank& rank : ranks_) {
    if (rank.pid == 0) continue;
    if (std::string counter = memory_kills_.look(rank.pid); !counter.empty()) rank.memory_counter = std::move(counter);
  }
}

void NodeAgent::tell(const char* kind, std::optional<std::int64_t> rank, Value detail) {
  Event event;
  event.kind = kind;
  event.time = now_seconds();
  event.node = identity_.node;
  event.rank = rank;
  event.detail = std::move(detail);
  pipe_.send(messages::Happened{std::move(event)});
}

void NodeAgent::note(std::optional<std::int64_t> rank, const std::string& message) {
  Value detail = Value::object();
  detail.set("message", message);
  tell("note", rank, std::move(detail));
}

bool NodeAgent::all_told() const {
  return std::all_of(ranks_.begin(), ranks_.end(), [](const Rank& rank) { return rank.told; });
}

void NodeAgent::keep_time() {
  const Clock::time_point now = Clock::now();
  // One that was stopped, as in a job that is suspended, has missed nothing: the word of its controller may still be on its way.
  if (const Clock::duration away = now - std::exchange(turned_, now); away > longest_pause) heard_ = std::min(now, heard_ + away);
  if (phase_ != Phase::done && lease() > 0 && !controller_lost_ && now - heard_ > std::chrono::duration<double>(lease())) lose_controller();
  if (phase_ == Phase::locking) {
    try {
      take_node();
    } catch (const std::exception& error) {
      fail(error.what());
    }
  }
  if (phase_ == Phase::running) watch_groups();
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
      note(std::nullopt, "nobody was seen to use " + job_.main_address + ':' + std::to_string(meeting_port()) +
                             " (MASTER_ADDR, MASTER_PORT): unless the ranks meet in another way, " +
                             (job_.group.nodes > 1 ? "those of this node were on their own"
                                                   : "these were " + std::to_string(ranks_.size()) + " independent processes"));
  }
  messages::Done done;
  const auto name = [&done](const std::vector<ProcessEntry>& left) {
    for (const ProcessEntry& process : left) done.left_behind.push_back(described(process));
  };
  name(end_descendants(ending_limit));
  if ((keeper_lost_ || controller_lost_) && !job_.run_id.empty())
    name(end_processes_with_variable("FABRIC_RUN_ID=" + job_.run_id, ending_limit));
  pipe_.send(done);
  phase_ = Phase::done;
  if (controller_lost_ && (identity_.node == 0 || job_.closes_run)) close_lost_run(job_.run_directory, job_.attempt, loss());
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
