// Where the kernel has put the memory of a process that crashed, by /proc/sys/kernel/core_pattern (core(5)).
#pragma once

#include <sys/types.h>

#include <string>

namespace fabric {

// For a process of whose end the kernel says that it dumped core: the path of the file, or to whom the dump was given; "core dumped" where
// neither can be found. cwd: the folder in which it was started. signal: the one that ended it.
std::string core_dump_of(pid_t pid, const std::string& cwd, int signal);

// The same for a given pattern, and for what core_uses_pid says.
std::string core_dump_of(pid_t pid, const std::string& cwd, int signal, const std::string& pattern, bool uses_pid);

}  // namespace fabric
