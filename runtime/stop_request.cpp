#include "runtime/stop_request.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "runtime/failure.hpp"

namespace fabric {
namespace {

std::atomic<bool> signalled = false;
static_assert(std::atomic<bool>::is_always_lock_free, "it is set in a signal handler");

int signal_number(const std::string& name) {
  if (name == "TERM") return SIGTERM;
  if (name == "INT") return SIGINT;
  if (name == "USR1") return SIGUSR1;
  if (name == "USR2") return SIGUSR2;
  if (name == "HUP") return SIGHUP;
  throw Failure(FailureClass::plan, "stop.signal: unknown signal " + name);
}

}  // namespace

StopRequest::StopRequest(const std::string& signal, std::string file) : file_(std::move(file)) {
  struct sigaction action {};
  action.sa_handler = [](int) { signalled = true; };
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal_number(signal), &action, nullptr);
}

bool StopRequest::asked() const { return signalled || (!file_.empty() && ::access(file_.c_str(), F_OK) == 0); }

}  // namespace fabric
