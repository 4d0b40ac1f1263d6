#include "launch_backends/core_dump.hpp"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace fabric {
namespace {

std::string line_of(const char* path) {
  std::string line;
  std::ifstream in(path);
  std::getline(in, line);
  return line;
}

// For glob(3): text that stands for itself.
std::string literal(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string newest_of(const std::string& pattern) {
  glob_t found{};
  std::string newest;
  timespec written{};
  if (glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      struct stat status {};
      if (stat(found.gl_pathv[i], &status) != 0 || !S_ISREG(status.st_mode)) continue;
      const timespec& time = status.st_mtim;
      if (!newest.empty() && (time.tv_sec < written.tv_sec || (time.tv_sec == written.tv_sec && time.tv_nsec < written.tv_nsec))) continue;
      newest = found.gl_pathv[i];
      written = time;
    }
  }
  globfree(&found);
  return newest;
}

}  // namespace

std::string core_dump_of(pid_t pid, const std::string& cwd, int signal, const std::string& pattern, bool uses_pid) {
  const std::string number = std::to_string(pid);
  if (pattern.starts_with('|')) {
    const std::size_t begin = std::min(pattern.find_first_not_of(' ', 1), pattern.size());
    const std::string program = pattern.substr(begin, pattern.find(' ', begin) - begin);
    if (program.ends_with("/systemd-coredump")) return "core in the journal: `coredumpctl info " + number + '`';
    return "core given to " + program;
  }
  std::string file;
  bool has_pid = false;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '%' || at + 1 == pattern.size()) {
      if (pattern[at] != '%') file += literal(pattern.substr(at, 1));
      continue;
    }
    switch (pattern[++at]) {
      case '%': file += '%'; break;
      case 'p':
      case 'P':
        file += number;
        has_pid = true;
        break;
      case 's': file += std::to_string(signal); break;
      case 'u': file += std::to_string(getuid()); break;
      case 'g': file += std::to_string(getgid()); break;
      default: file += '*'; break;  // a name, a time: whatever it was
    }
  }
  if (!file.starts_with('/')) file = literal(cwd) + '/' + file;
  if (uses_pid && !has_pid) file += '.' + number;
  const std::string found = newest_of(file);
  return found.empty() ? "core dumped" : "core in " + found;
}

std::string core_dump_of(pid_t pid, const std::string& cwd, int signal) {
  return core_dump_of(pid, cwd, signal, line_of("/proc/sys/kernel/core_pattern"), line_of("/proc/sys/kernel/core_uses_pid") == "1");
}

}  // namespace fabric
