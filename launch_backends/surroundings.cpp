#include "launch_backends/surroundings.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "launch_backends/process.hpp"
#include "launch_backends/process_tree.hpp"

namespace fabric {

Surroundings::Surroundings(int time_signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  if (time_signal != 0) sigaddset(&set, time_signal);
  // nohup has it ignored, and means that.
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, &mask_);
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, &pipe_);
  action.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &action, &child_);
  had_children_ = has_children();
  prctl(PR_GET_CHILD_SUBREAPER, &subreaper_);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) throw std::system_error(errno, std::generic_category(), "signalfd");
}

Surroundings::~Surroundings() {
  prctl(PR_SET_CHILD_SUBREAPER, subreaper_);
  sigaction(SIGPIPE, &pipe_, nullptr);
  sigaction(SIGCHLD, &child_, nullptr);
  pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

int Surroundings::take() {
  signalfd_siginfo info;
  return read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo) : 0;
}

int Surroundings::wait(double seconds, std::optional<std::chrono::steady_clock::time_point> deadline) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point until = Clock::now() + clock_time(seconds);
  if (deadline) until = std::min(until, *deadline);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return 0;
    pollfd watched{signals_.get(), POLLIN, 0};
    poll(&watched, 1, static_cast<int>(std::min<std::int64_t>(left, 1000)));
    if (const int signal = take()) return signal;
  }
}

}  // namespace fabric
