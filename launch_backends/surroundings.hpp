// The process around a run, while it goes on: the signals that end it are read from a descriptor, a closed pipe is an error and no signal,
// and orphans of the run fall to this process. Afterwards all is as it was.
#pragma once

#include <signal.h>

#include <chrono>
#include <optional>

#include "launch_backends/descriptor.hpp"

namespace fabric {

class Surroundings {
 public:
  // time_signal: one more that is taken, 0: none. Throws std::system_error.
  explicit Surroundings(int time_signal = 0);
  ~Surroundings();
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  int descriptor() const { return signals_.get(); }
  // Whether every descendant of this process belongs to the run: it had none before.
  bool has_only_the_run() const { return !had_children_; }
  // The next signal, 0 if there is none.
  int take();
  // Waits so many seconds, at the most until deadline. Returns the signal that ended the wait, 0 if none did.
  int wait(double seconds, std::optional<std::chrono::steady_clock::time_point> deadline);

 private:
  sigset_t mask_{};
  struct sigaction pipe_ {};
  struct sigaction child_ {};
  int subreaper_ = 0;
  bool had_children_ = false;
  FileDescriptor signals_;
};

}  // namespace fabric
