// A cluster of real daemons on this machine, started by one of the scripts beside this file. It ends with its object, and when the test
// dies in whatever way, a second later; then nothing of it is left. Each sees /tmp and the build folder as this machine does.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/process.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {

// How a command runs inside.
struct Inside {
  std::string node = "head";
  std::string folder;                  // empty: the home folder
  std::vector<std::string> variables;  // NAME=value, on top of PATH, HOME, USER and the like
  std::string input;
  std::chrono::seconds limit{60};
};

class Cluster {
 public:
  // Starts it with the options of the script. Throws std::runtime_error with what the script said.
  Cluster(std::string script, std::vector<std::string> options);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // What keeps this machine from running it; empty: nothing.
  static std::string missing(const std::string& script, const std::vector<std::string>& options);

  const std::filesystem::path& folder() const { return folder_.path(); }  // gone at the end; log/ is in it
  std::filesystem::path home() const { return folder() / "home"; }        // of the user inside; all nodes have it
  double seconds_to_start() const { return seconds_to_start_; }

  // Runs a command to its end; one that takes longer than the limit is killed.
  ProgramResult exec(std::vector<std::string> argv, Inside how = {}) const;
  ProgramResult shell(const std::string& line, Inside how = {}) const;  // of bash
  // Its stdout without the last end of line. Throws std::runtime_error with all that it said if it fails.
  std::string output(const std::string& line, Inside how = {}) const;

  // As the script describes them; each has happened on return. They throw std::runtime_error where that is not possible.
  void crash(const std::string& node) const { verb({"crash", node}); }
  void boot(const std::string& node) const { verb({"boot", node}); }
  void kill_daemon(const std::string& node, const std::string& signal = "KILL") const { verb({"kill-daemon", node, signal}); }
  void start_daemon(const std::string& node) const { verb({"start-daemon", node}); }
  void unplug(const std::string& node) const { verb({"unplug", node}); }
  void plug(const std::string& node) const { verb({"plug", node}); }
  void cut(const std::string& a, const std::string& b) const { verb({"cut", a, b}); }
  void cut_one_way(const std::string& from, const std::string& to) const { verb({"cut-one-way", from, to}); }
  void mend() const { verb({"mend"}); }
  void mend(const std::string& from, const std::string& to) const { verb({"mend", from, to}); }
  void stop() const { verb({"stop"}); }

  // The living processes of it, by their pids on this machine, found in /proc and not by asking the script.
  std::vector<pid_t> processes() const;

 private:
  friend class RunningCommand;
  void verb(std::vector<std::string> words) const;
  ProcessStart process(std::vector<std::string> argv, const Inside& how) const;

  std::string script_;
  Folder folder_;
  FileDescriptor owner_;  // a locked file: the cluster lives as long as somebody has it
  double seconds_to_start_ = 0;
  mutable int commands_ = 0;
};

// A command that runs inside while the test goes on. Its end kills it.
class RunningCommand {
 public:
  RunningCommand(const Cluster& cluster, std::vector<std::string> argv, Inside how = {});
  ~RunningCommand();
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;

  void signal(int number) const;  // to the command itself
  void go_on() const;             // lets what waits for it go on, which stops where the command is stopped
  std::string output() const;     // stdout until now
  std::string errors() const;     // stderr until now
  // Waits for its end; timed_out: it goes on.
  ProgramResult wait(std::chrono::seconds limit);

 private:
  const Cluster& cluster_;
  Inside how_;
  std::string files_;  // what their names begin with
  pid_t process_ = 0;  // on this machine, of the program that waits for it; 0: it has ended
  ExitStatus status_;
};

// True, with a word of why, where something is missing: the case is left out.
inline bool left_out(const std::string& missing) {
  if (missing.empty()) return false;
  BOOST_TEST_MESSAGE("left out: " << missing);
  BOOST_TEST(true);
  return true;
}

// One cluster for all cases of a suite, and a word where there can be none:
//   using Slurm = ForSuite<SlurmCluster>;
//   BOOST_AUTO_TEST_SUITE(slurm, *boost::unit_test::fixture<Slurm>())
//   BOOST_AUTO_TEST_CASE(it_is_there) {
//     if (Slurm::left_out()) return;
//     BOOST_TEST(Slurm::cluster().output("srun -N2 hostname") != "");
//   }
// choose: a function that returns the options.
template <class C, typename C::Options (*choose)() = nullptr>
class ForSuite {
 public:
  ForSuite() {
    typename C::Options options;
    if constexpr (choose != nullptr) options = choose();
    missing_ = C::missing(options);
    if (missing_.empty()) cluster_ = std::make_unique<C>(options);
  }
  ~ForSuite() { cluster_.reset(); }

  static bool left_out() { return testing::left_out(missing_); }
  static C& cluster() { return *cluster_; }

 private:
  inline static std::string missing_;
  inline static std::unique_ptr<C> cluster_;
};

// True as soon as the condition holds; false if it does not within the limit.
template <class Condition>
bool eventually(Condition&& condition, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    usleep(20000);
  }
  return true;
}

}  // namespace fabric::testing
