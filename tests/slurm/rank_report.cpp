// A rank that says what it was given, in one line of JSON: arguments, variables, folder, CPUs, open descriptors, limits, signals and
// whatever else a process inherits. A byte is the character of its number, so that what is no UTF-8 is told too.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace {

std::string quoted(const std::string& bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const unsigned byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\') {
      text += c;
      continue;
    }
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", byte);
    text += escape;
  }
  return text + '"';
}

using Map = std::map<std::string, std::string>;

std::string as_json(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& entry : list) text += (text.empty() ? "" : ",") + quoted(entry);
  return '[' + text + ']';
}

std::string as_json(const Map& map) {
  std::string text;
  for (const auto& [key, value] : map) text += (text.empty() ? "" : ",") + quoted(key) + ':' + quoted(value);
  return '{' + text + '}';
}

std::string link_of(const std::string& path) {
  std::string target(1 << 16, '\0');
  const ssize_t n = readlink(path.c_str(), target.data(), target.size());
  return n < 0 ? "?" : target.substr(0, static_cast<std::size_t>(n));
}

// What it is, and how it is open.
std::string descriptor(int fd) {
  std::string text = link_of("/proc/self/fd/" + std::to_string(fd));
  text = text.substr(0, text.find(":["));  // sockets and pipes have numbers
  const int flags = fcntl(fd, F_GETFL);
  text += (flags & O_ACCMODE) == O_RDONLY ? " r" : (flags & O_ACCMODE) == O_WRONLY ? " w" : " rw";
  if (flags & O_APPEND) text += " append";
  if (flags & O_NONBLOCK) text += " nonblock";
  if (fcntl(fd, F_GETFD) & FD_CLOEXEC) text += " cloexec";
  return text;
}

Map descriptors() {
  Map all;
  DIR* const folder = opendir("/proc/self/fd");
  while (const dirent* entry = folder ? readdir(folder) : nullptr) {
    if (entry->d_name[0] == '.') continue;
    if (const int fd = std::atoi(entry->d_name); fd != dirfd(folder)) all[entry->d_name] = descriptor(fd);
  }
  if (folder) closedir(folder);
  return all;
}

Map variables() {
  Map all;
  for (char** variable = environ; *variable; ++variable) {
    const std::string text = *variable;
    const std::size_t cut = text.find('=');
    const std::string name = text.substr(0, cut);
    all[all.contains(name) ? name + " again" : name] = cut == std::string::npos ? "no value" : text.substr(cut + 1);
  }
  return all;
}

std::string cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::string list;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) list += (list.empty() ? "" : ",") + std::to_string(cpu);
  return list;
}

// Soft ones, or hard ones.
Map limits(rlim_t rlimit::*which) {
  static const std::pair<const char*, __rlimit_resource_t> names[] = {
      {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
      {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
      {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
      {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
      {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
      {"stack", RLIMIT_STACK}};
  const auto text = [](rlim_t value) { return value == RLIM_INFINITY ? "unlimited" : std::to_string(value); };
  Map all;
  for (const auto& [name, resource] : names) {
    rlimit limit{};
    getrlimit(resource, &limit);
    all[name] = text(limit.*which);
  }
  return all;
}

// Lines of /proc/self/status that are inherited.
Map status() {
  const std::vector<std::string> wanted = {"Umask",  "Uid",    "Gid",    "Groups", "SigBlk", "SigIgn",     "SigCgt",
                                           "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"};
  Map all;
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    const std::string name = line.substr(0, line.find(':'));
    if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    std::string value = line.substr(line.find(':') + 1);
    std::replace(value.begin(), value.end(), '\t', ' ');
    value.erase(0, value.find_first_not_of(' '));
    value.erase(value.find_last_not_of(' ') + 1);
    all[name] = value;
  }
  return all;
}

std::string first_line(const char* path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

Map process() {
  Map all = status();
  int value = 0;
  prctl(PR_GET_PDEATHSIG, &value);
  all["parent_death_signal"] = std::to_string(value);
  prctl(PR_GET_CHILD_SUBREAPER, &value);
  all["subreaper"] = std::to_string(value);
  all["dumpable"] = std::to_string(prctl(PR_GET_DUMPABLE));
  all["timer_slack"] = std::to_string(prctl(PR_GET_TIMERSLACK));
  all["securebits"] = std::to_string(prctl(PR_GET_SECUREBITS));
  all["thp_disable"] = std::to_string(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  all["personality"] = std::to_string(personality(0xffffffff));
  all["nice"] = std::to_string(getpriority(PRIO_PROCESS, 0));
  all["scheduler"] = std::to_string(sched_getscheduler(0));
  all["io_priority"] = std::to_string(syscall(SYS_ioprio_get, 1, 0));
  all["oom_score_adj"] = first_line("/proc/self/oom_score_adj");
  all["session"] = getsid(0) == getpid() && getpgrp() == getpid() ? "its own" : "another's";
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  all["terminal"] = terminal >= 0 ? "yes" : "none";
  if (terminal >= 0) close(terminal);
  all["root"] = link_of("/proc/self/root");
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  // Before anything is opened here.
  const Map open = descriptors();
  const std::string text = "{\"argv\":" + as_json(std::vector<std::string>(argv, argv + argc)) + ",\"cpus\":" + quoted(cpus()) +
                           ",\"cwd\":" + quoted(link_of("/proc/self/cwd")) + ",\"env\":" + as_json(variables()) +
                           ",\"fd\":" + as_json(open) + ",\"hard_limit\":" + as_json(limits(&rlimit::rlim_max)) +
                           ",\"limit\":" + as_json(limits(&rlimit::rlim_cur)) + ",\"process\":" + as_json(process()) + "}\n";
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0 ? 0 : 1;
}
