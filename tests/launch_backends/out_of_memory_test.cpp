#include "launch_backends/out_of_memory.hpp"

#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {
namespace {

namespace fs = std::filesystem;

// ---- the counters of a machine that is written into a folder

struct Machine {
  const std::string root = temporary_folder();
  ~Machine() { fs::remove_all(root); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(root + '/' + name).parent_path());
    std::ofstream(root + '/' + name) << text;
  }
  OutOfMemoryCounters counters() const { return OutOfMemoryCounters(root + "/proc", root + "/cgroup"); }
};

BOOST_AUTO_TEST_CASE(kills_are_read_in_either_version) {
  for (const bool first : {true, false}) {
    const Machine machine;
    const std::string file = first ? "cgroup/memory/job/memory.oom_control" : "cgroup/job/memory.events";
    const auto kills = [&](int count) {
      machine.write(file, first ? "oom_kill_disable 0\nunder_oom 0\noom_kill " + std::to_string(count) + '\n'
                                : "low 0\nhigh 0\nmax 7\noom 3\noom_kill " + std::to_string(count) + "\noom_group_kill 0\n");
    };
    machine.write("proc/1/cgroup", first ? "4:cpu:/x\n3:hugetlb,memory:/job\n0::/\n" : "0::/job\n");
    kills(2);
    OutOfMemoryCounters counters = machine.counters();
    const std::string counter = counters.look(1);
    BOOST_TEST(counter == machine.root + '/' + file);
    // What was before is nobody's.
    BOOST_TEST(!counters.take_kill(counter));
    kills(4);
    BOOST_TEST(counters.look(1) == counter);
    BOOST_TEST(counters.take_kill(counter));
    BOOST_TEST(counters.take_kill(counter));
    BOOST_TEST(!counters.take_kill(counter));
  }
}

BOOST_AUTO_TEST_CASE(a_process_that_has_moved_is_in_another_group) {
  const Machine machine;
  machine.write("proc/1/cgroup", "0::/one\n");
  machine.write("cgroup/one/memory.events", "oom_kill 0\n");
  machine.write("cgroup/two/memory.events", "oom_kill 5\n");
  OutOfMemoryCounters counters = machine.counters();
  const std::string one = counters.look(1);
  machine.write("proc/1/cgroup", "0::/two\n");
  const std::string two = counters.look(1);
  BOOST_TEST(one != two);
  machine.write("cgroup/two/memory.events", "oom_kill 6\n");
  BOOST_TEST(!counters.take_kill(one));
  BOOST_TEST(counters.take_kill(two));
}

// Version 1 says of a process that is just being taken apart that it is in the root group.
BOOST_AUTO_TEST_CASE(a_process_that_ends_has_not_moved) {
  const Machine machine;
  machine.write("proc/1/cgroup", "4:memory:/\n");
  machine.write("proc/1/stat", "1 (a) b) R 0 1 1 0 -1 4194560 1 2 3\n");
  machine.write("cgroup/memory/memory.oom_control", "oom_kill 0\n");
  OutOfMemoryCounters counters = machine.counters();
  BOOST_TEST(counters.look(1) == machine.root + "/cgroup/memory/memory.oom_control");
  machine.write("proc/1/stat", "1 (a) b) R 0 1 1 0 -1 4194564 1 2 3\n");
  BOOST_TEST(counters.look(1) == "");
}

BOOST_AUTO_TEST_CASE(where_nothing_is_counted_nothing_is_said) {
  const Machine machine;
  OutOfMemoryCounters counters = machine.counters();
  BOOST_TEST(counters.look(1) == "");
  machine.write("proc/1/cgroup", "0::/\n");
  BOOST_TEST(counters.look(1) == "");
  BOOST_TEST(!counters.take_kill(""));
  // A container that sees its own group at the mount.
  machine.write("proc/1/cgroup", "0::/../elsewhere\n");
  machine.write("cgroup/memory.events", "oom_kill 0\n");
  BOOST_TEST(counters.look(1) == machine.root + "/cgroup/memory.events");
}

// ---- the kernel of this machine

// A memory group of 64 MB below that of this process, if one may be made here.
class SmallGroup {
 public:
  SmallGroup() {
    const std::string name = "/fabric-test-" + std::to_string(getpid());
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
      const std::size_t first = line.find(':'), second = line.find(':', first + 1);
      const std::string controllers = ',' + line.substr(first + 1, second - first - 1) + ',', own = line.substr(second + 1);
      const std::string below = own == "/" ? name : own + name;
      if (controllers.find(",memory,") != std::string::npos) make("/sys/fs/cgroup/memory" + below, "memory.limit_in_bytes");
      else if (controllers == ",,") make("/sys/fs/cgroup" + below, "memory.max");
      if (!path_.empty()) return;
    }
  }
  ~SmallGroup() {
    // Those in it have ended; the kernel takes a moment to see it.
    for (int i = 0; !path_.empty() && rmdir(path_.c_str()) != 0 && i < 200; ++i) usleep(10'000);
  }
  SmallGroup(const SmallGroup&) = delete;
  SmallGroup& operator=(const SmallGroup&) = delete;
  const std::string& path() const { return path_; }
  const std::string& why_not() const { return why_not_; }

 private:
  void make(const std::string& path, const std::string& limit) {
    std::error_code error;
    if (!fs::create_directory(path, error)) {
      why_not_ += path + ": " + (error ? error.message() : "is there already") + "; ";
      return;
    }
    std::ofstream file(path + '/' + limit);
    file << (64 << 20) << std::flush;
    if (file) {
      path_ = path;
      return;
    }
    why_not_ += path + '/' + limit + " cannot be written; ";
    rmdir(path.c_str());
  }

  std::string path_, why_not_;
};

// The rank moves itself, as a wrapper does. Its agent needs some 20 ms to see where it is; a program, longer than that to fill 64 MB.
void run_in(const SmallGroup& group, const std::string& actions, const std::string& message) {
  RunUnderTest run({actions});
  std::vector<Text>& argv = run.plan.groups[0].rank.argv;
  const std::vector<Text> mover = {Text("/bin/sh"), Text("-c"), Text("echo $$ >" + group.path() + "/cgroup.procs && exec \"$0\" \"$@\"")};
  argv.insert(argv.begin(), mover.begin(), mover.end());
  const FinishedRun finished = run.run();
  BOOST_TEST_REQUIRE(finished.outcome.has_value());
  BOOST_TEST(finished.outcome->message == message);
}

bool is_left_out(const SmallGroup& group) {
  if (!group.path().empty()) return false;
  BOOST_TEST_MESSAGE("left out: no memory group can be made here: " << group.why_not());
  return true;
}

BOOST_AUTO_TEST_CASE(a_rank_that_moved_and_was_killed_for_memory_is_named_so) {
  const SmallGroup group;
  if (is_left_out(group)) return;
  run_in(group, "ms:100,eat:200,sleep", "rank 0 was killed by signal 9 (KILL), out of memory");
  run_in(group, "ms:100,child-eats:200", "rank 0 exited with code 137, out of memory");
}

BOOST_AUTO_TEST_CASE(a_plain_kill_in_such_a_group_is_none) {
  const SmallGroup group;
  if (is_left_out(group)) return;
  run_in(group, "ms:100,eat:30,kill-self", "rank 0 was killed by signal 9 (KILL)");
  run_in(group, "ms:100,eat:200,sleep", "rank 0 was killed by signal 9 (KILL), out of memory");
  // Nor behind another that was.
  run_in(group, "ms:100,kill-self", "rank 0 was killed by signal 9 (KILL)");
}

// Whoever runs all of fabric in a group of its own, as a scheduler does.
BOOST_AUTO_TEST_CASE(so_is_one_in_the_group_of_its_agent) {
#ifdef __SANITIZE_ADDRESS__
  BOOST_TEST_MESSAGE("left out: with a sanitizer, the agent itself fills the group");
  return;
#endif
  const SmallGroup group;
  if (is_left_out(group)) return;
  for (const bool hungry : {true, false}) {
    RunUnderTest run({hungry ? "ready,await-ready:go,eat:200,sleep" : "ready,await-ready:go,kill-self"});
    run.start();
    run.await_ready();
    for (const pid_t pid : {run.controller(), run.agent(), run.keeper(), run.rank(0)}) {
      std::ofstream procs(group.path() + "/cgroup.procs");
      procs << pid << std::flush;
      BOOST_TEST(procs.good());
    }
    usleep(600'000);
    std::ofstream(run.directory() + "/ready-go") << "go";
    const FinishedRun finished = run.finish();
    BOOST_TEST_REQUIRE(finished.outcome.has_value());
    BOOST_TEST(finished.outcome->message == std::string("rank 0 was killed by signal 9 (KILL)") + (hungry ? ", out of memory" : ""));
  }
}

}  // namespace
}  // namespace fabric::test
