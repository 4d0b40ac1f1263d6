#include "launch_backends/keeper.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

#include "launch_backends/frame_pipe.hpp"
#include "launch_backends/lost_run.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/process_tree.hpp"

namespace fabric {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto wake_agent_every = std::chrono::milliseconds(200);
constexpr auto ending_agent_patience = std::chrono::seconds(15);  // for all that it does once the controller is gone, by its own limits

// Waits for the agent. One that is stopped does not see that the controller is gone: then it is let go on, and ended if it does not end.
ExitStatus wait_for_agent(pid_t agent, int in) {
  const FileDescriptor end = open_process(agent);
  std::optional<Clock::time_point> patience_ends;
  for (;;) {
    pollfd watched[] = {{end.get(), POLLIN, 0}, {patience_ends ? -1 : in, 0, 0}};
    const auto pause = patience_ends ? wake_agent_every.count() : -1;
    if (poll(watched, 2, static_cast<int>(pause)) < 0 && errno != EINTR) break;
    if (watched[0].revents & POLLIN) break;
    if (watched[1].revents & (POLLHUP | POLLERR)) patience_ends = Clock::now() + ending_agent_patience;
    if (!patience_ends) continue;
    if (Clock::now() >= *patience_ends) kill(agent, SIGKILL);
    else if (const std::optional<ProcessEntry> process = process_entry(agent)) wake_process(*process);
  }
  return wait_for(agent);
}

struct Told {
  std::string run_id, run_directory;
  FileDescriptor lock;
};

// What tell_keeper sent. It has waited in the socket, and the lock with it, since the agent needed nobody to be awake for it.
Told hear_agent(int socket) {
  char text[8192];
  iovec part{text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  Told told;
  if (n <= 0) return told;
  const std::string_view note(text, static_cast<std::size_t>(n));
  const std::size_t cut = note.find('\n');
  told.run_id = note.substr(0, cut);
  if (cut != std::string_view::npos) told.run_directory = note.substr(cut + 1);
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS) {
    int lock = -1;
    std::memcpy(&lock, CMSG_DATA(header), sizeof lock);
    told.lock.reset(lock);
  }
  return told;
}

// Whether the other side closes its end of fd within limit.
bool hangs_up(int fd, std::chrono::milliseconds limit) {
  pollfd watched{fd, 0, 0};
  return poll(&watched, 1, static_cast<int>(limit.count())) > 0 && (watched.revents & (POLLHUP | POLLERR)) != 0;
}

// A controller that has heard the word closes the way to its agent, and goes on reading; one that is gone closes both. It may also
// be on its way out just now, with its descriptors still open: killed together with the agent, it takes some time to be torn down.
bool controller_is_gone(const FramePipe& pipe) {
  if (pipe.out() < 0) return true;
  return hangs_up(pipe.in(), std::chrono::seconds(2)) && hangs_up(pipe.out(), std::chrono::milliseconds(200));
}

void flush_within(FramePipe& pipe, std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  while (pipe.wants_to_write() && Clock::now() < deadline) {
    pollfd watched{pipe.out(), POLLOUT, 0};
    poll(&watched, 1, 50);
    pipe.flush();
  }
}

}  // namespace

bool tell_keeper(int socket, const std::string& run_id, const std::string& run_directory, int lock) {
  std::string text = run_id + '\n' + run_directory;
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof lock)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof lock);
  std::memcpy(CMSG_DATA(header), &lock, sizeof lock);
  if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return false;
  throw std::system_error(errno, std::generic_category(), "cannot hand the lock of the node to the keeper");
}

int keep(const Ward& ward, FileDescriptor in, FileDescriptor out, FileDescriptor agent) {
  prctl(PR_SET_NAME, "fabric-keeper");
  // Whoever ends the run by a signal to all of its processes means the agent, which ends its ranks in order.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_IGN);
  const ExitStatus status = wait_for_agent(ward.agent, in.get());

  const auto [run_id, run_directory, lock] = hear_agent(agent.get());

  end_descendants(std::chrono::seconds(5));
  if (status.good()) return 0;
  if (!run_id.empty()) end_processes_with_variable("FABRIC_RUN_ID=" + run_id, std::chrono::seconds(5));

  FramePipe pipe(std::move(in), std::move(out), "keeper-" + std::to_string(ward.node), ward.nonce, ward.generation);
  messages::Lost lost;
  lost.nonce = ward.nonce;
  lost.who = "agent";
  (status.by_signal ? lost.signal : lost.code) = status.number;
  pipe.send(lost);
  flush_within(pipe, std::chrono::seconds(2));
  if (!run_directory.empty() && controller_is_gone(pipe)) {
    const std::string message = "the agent of node " + std::to_string(ward.node) + ' ' + status.str() + ", and the controller is gone";
    note_loss(run_directory, ward.node, message);
    close_lost_run(run_directory, ward.generation, message);
  }
  return 1;
}

}  // namespace fabric
