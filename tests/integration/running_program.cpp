#include "tests/integration/running_program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace fabric::test {
namespace fs = std::filesystem;

RunningProgram::RunningProgram(std::vector<std::string> argv, const std::string& folder, const std::vector<std::string>& variables) {
  static int count = 0;
  mark_ = "TEST_MARK_OF_FABRIC=" + std::to_string(getpid()) + '-' + std::to_string(++count);
  log_ = (fs::temp_directory_path() / ("fabric-test-output-" + mark_.substr(20))).string();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    if (chdir(folder.c_str()) != 0) _exit(126);
    putenv(mark_.data());
    for (const std::string& v : variables) putenv(strdup(v.c_str()));
    const int out = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    dup2(out, 1);
    dup2(out, 2);
    const int in = open("/dev/null", O_RDONLY);
    dup2(in, 0);
    std::vector<char*> arguments;
    for (std::string& a : argv) arguments.push_back(a.data());
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
}

RunningProgram::~RunningProgram() {
  for (const pid_t p : marked()) kill(p, SIGKILL);
  if (!code_) waitpid(pid_, nullptr, 0);
  std::error_code ignored;
  fs::remove(log_, ignored);
}

void RunningProgram::signal(int number) const { kill(pid_, number); }

std::optional<int> RunningProgram::wait(std::chrono::seconds limit) {
  if (code_) return code_;
  eventually(
      [&] {
        int status = 0;
        if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
        code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return true;
      },
      limit);
  return code_;
}

std::string RunningProgram::output() const { return read_text(log_); }

std::vector<pid_t> RunningProgram::marked() const {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string environment = read_text(entry.path().string() + "/environ");
    environment.insert(0, 1, '\0');
    if (environment.find('\0' + mark_ + '\0') == std::string::npos) continue;
    const std::string stat = read_text(entry.path().string() + "/stat");
    const std::size_t state = stat.rfind(") ");
    if (state == std::string::npos || stat[state + 2] == 'Z' || stat[state + 2] == 'X') continue;
    found.push_back(static_cast<pid_t>(std::stol(name)));
  }
  return found;
}

Finished run(std::vector<std::string> argv, const std::string& folder, std::chrono::seconds limit) {
  RunningProgram program(std::move(argv), folder);
  const std::optional<int> code = program.wait(limit);
  return {code.value_or(-1), program.output()};
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string command_line(pid_t pid) {
  std::string text = read_text("/proc/" + std::to_string(pid) + "/cmdline");
  for (char& c : text)
    if (c == '\0') c = ' ';
  return text;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "fabric-test-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace fabric::test
