#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "launch_backends/process.hpp"

namespace fabric {
namespace {

using Clock = std::chrono::steady_clock;

void make_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Reads what is there. Closes source at its end. False once text would pass limit.
bool take(FileDescriptor& source, std::string& text, std::size_t limit) {
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = read(source.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) {
      source.reset();
      return true;
    }
    const std::size_t room = limit - text.size();
    text.append(buffer, std::min(static_cast<std::size_t>(n), room));
    if (static_cast<std::size_t>(n) > room) return false;
  }
}

// Writes what the pipe takes. Closes target when all is written or nobody reads any more.
void give(FileDescriptor& target, std::string_view& rest) {
  while (!rest.empty()) {
    const ssize_t n = write(target.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) break;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  target.reset();
}

// A reader that leaves early must not end us. The signal goes to the writing thread, so it is blocked and taken back there.
class PipeSignalHeld {
 public:
  PipeSignalHeld() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~PipeSignalHeld() {
    if (!sigismember(&before_, SIGPIPE)) {
      const timespec at_once{};
      while (sigtimedwait(&pipe_, nullptr, &at_once) > 0) {}
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalHeld(const PipeSignalHeld&) = delete;
  PipeSignalHeld& operator=(const PipeSignalHeld&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
};

}  // namespace

ProgramResult run_program(ProcessStart start, std::string_view input, std::size_t output_limit, std::chrono::milliseconds time_limit) {
  DescriptorPair in = make_pipe(), out = make_pipe(), err = make_pipe();
  start.descriptors = {{in.first.get(), 0}, {out.second.get(), 1}, {err.second.get(), 2}};
  start.new_session = true;
  const PipeSignalHeld held;
  const pid_t pid = start_process(start);
  in.first.reset();
  out.second.reset();
  err.second.reset();
  for (const int fd : {in.second.get(), out.first.get(), err.first.get()}) make_nonblocking(fd);
  FileDescriptor process = open_process(pid);

  ProgramResult result;
  const Clock::time_point deadline = Clock::now() + time_limit;
  bool running = true;
  // A grandchild may hold the pipes longer than the program lives, so its end is awaited and not theirs alone.
  while (running) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      result.timed_out = true;
      break;
    }
    pollfd watched[] = {
        {in.second.get(), POLLOUT, 0}, {out.first.get(), POLLIN, 0}, {err.first.get(), POLLIN, 0}, {process.get(), POLLIN, 0}};
    if (poll(watched, 4, static_cast<int>(std::min<long long>(left + 1, 1 << 30))) < 0 && errno != EINTR) break;
    if (watched[3].revents) running = false;
    if (in.second && watched[0].revents) give(in.second, input);
    const bool fits =
        (!out.first || take(out.first, result.output, output_limit)) && (!err.first || take(err.first, result.errors, output_limit));
    if (!fits) {
      result.too_much_output = true;
      break;
    }
  }
  if (running) kill(-pid, SIGKILL);
  result.status = wait_for(pid);
  return result;
}

}  // namespace fabric
