#include "launch_backends/ssh_fleet.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/held_signals.hpp"
#include "launch_backends/open_files.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/program_digest.hpp"
#include "launch_backends/ssh_folder.hpp"
#include "launch_backends/ssh_masters.hpp"
#include "launch_backends/ssh_words.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::size_t fewest_at_once = 8;  // that are on their way; so many a sshd or a jump host always takes
constexpr std::size_t called_at_once = 16;
constexpr int most_tries = 5;
constexpr auto connecting_patience = 40s;  // of one try, with what a login needs
constexpr auto closing_patience = 2s;
constexpr const char* own_program = "/proc/self/exe";

std::string own_bytes() {
  std::ifstream in(own_program, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// What a sshd that has too many at its door says, and what a network that swallows a packet makes of it.
bool is_worth_another_try(const std::string& said) {
  constexpr std::array<std::string_view, 5> words = {"kex_exchange_identification", "ssh_exchange_identification", "Connection reset by",
                                                     "Connection closed by", "Exceeded MaxStartups"};
  return std::any_of(words.begin(), words.end(), [&](std::string_view w) { return said.find(w) != std::string::npos; });
}

std::chrono::milliseconds pause_before(int tries) {
  static std::minstd_rand random(static_cast<unsigned>(getpid()));
  return std::chrono::milliseconds((200 << std::min(tries, 4)) / 2 + static_cast<int>(random() % 400));
}

}  // namespace

SshFleet::SshFleet(std::vector<std::string> hosts, Ssh how, std::string self, FabricThere there, bool first_is_here)
    : how_(std::move(how)), self_(std::move(self)), there_(there), first_is_here_(first_is_here) {
  program_.installed = how_.fabric.value_or(self_);
  for (std::string& host : hosts) {
    links_.push_back(std::make_unique<Link>());
    links_.back()->name = std::move(host);
  }
}

SshFleet::~SshFleet() {
  if (owner_ == getpid()) close();
}

void SshFleet::close() {
  const SigpipeIgnored ignored;
  for (const auto& link : links_)
    if (link->pipe) link->pipe->close_out();
  const Clock::time_point deadline = Clock::now() + closing_patience;
  for (const auto& link : links_) {
    if (link->pid > 0) end(*link, std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
    link->pipe.reset();
  }
  std::error_code error;
  fs::remove_all(folder_, error);
}

void SshFleet::connect() {
  const SigpipeIgnored ignored;
  const EndHeldUp held_up;
  // Connections are children of the process that made them: a copy of it makes its own.
  if (owner_ != getpid()) {
    for (const auto& link : links_) {
      std::string name = std::move(link->name);
      *link = Link{};
      link->name = std::move(name);
    }
    SshFolder made = make_ssh_folder();
    folder_ = std::move(made.path);
    lock_ = std::move(made.lock);
    owner_ = getpid();
    program_.id = digest_of_this_program();
    program_.bytes = static_cast<std::int64_t>(fs::file_size(own_program));
    if (there_ == FabricThere::copied) program_.sha256 = sha256_of_this_program();
    // Each host takes some eight, its agent's included.
    own_files_ = raise_open_files(0);
    find_sockets();
  }
  const auto is_on_its_way = [](const auto& link) { return link->waits() && link->pid > 0; };
  while (std::any_of(links_.begin(), links_.end(), [](const auto& link) { return link->waits(); })) {
    if (waiting_signal() != 0)
      for (const auto& link : links_)
        if (link->waits()) refuse(*link, "not connected to any more, since the run was told to end");
    const Clock::time_point now = Clock::now();
    auto room = static_cast<std::ptrdiff_t>(at_once_) - std::count_if(links_.begin(), links_.end(), is_on_its_way);
    Clock::time_point soonest = now + 1s;
    for (const auto& link : links_) {
      if (!link->waits()) continue;
      if (link->pid > 0) {
        if (now >= link->give_up) refuse(*link, "no answer within " + std::to_string(connecting_patience.count()) + " s" + noise_of(*link));
        soonest = std::min(soonest, link->give_up);
      } else if (now >= link->next_try) {
        if (room-- > 0) start(*link);
      } else {
        soonest = std::min(soonest, link->next_try);
      }
    }
    wait(soonest);
  }
  heed_signals();
}

void SshFleet::connect_again() {
  for (const auto& link : links_)
    if (std::exchange(link->has_ended, false)) {
      link->problem.clear();
      link->tries = 0;
    }
  connect();
}

void SshFleet::find_sockets() {
  std::vector<std::string> hosts;
  for (const auto& link : links_) hosts.push_back(link->name);
  const std::vector<UsersConnection> connections = connections_of_user(how_, hosts);
  for (std::size_t i = 0; i < links_.size(); ++i) {
    links_[i]->is_users = connections[i].open;
    links_[i]->socket = links_[i]->is_users ? connections[i].socket : file_of(*links_[i], "");
  }
}

void SshFleet::start(Link& link) {
  link.nonce = make_nonce();
  link.give_up = Clock::now() + connecting_patience;
  ++link.tries;
  const std::string lease = std::to_string(std::max(how_.lease.seconds, 1.0));
  ProcessStart start;
  link.copied = false;
  link.copied_bytes.reset();
  const bool copies = there_ == FabricThere::copied;
  // One that was looked at is there; one that is only believed to be there is not to be made.
  const SshRole role = !link.is_users ? SshRole::master : link.socket.empty() ? SshRole::guest_only : SshRole::guest;
  if (is_here(link)) start.argv = {self_, "host", "--nonce", link.nonce, "--lease", lease};
  else
    start.argv = ssh_words(how_, role, link.socket, link.name,
                           start_program(program_, "host --nonce " + link.nonce + " --lease " + lease, copies, link.nonce));
  start.env = own_environment();
  DescriptorPair to = make_pipe(), from = make_pipe();
  const FileDescriptor errors(open(file_of(link, ".err").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  start.descriptors = {{to.first.get(), STDIN_FILENO}, {from.second.get(), STDOUT_FILENO}, {errors.get(), STDERR_FILENO}};
  start.new_session = true;
  // A connection without us has nobody to end it, should what it started be stopped.
  if (!is_here(link)) start.parent_death_signal = SIGKILL;
  start.limits = {{RLIMIT_NOFILE, own_files_}};
  try {
    link.pid = start_process(start);
    link.process = open_process(link.pid);
  } catch (const std::system_error& error) {
    return refuse(link, error.what());
  }
  link.pipe = std::make_unique<FramePipe>(std::move(from.first), std::move(to.second), "controller", link.nonce, 0);
  // A shell that may read the program from there first would take this for its beginning.
  if (!copies) link.pipe->send(messages::Greet{link.nonce});
}

// One that ends this process does so when our things are put away.
void SshFleet::heed_signals() {
  if (signal_to_end() == 0) return;
  close();
  std::signal(signal_to_end(), SIG_DFL);
  raise(signal_to_end());
}

// Until something is said by one of them, or one ends.
void SshFleet::wait(Clock::time_point until) {
  heed_signals();
  std::vector<pollfd> watched;
  for (const auto& link : links_) {
    const bool open = link->pipe && link->problem.empty();
    watched.push_back({open ? link->pipe->in() : -1, POLLIN, 0});
    watched.push_back({open && (link->pipe->wants_to_write() || link->copied_bytes) ? link->pipe->out() : -1, POLLOUT, 0});
    watched.push_back({open ? link->process.get() : -1, POLLIN, 0});
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  if (poll(watched.data(), watched.size(), static_cast<int>(std::max<long long>(left, 0))) < 0 && errno != EINTR)
    throw std::system_error(errno, std::generic_category(), "poll");
  for (std::size_t i = 0; i < links_.size(); ++i) {
    Link& link = *links_[i];
    if (!link.pipe || !link.problem.empty()) continue;
    link.pipe->flush();
    if (watched[3 * i].revents) link.pipe->receive();
    try {
      if (!link.connected) hear(link);
      if (link.copied_bytes) copy_some(link);
    } catch (const std::runtime_error& error) {
      refuse(link, std::string("it cannot be understood: ") + error.what());
    }
    if (link.problem.empty() && (watched[3 * i + 2].revents || (link.pipe && link.pipe->ended()))) lose(link);
  }
}

void SshFleet::hear(Link& link) {
  while (const std::optional<Message> message = link.pipe->next()) {
    if (message->type() != messages::HostHello::type) continue;
    const auto hello = from_value<messages::HostHello>(message->body);
    if (hello.digest != program_.id && there_ != FabricThere::any) {
      link.lacks_fabric = true;
      return refuse(link, "another fabric is there: " + hello.program.value_or(program_.installed) + " is " + hello.build +
                              ", and not the program that runs here");
    }
    if (there_ == FabricThere::copied) link.pipe->send(messages::Greet{link.nonce});
    link.fabric = hello.program.value_or(program_.installed);
    link.connected = true;
    link.heard = Clock::now();
    return;
  }
  const auto& said = link.pipe->reader().noise();
  if (there_ != FabricThere::copied || link.copied || std::find(said.begin(), said.end(), program_wanted(link.nonce)) == said.end()) return;
  if (bytes_.empty()) bytes_ = own_bytes();
  link.copied = true;
  link.copied_bytes = 0;
}

void SshFleet::copy_some(Link& link) {
  while (*link.copied_bytes < bytes_.size()) {
    const ssize_t n = write(link.pipe->out(), bytes_.data() + *link.copied_bytes, bytes_.size() - *link.copied_bytes);
    if (n < 0 && errno == EINTR) continue;
    // Why nobody reads any more is said by the end of its ssh.
    if (n < 0 && errno != EAGAIN) link.copied_bytes.reset();
    if (n <= 0) return;
    *link.copied_bytes += static_cast<std::size_t>(n);
    link.give_up = Clock::now() + connecting_patience;
  }
  link.copied_bytes.reset();
}

// Its ssh has ended, or says no more.
void SshFleet::lose(Link& link) {
  const ExitStatus exit = end(link, closing_patience);
  const std::string said = said_by(file_of(link, ".err"));
  if (!link.connected && exit == ExitStatus{false, 255} && std::exchange(link.is_users, false)) {
    // The user's connection was at its end: one of our own is tried.
    link.socket = file_of(link, "");
    link.pipe.reset();
    return;
  }
  if (!link.connected && link.tries < most_tries && exit == ExitStatus{false, 255} && is_worth_another_try(said)) {
    link.pipe.reset();
    link.next_try = Clock::now() + pause_before(link.tries);
    at_once_ = std::max(at_once_ / 2, fewest_at_once);
    return;
  }
  link.lacks_fabric = exit == ExitStatus{false, 127} || exit == ExitStatus{false, 126};
  link.has_ended = link.connected;
  refuse(link, explain(link, exit, said) + (said.empty() ? noise_of(link) : ""));
}

// What a shell printed where fabric should have spoken, if it printed anything.
std::string SshFleet::noise_of(const Link& link) {
  const bool silent = link.connected || !link.pipe || link.pipe->reader().noise().empty();
  return silent ? "" : ", but: " + link.pipe->reader().noise().back();
}

void SshFleet::refuse(Link& link, std::string problem) {
  link.problem = std::move(problem);
  link.connected = link.copied = false;
  link.copied_bytes.reset();
  forget(link);
}

void SshFleet::forget(Link& link) {
  link.pipe.reset();
  if (link.pid > 0) end(link, 0ms);
}

// Its ssh has so long to end by itself. Of one that another has waited for it is not known how it ended.
ExitStatus SshFleet::end(Link& link, std::chrono::milliseconds patience) {
  pollfd ended{link.process.get(), POLLIN, 0};
  const auto waits_for = [&](std::chrono::milliseconds time) {
    return poll(&ended, 1, static_cast<int>(std::max<long long>(time.count(), 0))) > 0;
  };
  if (!waits_for(patience)) {
    kill(link.pid, SIGTERM);
    if (!waits_for(closing_patience)) kill(link.pid, SIGKILL);
  }
  int status = 0;
  const bool known = waitpid(link.pid, &status, 0) == link.pid;
  link.pid = 0;
  link.process.reset();
  return known ? ExitStatus::of(status) : ExitStatus{false, 255};
}

std::string SshFleet::explain(const Link& link, const ExitStatus& exit, const std::string& said) const {
  if (exit == ExitStatus{false, 126} && said.find("/fabric/builds/") != std::string::npos)
    return std::string("the copy of fabric in ") + folder_of_copies + " there cannot be started: remove it (" + said + ')';
  if (exit == ExitStatus{false, 127} || exit == ExitStatus{false, 126})
    return "no fabric that can be started is at " + program_.installed + (said.empty() ? "" : " (" + said + ')');
  if (exit == ExitStatus{false, no_copy_of_program})
    return std::string("fabric could not be copied into ") + folder_of_copies +
           " there: " + (said.empty() ? "only a part of it arrived" : said);
  if (!said.empty()) return said;
  return "ssh to " + link.name + ' ' + exit.str() + " without a word";
}

std::vector<SshFleet::Answer> SshFleet::ask_all(const messages::Inquiry& inquiry) {
  return ask(std::vector<std::optional<messages::Inquiry>>(links_.size(), inquiry));
}

std::vector<SshFleet::Answer> SshFleet::ask_first(const messages::Inquiry& inquiry, std::chrono::seconds patience) {
  std::vector<std::optional<messages::Inquiry>> inquiries(links_.size());
  inquiries.front() = inquiry;
  return ask(std::move(inquiries), patience);
}

std::vector<SshFleet::Answer> SshFleet::ask(std::vector<std::optional<messages::Inquiry>> inquiries, std::chrono::seconds patience) {
  const SigpipeIgnored ignored;
  const EndHeldUp held_up;
  std::vector<Answer> answers(links_.size());
  std::vector<bool> open(links_.size(), false);
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (!inquiries[i] || !links_[i]->connected) continue;
    open[i] = true;
    answers[i].asked = now_seconds();
    links_[i]->pipe->send(*inquiries[i]);
  }
  const Clock::time_point deadline = Clock::now() + patience;
  while (std::find(open.begin(), open.end(), true) != open.end() && Clock::now() < deadline) {
    wait(deadline);
    for (std::size_t i = 0; i < links_.size(); ++i) {
      Link& link = *links_[i];
      if (!open[i]) continue;
      if (!link.connected) {
        open[i] = false;
        continue;
      }
      try {
        std::optional<Message> message;
        do message = link.pipe->next();
        while (message && message->type() != messages::Report::type);
        if (!message) continue;
        answers[i].heard = now_seconds();
        answers[i].report = from_value<messages::Report>(message->body);
      } catch (const std::runtime_error& error) {
        refuse(link, std::string("its answer cannot be understood: ") + error.what());
      }
      open[i] = false;
    }
  }
  for (std::size_t i = 0; i < links_.size(); ++i)
    if (open[i]) refuse(*links_[i], "no answer within " + std::to_string(patience.count()) + " s");
  heed_signals();
  return answers;
}

void SshFleet::stand_by(std::int64_t generation) {
  std::vector<std::optional<messages::Inquiry>> inquiries(links_.size());
  for (std::size_t i = 0; i < links_.size(); ++i) {
    links_[i]->nonce = make_nonce();
    inquiries[i].emplace().become = messages::AgentPart{static_cast<std::int64_t>(i), generation, links_[i]->nonce};
  }
  const std::vector<Answer> answers = ask(std::move(inquiries));
  for (std::size_t i = 0; i < links_.size(); ++i) links_[i]->stands_by = answers[i].report.has_value();
}

void SshFleet::keep_alive() {
  for (const auto& link : links_) {
    if (!link->connected || link->stands_by) continue;
    link->pipe->send(messages::Ping{now_seconds()});
    link->pipe->receive();
  }
  take_pongs();
}

void SshFleet::take_pongs() {
  for (const auto& link : links_) {
    if (!link->connected || link->stands_by) continue;
    try {
      while (link->pipe->next()) link->heard = Clock::now();
    } catch (const std::runtime_error& error) {
      refuse(*link, std::string("it cannot be understood: ") + error.what());
    }
  }
}

void SshFleet::drop_silent(std::chrono::milliseconds patience) {
  const SigpipeIgnored ignored;
  keep_alive();  // what comes from now on is an answer to this, or to what is asked next: it may have come already
  const Clock::time_point asked = Clock::now(), deadline = asked + patience;
  const auto is_awaited = [asked](const auto& link) { return link->connected && !link->stands_by && link->heard < asked; };
  while (std::any_of(links_.begin(), links_.end(), is_awaited) && Clock::now() < deadline) {
    wait(std::min(deadline, Clock::now() + 100ms));
    keep_alive();
  }
  for (const auto& link : links_)
    if (is_awaited(link)) refuse(*link, "the connection does not answer any more");
}

struct SshFleet::Call {
  pid_t pid = 0;
  FileDescriptor process;
  FileDescriptor output;  // what it prints, if somebody hears that
  bool has_ended = false;
  Clock::time_point give_up{};

  bool goes_on() const { return pid > 0; }
  // What is there of its output, but not so much that others wait for long.
  void hear(std::size_t i, std::chrono::seconds patience, const Heard& heard) {
    std::array<char, std::size_t{64} << 10> buffer;
    for (int reads = 0; reads < 16; ++reads) {
      const ssize_t n = read(output.get(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n == 0 || (n < 0 && errno != EAGAIN)) output.reset();
      if (n <= 0) return;
      heard(i, {buffer.data(), static_cast<std::size_t>(n)});
      if (!has_ended) give_up = Clock::now() + patience;
    }
  }
};

// Throws std::system_error.
void SshFleet::begin_call(Call& call, const Link& link, const std::vector<std::string>& words, bool hears) const {
  const FileDescriptor said(open(file_of(link, ".call").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  ProcessStart start;
  start.argv = words;
  start.env = own_environment();
  start.descriptors = {{said.get(), STDERR_FILENO}};
  DescriptorPair printed;
  if (hears) {
    printed = make_pipe();
    fcntl(printed.first.get(), F_SETFL, O_NONBLOCK);
    start.descriptors.emplace_back(printed.second.get(), STDOUT_FILENO);
  }
  start.new_session = true;
  call.pid = start_process(start);
  call.output = std::move(printed.first);
  call.process = open_process(call.pid);
}

SshFleet::Calls SshFleet::run_for_each(const std::vector<std::vector<std::string>>& calls, std::chrono::seconds patience,
                                       const Heard& heard) {
  const SigpipeIgnored ignored;
  const EndHeldUp held_up;
  const SignalsLetIn let_in;
  std::vector<std::string> problems(links_.size());
  std::vector<Call> running(links_.size());
  std::size_t next = 0, begun = 0;
  Clock::time_point next_word{};
  while (next < links_.size() || begun > 0) {
    for (; next < links_.size() && begun < called_at_once && signal_to_end() == 0; ++next) {
      if (calls[next].empty()) continue;
      try {
        begin_call(running[next], *links_[next], calls[next], static_cast<bool>(heard));
        running[next].give_up = Clock::now() + patience;
        ++begun;
      } catch (const std::system_error& error) {
        // Nobody would see it end.
        if (const pid_t pid = std::exchange(running[next].pid, 0); pid > 0) {
          kill(-pid, SIGKILL);
          wait_for(pid);
        }
        problems[next] = error.what();
      }
    }
    std::vector<pollfd> watched;
    for (const Call& call : running) {
      watched.push_back({call.goes_on() && !call.has_ended ? call.process.get() : -1, POLLIN, 0});
      watched.push_back({call.goes_on() && call.output ? call.output.get() : -1, POLLIN, 0});
    }
    poll(watched.data(), watched.size(), 250);
    if (Clock::now() >= next_word) {
      keep_alive();
      next_word = Clock::now() + 200ms;
    }
    for (std::size_t i = 0; i < running.size(); ++i) {
      Call& call = running[i];
      if (!call.goes_on()) continue;
      if (watched[2 * i + 1].revents != 0) call.hear(i, patience, heard);
      // Its last words may be on their way in the process that has the connection.
      if (watched[2 * i].revents != 0) call.has_ended = true, call.give_up = Clock::now() + closing_patience;
      const bool in_time = Clock::now() < call.give_up && signal_to_end() == 0;
      if (in_time && (!call.has_ended || call.output)) continue;
      problems[i] = end_of(call, *links_[i], in_time || call.has_ended);
      --begun;
    }
    if (signal_to_end() != 0) {
      for (; next < links_.size(); ++next)
        if (!calls[next].empty()) problems[next] = "stopped by SIG" + signal_name(signal_to_end());
    }
  }
  return {std::move(problems), signal_to_end()};
}

std::string SshFleet::end_of(Call& call, const Link& link, bool in_time) const {
  if (!in_time) kill(-call.pid, SIGKILL);
  const ExitStatus exit = wait_for(std::exchange(call.pid, 0));
  call.process.reset();
  call.output.reset();
  if (signal_to_end() != 0) return "stopped by SIG" + signal_name(signal_to_end());
  if (!in_time) return "it took too long";
  if (exit.good()) return "";
  // Programs that copy say first what went wrong, and last that they end; before them a shell there may say what it likes.
  constexpr std::array<std::string_view, 3> speakers = {"rsync", "ssh", "mux_client"};
  std::ifstream in(file_of(link, ".call"), std::ios::binary);
  std::string first;
  for (std::string line; std::getline(in, line);) {
    if (std::any_of(speakers.begin(), speakers.end(), [&](std::string_view s) { return line.starts_with(s); })) return as_utf8(line);
    if (first.empty() && line.find_first_not_of(" \r") != std::string::npos) first = as_utf8(line);
  }
  return first.empty() ? exit.str() : first;
}

std::string SshFleet::file_of(const Link& link, const char* tail) const {
  const auto at = std::find_if(links_.begin(), links_.end(), [&](const auto& l) { return l.get() == &link; });
  return folder_ + '/' + std::to_string(at - links_.begin()) + tail;
}

// The last line of a file that is not empty: what a program said before it gave up.
std::string SshFleet::said_by(const std::string& file) const {
  std::ifstream in(file, std::ios::binary);
  std::string last;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) last = std::move(line);
  }
  return as_utf8(last);
}

std::vector<std::string> SshFleet::words_for(std::size_t i, const std::string& command) const {
  if (is_here(*links_[i])) return {"sh", "-c", command};
  return ssh_words(how_, SshRole::guest, links_[i]->socket, links_[i]->name, command);
}

Carrier SshFleet::agent_on(std::size_t i) const {
  Link& link = *links_[i];
  Carrier carrier;
  carrier.by_shell = !is_here(link);
  if (carrier.by_shell) carrier.argv = words_for(i, on_host(link.fabric, "agent"));
  else carrier.argv = {self_, "agent"};
  if (carrier.by_shell) carrier.at_our_end = SIGKILL;
  carrier.errors = file_of(link, ".agent");
  carrier.standing_by = [&link]() -> std::optional<StandingAgent> {
    if (!std::exchange(link.stands_by, false)) return std::nullopt;
    StandingAgent agent{std::exchange(link.pid, 0), std::move(link.process), link.pipe->release(), link.nonce};
    link.pipe.reset();
    link.connected = false;
    return agent;
  };
  carrier.explain = [this, &link](const ExitStatus& exit) {
    std::string said = said_by(file_of(link, ".agent"));
    // Its own connection knows why, where it went through that.
    if (const std::string first = said_by(file_of(link, ".err")); said.empty() || (said.starts_with("mux_client") && !first.empty()))
      said = first;
    return (is_here(link) ? "the agent of " : "ssh to ") + link.name + ": " + (said.empty() ? exit.str() : said);
  };
  return carrier;
}

}  // namespace fabric
