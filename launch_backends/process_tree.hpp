// Who descends from whom, read from /proc, and how to end all of them: what a session of its own, a double fork or a changed
// process group cannot escape.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fabric {

struct ProcessEntry {
  pid_t pid = 0;
  pid_t parent = 0;
  std::uint64_t start = 0;  // clock ticks since boot; with the pid, the identity of a process
  bool ended = false;       // a zombie, or about to vanish
  bool stopped = false;     // by SIGSTOP or its like, not by a debugger
  std::string name;         // as the kernel has it, at most 15 bytes
};

std::optional<ProcessEntry> process_entry(pid_t pid);

// For people: its number and name, and that it is another user's if it is.
std::string described(const ProcessEntry& process);

// All living descendants of root, parents first; root itself is not among them.
std::vector<ProcessEntry> living_descendants(pid_t root);

// Whether this process has children, zombies included. One that is a subreaper and has none has no descendants either.
bool has_children();

// Living processes that have exactly this NAME=value in the environment they were started with, as far as it may be read.
std::vector<ProcessEntry> processes_with_variable(const std::string& variable);

// Sends the signal unless the pid has passed on to another process. False if this user may not.
bool signal_process(const ProcessEntry& process, int signal);

// Lets it go on (SIGCONT) if it is stopped now.
void wake_process(const ProcessEntry& process);

// From now on this process goes on, should it be stopped, when the one that started it ends: the kernel sends SIGCONT then.
void wake_at_end_of_parent();

// In its place: from now on this process is killed when the one that started it ends.
void die_with_parent();

// Makes this process the one to which orphaned descendants fall. Throws std::system_error.
void become_subreaper();

// Kills all descendants of this process, again and again until none lives, and reaps those that are its children. Gives up on
// processes that the kernel cannot end, at once on those that this user may not, and returns them.
std::vector<ProcessEntry> end_descendants(std::chrono::milliseconds limit);

// The same for all processes that have this NAME=value, wherever they stand.
std::vector<ProcessEntry> end_processes_with_variable(const std::string& variable, std::chrono::milliseconds limit);

}  // namespace fabric
