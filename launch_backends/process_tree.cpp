#include "launch_backends/process_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>

#include "launch_backends/descriptor.hpp"

namespace fabric {
namespace {

using Clock = std::chrono::steady_clock;

std::optional<std::string> read_all(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

template <class Visit>
void each_pid(Visit&& visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (!proc) throw std::system_error(errno, std::generic_category(), "cannot read /proc");
  while (const dirent* entry = readdir(proc.get())) {
    pid_t pid = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    const auto [stop, error] = std::from_chars(entry->d_name, end, pid);
    if (error == std::errc() && stop == end) visit(pid);
  }
}

void reap() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {}
}

template <class Find>
std::vector<ProcessEntry> end_all(Find&& find, std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  useconds_t pause = 200;
  for (;;) {
    reap();
    std::vector<ProcessEntry> left = find();
    if (left.empty() || Clock::now() >= deadline) {
      reap();  // what ended since, or fell to this process just now
      return left;
    }
    bool any = false;
    for (const ProcessEntry& process : left) any |= signal_process(process, SIGKILL);
    if (!any) return left;
    // Death takes the kernel a moment, longer where much memory is given back; each round also finds what was forked meanwhile.
    usleep(pause);
    pause = std::min<useconds_t>(pause * 2, 20'000);
  }
}

}  // namespace

std::optional<ProcessEntry> process_entry(pid_t pid) {
  const std::optional<std::string> text = read_all("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  // pid (name) state ppid ...; the name may hold blanks and brackets itself.
  const std::size_t open = text->find('('), close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  ProcessEntry entry;
  entry.pid = pid;
  entry.name = text->substr(open + 1, close - open - 1);
  std::string_view rest = std::string_view(*text).substr(close + 1);
  // Counting from the state: the parent is the second field, the start time the twentieth (proc(5), fields 4 and 22).
  for (int number = 1; number <= 20; ++number) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    const std::string_view word = rest.substr(0, rest.find(' '));
    if (word.empty()) return std::nullopt;
    if (number == 1) entry.ended = word == "Z" || word == "X";
    if (number == 1) entry.stopped = word == "T";
    if (number == 2) std::from_chars(word.data(), word.data() + word.size(), entry.parent);
    if (number == 20) std::from_chars(word.data(), word.data() + word.size(), entry.start);
    rest.remove_prefix(word.size());
  }
  return entry;
}

std::string described(const ProcessEntry& process) {
  struct stat status {};
  const bool known = stat(("/proc/" + std::to_string(process.pid)).c_str(), &status) == 0;
  return std::to_string(process.pid) + ' ' + process.name + (known && status.st_uid != geteuid() ? " (another user's)" : "");
}

bool has_children() {
  siginfo_t info;
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

std::vector<ProcessEntry> living_descendants(pid_t root) {
  std::multimap<pid_t, ProcessEntry> by_parent;
  each_pid([&](pid_t pid) {
    if (std::optional<ProcessEntry> entry = process_entry(pid)) by_parent.emplace(entry->parent, std::move(*entry));
  });
  std::vector<ProcessEntry> found;
  std::vector<pid_t> next = {root};
  for (std::size_t i = 0; i < next.size(); ++i) {
    const auto [begin, end] = by_parent.equal_range(next[i]);
    for (auto child = begin; child != end; ++child) {
      next.push_back(child->second.pid);
      if (!child->second.ended) found.push_back(child->second);
    }
  }
  return found;
}

std::vector<ProcessEntry> processes_with_variable(const std::string& variable) {
  const std::string wanted = '\0' + variable + '\0';
  std::vector<ProcessEntry> found;
  each_pid([&](pid_t pid) {
    const std::optional<std::string> environment = read_all("/proc/" + std::to_string(pid) + "/environ");
    if (!environment) return;
    if (('\0' + *environment).find(wanted) == std::string::npos) return;
    if (std::optional<ProcessEntry> entry = process_entry(pid); entry && !entry->ended) found.push_back(std::move(*entry));
  });
  return found;
}

bool signal_process(const ProcessEntry& process, int signal) {
  const FileDescriptor held(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!held) return true;
  // From here on the pid cannot be meant for another; before, it could.
  const std::optional<ProcessEntry> now = process_entry(process.pid);
  if (!now || now->start != process.start) return true;
  return syscall(SYS_pidfd_send_signal, held.get(), signal, nullptr, 0) == 0 || errno != EPERM;
}

void wake_process(const ProcessEntry& process) {
  // A debugger, or whoever else traces it, need not hear of it.
  const std::optional<ProcessEntry> now = process_entry(process.pid);
  if (now && now->stopped) signal_process(process, SIGCONT);
}

void wake_at_end_of_parent() { prctl(PR_SET_PDEATHSIG, SIGCONT); }

void die_with_parent() { prctl(PR_SET_PDEATHSIG, SIGKILL); }

void become_subreaper() {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) throw std::system_error(errno, std::generic_category(), "cannot become a subreaper");
}

std::vector<ProcessEntry> end_descendants(std::chrono::milliseconds limit) {
  return end_all([] { return has_children() ? living_descendants(getpid()) : std::vector<ProcessEntry>(); }, limit);
}

std::vector<ProcessEntry> end_processes_with_variable(const std::string& variable, std::chrono::milliseconds limit) {
  return end_all([&variable] { return processes_with_variable(variable); }, limit);
}

}  // namespace fabric
