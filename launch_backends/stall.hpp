// Ranks of which none has said a word for long: what each of them does, by the kernel's account, and which one the others wait for.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch_backends/process_tree.hpp"
#include "schema/job.hpp"

namespace fabric {

// What /proc says of a process at one moment.
struct ProcessSample {
  char state = '?';        // of proc(5): R, S, D, T ...
  double cpu_seconds = 0;  // used so far by all of its threads
  long system_call = -1;   // that its main thread waits in; -1 if that is not known or it runs
};
ProcessSample sample_process(pid_t pid);

// Of a rank that was started through others, such as a shell, `uv run` or a profiler, the process for which they wait; otherwise itself.
// living: the descendants of this process. One that is stopped is not passed over.
pid_t program_behind(pid_t rank, const std::vector<ProcessEntry>& living);

struct RankActivity {
  std::int64_t rank = 0;
  pid_t pid = 0;
  char state = '?';
  double cpu = 0;  // cpus_between
  long system_call = -1;
  std::optional<std::int64_t> step;  // that it told last
};

struct Suspect {
  std::int64_t rank = 0;
  pid_t pid = 0;
  std::string why;  // what it does: is stopped (SIGSTOP)
};

// The rank that differs from the others: one that is stopped; one that is behind by its steps; one that computes while the others wait,
// or on a GPU, where waiting ranks spin, the one that does not; one that sleeps. nullopt if they are all alike.
// CPUs that a process used between two samples, so many seconds apart; 1 where it could have used one at both and got less, on a machine
// with more work than CPUs.
double cpus_between(const ProcessSample& before, const ProcessSample& after, double apart);

// What a controller says of an agent that has not answered for so many seconds.
std::string silent_agent_message(std::int64_t node, pid_t agent, double silent_seconds);

std::optional<Suspect> find_suspect(const std::vector<RankActivity>& ranks, Accelerator accelerator);

// One sentence and the commands that show where it stands.
// ended: ranks that are over already, with what the others may wait for in vain.
std::string stall_message(double silent_seconds, const std::vector<RankActivity>& ranks, const std::vector<std::int64_t>& ended,
                          Accelerator accelerator);

}  // namespace fabric
