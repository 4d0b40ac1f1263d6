// A program that a test starts and watches, and what is left of it: every process that inherited the test's mark, found by walking
// /proc and not by asking the program.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace fabric::test {

class RunningProgram {
 public:
  // Starts argv in folder, with variables ("NAME=value") on top of ours; its output goes to a file.
  RunningProgram(std::vector<std::string> argv, const std::string& folder, const std::vector<std::string>& variables = {});
  ~RunningProgram();  // kills what is left

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // The exit code, 128 + n for a signal n; nullopt if it goes on after `limit`.
  std::optional<int> wait(std::chrono::seconds limit);
  std::string output() const;
  // Living processes (no zombies) that carry the mark, the program itself included.
  std::vector<pid_t> marked() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> code_;
  std::string log_;
  std::string mark_;
};

struct Finished {
  int code;
  std::string output;
};
Finished run(std::vector<std::string> argv, const std::string& folder, std::chrono::seconds limit = std::chrono::seconds(120));

// True as soon as the condition holds; false if it does not within the limit.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit);

std::string read_text(const std::string& path);
std::string command_line(pid_t pid);  // arguments joined by spaces; "" if it is gone

// A new folder below the temporary one, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline const std::string fabric_program = std::string(FABRIC_BINARY_DIR) + "/bin/fabric";
inline const std::string configs = std::string(FABRIC_SOURCE_DIR) + "/configs";

}  // namespace fabric::test
