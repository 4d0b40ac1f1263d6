#include "launch_backends/stall.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "schema/units.hpp"

namespace fabric {
namespace {

constexpr double busy = 0.5, idle = 0.1;  // CPUs

// The only one of ranks for which odd holds, while plain holds for all others.
template <class Odd, class Plain>
const RankActivity* only_one(const std::vector<RankActivity>& ranks, Odd&& odd, Plain&& plain) {
  const RankActivity* found = nullptr;
  for (const RankActivity& rank : ranks) {
    if (odd(rank)) {
      if (found) return nullptr;
      found = &rank;
    } else if (!plain(rank)) {
      return nullptr;
    }
  }
  return found;
}

bool sleeps(const RankActivity& rank) { return rank.system_call == SYS_nanosleep || rank.system_call == SYS_clock_nanosleep; }

}  // namespace

ProcessSample sample_process(pid_t pid) {
  ProcessSample sample;
  const std::string folder = "/proc/" + std::to_string(pid);
  std::string stat;
  std::getline(std::ifstream(folder + "/stat"), stat);
  // The name may hold blanks and parentheses; what follows its last one is in order: state is the third field, utime the fourteenth.
  const std::size_t behind_name = stat.rfind(')');
  if (behind_name == std::string::npos) return sample;
  std::istringstream fields(stat.substr(behind_name + 1));
  fields >> sample.state;
  long long skipped = 0, user = 0, system = 0;
  for (int field = 4; field < 14; ++field) fields >> skipped;
  fields >> user >> system;
  sample.cpu_seconds = static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  // "running", or the number of a call and its arguments.
  std::ifstream(folder + "/syscall") >> sample.system_call;
  return sample;
}

pid_t program_behind(pid_t rank, const std::vector<ProcessEntry>& living) {
  for (pid_t found = rank;;) {
    const ProcessSample self = sample_process(found);
    if (self.state == 'T' || self.state == 't') return found;
    std::size_t children = 0;
    pid_t busiest = 0;
    double most = -1;
    for (const ProcessEntry& process : living) {
      if (process.parent != found) continue;
      ++children;
      const double used = sample_process(process.pid).cpu_seconds;
      if (used > most) most = used, busiest = process.pid;
    }
    // A program with one child, as with a worker that loads its data, does not wait for that alone, and has itself done a good part.
    const bool waits = self.system_call == SYS_wait4 || self.system_call == SYS_waitid;
    if (children == 0 || !(waits || (children == 1 && self.cpu_seconds * 10 < most))) return found;
    found = busiest;
  }
}

double cpus_between(const ProcessSample& before, const ProcessSample& after, double apart) {
  const double used = (after.cpu_seconds - before.cpu_seconds) / apart;
  return before.state == 'R' && after.state == 'R' ? std::max(used, 1.0) : used;
}

std::string silent_agent_message(std::int64_t node, pid_t agent, double silent_seconds) {
  const std::string pid = std::to_string(agent);
  return "the agent of node " + std::to_string(node) + " (process " + pid + ") has not answered for " +
         Duration{std::round(silent_seconds)}.str() +
         (sample_process(agent).state == 'T' ? ": it is stopped, `kill -CONT " + pid + "` lets it go on"
                                             : "; `gdb -p " + pid + " -batch -ex bt` shows where it stands");
}

std::optional<Suspect> find_suspect(const std::vector<RankActivity>& ranks, Accelerator accelerator) {
  for (const RankActivity& rank : ranks)
    if (rank.state == 'T' || rank.state == 't')
      return Suspect{rank.rank, rank.pid,
                     "is stopped by a signal or a debugger (`kill -CONT " + std::to_string(rank.pid) + "` lets it go on)"};
  if (ranks.size() < 2) return std::nullopt;
  if (std::all_of(ranks.begin(), ranks.end(), [](const RankActivity& r) { return r.step.has_value(); })) {
    const auto [least, most] =
        std::minmax_element(ranks.begin(), ranks.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
    if (*least->step < *most->step)
      return Suspect{least->rank, least->pid,
                     "stands at step " + std::to_string(*least->step) + " while others are at " + std::to_string(*most->step)};
  }
  const auto is_busy = [](const RankActivity& r) { return r.cpu > busy; };
  const auto is_idle = [](const RankActivity& r) { return r.cpu < idle; };
  const RankActivity* computes = only_one(ranks, is_busy, is_idle);
  const RankActivity* rests = only_one(ranks, is_idle, is_busy);
  if (computes && rests) (accelerator == Accelerator::cuda ? computes : rests) = nullptr;
  if (computes) return Suspect{computes->rank, computes->pid, "computes while the others wait"};
  if (rests) return Suspect{rests->rank, rests->pid, "does nothing while the others are busy"};
  if (const RankActivity* asleep = only_one(ranks, sleeps, [](const RankActivity& r) { return !sleeps(r); }))
    return Suspect{asleep->rank, asleep->pid, "sleeps while the others wait"};
  return std::nullopt;
}

std::string stall_message(double silent_seconds, const std::vector<RankActivity>& ranks, const std::vector<std::int64_t>& ended,
                          Accelerator accelerator) {
  std::string text = "no rank has said anything for " + Duration{std::round(silent_seconds)}.str() + ": ";
  const std::optional<Suspect> suspect = find_suspect(ranks, accelerator);
  const std::string pid = std::to_string(suspect ? suspect->pid : ranks.empty() ? 0 : ranks.front().pid);
  if (suspect) {
    text += "look at rank " + std::to_string(suspect->rank) + " (process " + pid + "), which " + suspect->why;
  } else if (!ended.empty() && !ranks.empty()) {
    text += "rank " + std::to_string(ended.front()) + (ended.size() > 1 ? " and others have" : " has") + " ended well already, and rank " +
            std::to_string(ranks.front().rank) + " (process " + pid + ") may wait for it";
  } else if (ranks.size() == 1) {
    text += "look at rank " + std::to_string(ranks.front().rank) + " (process " + pid + ")";
  } else {
    text += "none of them differs from the others; begin with rank " + std::to_string(ranks.empty() ? 0 : ranks.front().rank) +
            " (process " + pid + ")";
  }
  return text + "; `py-spy dump --pid " + pid + "` or `gdb -p " + pid + " -batch -ex 'thread apply all bt'` shows where it stands";
}

}  // namespace fabric
