// A job and the folder where it is applied, over hosts that all see it; and what is looked for among their processes.
#pragma once

#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "schema/json.hpp"
#include "tests/clusters/inhabitants.hpp"
#include "tests/clusters/ssh_hosts.hpp"

namespace fabric::testing {

namespace fs = std::filesystem;
using std::chrono::seconds;

using Hosts = ForSuite<SshHosts>;

inline const std::string fabric_program = std::string(FABRIC_BINARY_DIR) + "/bin/fabric";

// A job and the folder where it is applied, which all hosts see.
class Job {
 public:
  explicit Job(const std::string& text) {
    folder_ = Hosts::cluster().home() / ("job-" + std::to_string(++number));
    fs::create_directories(folder_);
    write("job.yaml", "fabric: 1\nname: job\naccelerator: cpu\nbackend: ssh\n" + text);
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name, std::ios::binary) << text; }
  fs::path folder() const { return folder_; }
  fs::path run() const { return fs::canonical(folder_ / "runs/job/latest"); }
  std::string log(int node, int rank) const {
    return read_text(run() / "nodes" / std::to_string(node) / ("rank-" + std::to_string(rank) + ".log"));
  }

  Inside inside() const { return {.folder = folder_.string(), .variables = {"NO_COLOR=1", "COLUMNS=200"}, .limit = seconds(90)}; }
  static std::vector<std::string> line(std::vector<std::string> words) {
    words.insert(words.begin(), fabric_program);
    return words;
  }
  ProgramResult fabric(std::vector<std::string> words) const { return Hosts::cluster().exec(line(std::move(words)), inside()); }
  Value status() const {
    const std::optional<Value> value = read_json(read_text(run() / "status.json"));
    BOOST_REQUIRE(value);
    return *value;
  }

 private:
  inline static int number = 0;
  fs::path folder_;
};

inline const std::string four_hosts = "ssh: {hosts: [h1, h2, h3, h4]}\n";
// Of whom one that is not heard of is soon given up. A machine with much to do can be as silent: only where that is what matters.
inline const std::string four_impatient_hosts = "ssh: {hosts: [h1, h2, h3, h4], lease: 3s}\n";
// Says that it is up, and stays; where it is told to end it says so.
inline const std::string steady = "program: [bash, -c, 'trap \"echo saved; exit 0\" TERM; echo up; while :; do sleep 0.1; done']\n";

inline std::string said(const ProgramResult& result) { return result.output + "--- stderr\n" + result.errors; }
inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Of a process that may be gone.
inline std::string command_line_of(pid_t pid) {
  std::string line = bytes_of(pid, "cmdline");
  std::replace(line.begin(), line.end(), '\0', ' ');
  return line;
}

// Of the hosts, those that are about a run: its ranks, agents and keepers, and ssh and `fabric host` on the way to them.
inline std::vector<std::string> processes_of_runs() {
  std::vector<std::string> found;
  for (const pid_t pid : Hosts::cluster().processes()) {
    const std::string line = command_line_of(pid);
    if (has(line, "FABRIC") || has(line, "fabric agent") || has(line, "fabric host") || has(line, "echo up") || line.starts_with("ssh "))
      found.push_back(std::to_string(pid) + ' ' + line);
  }
  return found;
}
inline std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}
inline bool nothing_is_left(seconds limit = seconds(10)) {
  const bool gone = eventually([] { return processes_of_runs().empty(); }, limit);
  if (!gone) BOOST_TEST_MESSAGE("left: " << joined(processes_of_runs()));
  return gone;
}

// The process of that command on this machine, whose command line holds the words.
inline pid_t process_with(const std::string& words) {
  for (const pid_t pid : Hosts::cluster().processes()) {
    const std::string line = command_line_of(pid);
    if (has(line, words)) return pid;
  }
  return 0;
}

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace fabric::testing
