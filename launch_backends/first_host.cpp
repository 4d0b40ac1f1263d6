#include "launch_backends/first_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "launch_backends/controller_place.hpp"
#include "launch_backends/descriptor.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/process_tree.hpp"
#include "launch_backends/protocol.hpp"
#include "launch_backends/run_directory.hpp"
#include "launch_backends/run_record.hpp"
#include "launch_backends/ssh.hpp"

namespace fabric {
namespace {

constexpr int beginning_patience = 60'000;  // milliseconds, of a disk that is slow

// Into console.log goes what nobody is there to read.
class ConsoleLog : public RunObserver {
 public:
  void on_event(const Event& event) override {
    const Value* message = event.kind == "note" ? event.detail.find("message") : nullptr;
    if (!message || !message->is_string()) return;
    const std::string line = "note: " + message->as_string() + '\n';
    [[maybe_unused]] const ssize_t n = write(STDOUT_FILENO, line.data(), line.size());
  }
  void on_line(std::int64_t, std::int64_t, std::string_view) override {}
  void on_unfinished(std::int64_t, std::int64_t, std::string_view, bool) override {}
  void on_tick() override {}
};

struct DiesWithParent {
  DiesWithParent() { die_with_parent(); }
  ~DiesWithParent() { wake_at_end_of_parent(); }
  DiesWithParent(const DiesWithParent&) = delete;
  DiesWithParent& operator=(const DiesWithParent&) = delete;
};

// Whether the agent that holds the keys of this process is the end of a connection, and goes with whoever has made that.
bool has_a_passing_agent() {
  const char* path = getenv("SSH_AUTH_SOCK");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!path || std::strlen(path) >= sizeof address.sun_path) return false;
  std::strcpy(address.sun_path, path);
  const FileDescriptor agent(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ucred owner{};
  socklen_t size = sizeof owner;
  if (!agent || connect(agent.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      getsockopt(agent.get(), SOL_SOCKET, SO_PEERCRED, &owner, &size) != 0)
    return false;
  std::ifstream in("/proc/" + std::to_string(owner.pid) + "/comm");
  std::string name;
  return in >> name && name.starts_with("sshd");
}

void leave_the_terminal(const std::string& log) {
  const FileDescriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const FileDescriptor console(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!nothing || !console) throw std::runtime_error("cannot write " + log);
  dup2(nothing.get(), STDIN_FILENO);
  dup2(console.get(), STDOUT_FILENO);
  dup2(console.get(), STDERR_FILENO);
}

RunOptions options_of(const messages::RunOrder& order, const RunDirectory& run, const Plan& plan) {
  RunOptions options;
  options.run_directory = run.path();
  options.attempt = order.attempt;
  options.resume_path = order.resume_path;
  options.asked = order.asked;
  for (const std::string& variable : order.variables) options.variables.push_back(bytes_of_text(variable));
  if (order.attempt == 0 || options.resume_path) return options;
  // Whoever asks may not see what an earlier attempt has left here.
  std::vector<SkippedCheckpoint> damaged;
  options.resume_path = run.newest_checkpoint(damaged);
  if (const auto found = options.resume_path ? std::nullopt : run.program_checkpoint(plan)) options.resume_path = found->path;
  return options;
}

// What is written to said is why it could not begin; nothing: it has begun.
int conduct_here(LaunchBackend& backend, const messages::RunOrder& order, FileDescriptor& said) {
  prctl(PR_SET_NAME, "fabric-conduct");
  // The connection over which this was ordered may end.
  std::signal(SIGHUP, SIG_IGN);
  // Whoever stops it before it has begun is to find an end written, too.
  sigset_t kept;
  sigemptyset(&kept);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&kept, signal);
  pthread_sigmask(SIG_BLOCK, &kept, nullptr);
  const std::optional<Plan> ordered = plan_in(order.plan);
  if (!ordered) throw std::runtime_error("no plan of this version came with the order");
  const Plan& plan = *ordered;
  const RunDirectory run = RunDirectory::take_over(order.run, order.plan);
  leave_the_terminal(run.path() + "/console.log");
  if (write(said.get(), "\n", 1) != 1) return 125;
  said.reset();
  try {
    ConsoleLog observer;
    const std::optional<Outcome> outcome = backend.submit(plan, {}, options_of(order, run, plan), observer);
    return outcome ? outcome->exit_code : 125;
  } catch (const std::exception& error) {
    return refuse_attempt(run, order.attempt, error.what()).exit_code;
  }
}

}  // namespace

messages::ConductReport FirstHost::answer(const messages::ConductInquiry& inquiry) {
  messages::ConductReport report;
  report.machine = this_machine();
  if (inquiry.plan) look(inquiry, report);
  if (inquiry.order) begin(*inquiry.order, report);
  return report;
}

void FirstHost::look(const messages::ConductInquiry& inquiry, messages::ConductReport& report) {
  // Its own hosts can take long to answer; meanwhile it does not see the end of the connection that it was asked over.
  const DiesWithParent dies;
  if (has_a_passing_agent()) unsetenv("SSH_AUTH_SOCK");
  backend_ = make_ssh_backend_of_first_host(self_, inquiry.fabric);
  Diagnostics diagnostics;
  backend_->inspect(*inquiry.plan, {inquiry.runs, false}, diagnostics);
  for (const Diagnostic& d : diagnostics.all()) {
    if (d.severity != Severity::error) continue;
    // Of hosts that it does not reach the rows say all.
    const std::string head = d.code == "FAB5301" ? "" : d.message + ": ";
    for (const Note& note : d.notes) report.hindrances.push_back(head + note.message);
    if (d.notes.empty()) report.hindrances.push_back(d.message);
  }
}

void FirstHost::begin(const messages::RunOrder& order, messages::ConductReport& report) {
  if (!backend_) {
    report.problem = "it was not asked before whether it could";
    return;
  }
  DescriptorPair said = make_pipe();
  const pid_t child = fork_process();
  if (child == 0) {
    said.first.reset();
    int code = 125;
    try {
      code = conduct_here(*backend_, order, said.second);
    } catch (const std::exception& error) {
      const std::string why = error.what();
      if (said.second && write(said.second.get(), why.data(), why.size()) < 0) code = 125;
    }
    backend_.reset();
    _exit(code);
  }
  said.second.reset();
  std::string text;
  char buffer[512];
  pollfd waits{said.first.get(), POLLIN, 0};
  while (text.find('\n') == std::string::npos && poll(&waits, 1, beginning_patience) > 0) {
    const ssize_t n = read(said.first.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  if (text == "\n") report.pid = child;
  else report.problem = text.empty() ? "the controller did not begin" : text;
}

}  // namespace fabric
