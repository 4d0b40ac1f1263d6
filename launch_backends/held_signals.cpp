#include "launch_backends/held_signals.hpp"

#include <csignal>

namespace fabric {
namespace {

volatile std::sig_atomic_t noted = 0;

}  // namespace

SigpipeIgnored::SigpipeIgnored() {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &before_);
}

SigpipeIgnored::~SigpipeIgnored() { sigaction(SIGPIPE, &before_, nullptr); }

EndHeldUp::EndHeldUp() {
  noted = 0;
  struct sigaction note {};
  note.sa_handler = [](int signal) { noted = signal; };
  for (std::size_t i = 0; i < signals.size(); ++i) {
    sigaction(signals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_DFL) sigaction(signals[i], &note, nullptr);
  }
}

EndHeldUp::~EndHeldUp() {
  for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &before_[i], nullptr);
}

int signal_to_end() { return noted; }

int waiting_signal() {
  sigset_t waiting;
  sigemptyset(&waiting);
  if (sigpending(&waiting) != 0) return 0;
  for (const int signal : {SIGINT, SIGTERM})
    if (sigismember(&waiting, signal) == 1) return signal;
  return 0;
}

SignalsLetIn::SignalsLetIn() {
  sigset_t let_in;
  sigemptyset(&let_in);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&let_in, signal);
  pthread_sigmask(SIG_UNBLOCK, &let_in, &before_);
}

SignalsLetIn::~SignalsLetIn() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace fabric
