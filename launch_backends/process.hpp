// The only door through which fabric starts a process. A child gets exactly the arguments, variables and descriptors that are
// listed, default signal handling and an empty signal mask, and nothing else of its parent.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "launch_backends/descriptor.hpp"

namespace fabric {

// A soft limit of setrlimit(2); the hard one stays. resource is an RLIMIT_ constant, value in that resource's unit.
struct ResourceLimit {
  int resource;
  std::uint64_t value;
};

struct ProcessStart {
  std::vector<std::string> argv;  // argv[0] without a slash is looked up on the PATH of env
  std::vector<std::string> env;   // NAME=value
  std::string cwd;                // empty: that of the parent
  // (descriptor here, number there). 0, 1 and 2 are /dev/null where none is given; all others are closed.
  std::vector<std::pair<int, int>> descriptors;
  std::vector<ResourceLimit> limits;
  std::vector<std::int64_t> cpus;     // to which it is tied, with all that it starts; empty: those of the parent
  bool new_session = false;           // an own session and process group, whose number is the pid
  bool controlling_terminal = false;  // descriptor 0, a terminal, becomes that of the new session
  int parent_death_signal = 0;        // sent by the kernel when the starting thread ends; 0: none
};

// Starts it and returns its pid once the program is in place. Throws std::system_error that names the program and the step that
// failed; then no child is left. The child must be waited for.
pid_t start_process(const ProcessStart& start);

// A copy of this process that goes on in the same code, in its own session: 0 there, its pid here. For a process that has one
// thread. Throws std::system_error.
pid_t fork_process();

// This process goes on as the same program with other words, from its start, with its descriptors and variables. words[0] is a name for
// those who look. Throws std::system_error.
[[noreturn]] void start_over(std::vector<std::string> words);

// How a process ended.
struct ExitStatus {
  bool by_signal = false;
  int number = 0;  // the signal, or the exit code

  static ExitStatus of(int wait_status);
  bool good() const { return !by_signal && number == 0; }
  int shell_code() const { return by_signal ? 128 + number : number; }
  std::string str() const;  // exited with code 3, was killed by signal 9 (KILL)
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

// A time in seconds for a clock that counts nanoseconds in 64 bits: what is longer than 30 years is 30 years.
inline std::chrono::nanoseconds clock_time(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(std::min(seconds, 1e9)));
}

// KILL, TERM, SEGV ...; the number in digits if it has no name.
std::string signal_name(int signal);
// TERM or SIGTERM -> 15.
std::optional<int> signal_number(std::string_view name);

// Waits for a child of this process.
ExitStatus wait_for(pid_t pid);

// A descriptor that becomes readable when the process ends. Throws std::system_error.
FileDescriptor open_process(pid_t pid);

DescriptorPair make_pipe();

// Seconds since the epoch.
double now_seconds();

struct ProgramResult {
  ExitStatus status;
  std::string output;  // stdout
  std::string errors;  // stderr
  bool timed_out = false;
  bool too_much_output = false;  // more than output_limit on either; what came before is there
};

// Runs a program to its end with input on its stdin. One that takes longer than time_limit, or says more than output_limit bytes,
// is killed with its whole process group. start.descriptors must be empty and start.new_session is implied.
ProgramResult run_program(ProcessStart start, std::string_view input, std::size_t output_limit, std::chrono::milliseconds time_limit);

// A regular file that this user may execute.
bool is_executable_file(const std::string& path);

// The path of a program on this process's PATH; empty if no folder of it has one.
std::string find_on_path(const std::string& name);

}  // namespace fabric
