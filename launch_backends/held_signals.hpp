// What signals do while hosts are asked over ssh: for a time, and then again what they did before.
#pragma once

#include <signal.h>

#include <array>

namespace fabric {

// A child that has left must not end us by a signal.
class SigpipeIgnored {
 public:
  SigpipeIgnored();
  ~SigpipeIgnored();
  SigpipeIgnored(const SigpipeIgnored&) = delete;
  SigpipeIgnored& operator=(const SigpipeIgnored&) = delete;

 private:
  struct sigaction before_ {};
};

// A signal that would end this process is noted, so that it can put its things away first. One that is ignored stays so, and where a run
// goes on, signals are read in another way and are blocked.
class EndHeldUp {
 public:
  EndHeldUp();
  ~EndHeldUp();
  EndHeldUp(const EndHeldUp&) = delete;
  EndHeldUp& operator=(const EndHeldUp&) = delete;

 private:
  static constexpr std::array<int, 3> signals = {SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, 3> before_{};
};

// The one that was noted since the last EndHeldUp began; 0: none.
int signal_to_end();

// SIGINT or SIGTERM, if it is blocked and has come: whoever takes it later is not to be kept waiting. 0: none.
int waiting_signal();

// Lets in those that are blocked.
class SignalsLetIn {
 public:
  SignalsLetIn();
  ~SignalsLetIn();
  SignalsLetIn(const SignalsLetIn&) = delete;
  SignalsLetIn& operator=(const SignalsLetIn&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace fabric
