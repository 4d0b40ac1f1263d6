// Where a crashed rank left its memory.
#include "launch_backends/core_dump.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <ostream>

#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {

namespace {

namespace fs = std::filesystem;

struct CorePattern {
  const char* pattern;
  bool uses_pid;
  const char* file;  // that is there, below the folder of the process
  const char* said;  // DIR: the folder
};
std::ostream& operator<<(std::ostream& out, const CorePattern& row) { return out << row.pattern << ' ' << row.file; }

const CorePattern core_patterns[] = {
    {"core", false, "core", "core in DIR/core"},
    {"core", true, "core.4711", "core in DIR/core.4711"},
    {"core", true, "core.4712", "core dumped"},
    {"core.%p", true, "core.4711", "core in DIR/core.4711"},
    {"%e-%s-%t.core", false, "train[1]-11-1795898734.core", "core in DIR/train[1]-11-1795898734.core"},
    {"%e-%s-%t.core", false, "train-6-1795898734.core", "core dumped"},
    {"a%%b", false, "a%b", "core in DIR/a%b"},
    {"/nowhere/core.%P", false, "core.4711", "core dumped"},
    {"|/usr/lib/systemd/systemd-coredump %P %u", false, "x", "core in the journal: `coredumpctl info 4711`"},
    {"| /usr/share/apport/apport %p", false, "x", "core given to /usr/share/apport/apport"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(core_dumps)

BOOST_DATA_TEST_CASE(patterns_of_the_kernel, core_patterns, row) {
  // A folder whose name means something to a glob.
  const std::string folder = temporary_folder() + "/a[b]*";
  fs::create_directories(folder);
  std::ofstream(folder + '/' + row.file) << "memory";
  std::string said = core_dump_of(4711, folder, 11, row.pattern, row.uses_pid);
  if (const std::size_t at = said.find(folder); at != std::string::npos) said.replace(at, folder.size(), "DIR");
  BOOST_TEST(said == row.said);
  fs::remove_all(fs::path(folder).parent_path());
}

// The real kernel; where it gives cores to a program, that may not be there, and then none is dumped.
BOOST_AUTO_TEST_CASE(a_rank_that_crashes_says_where) {
  rlimit before{};
  getrlimit(RLIMIT_CORE, &before);
  const rlimit all{before.rlim_max, before.rlim_max};
  const bool allowed =
      before.rlim_max > 0 && setrlimit(RLIMIT_CORE, &all) == 0 && read_file("/proc/sys/kernel/core_pattern").front() != '|';
  const std::string folder = temporary_folder();
  RunUnderTest run({"sleep", "core,segfault"});
  run.plan.groups[0].rank.cwd = Text(folder);
  const FinishedRun finished = run.run();
  setrlimit(RLIMIT_CORE, &before);
  const std::string& message = finished.outcome->message;
  // 96: it may not raise its limit.
  BOOST_TEST((finished.outcome->exit_code == 96 || message.starts_with("rank 1 was killed by signal 11 (SEGV)")), message);
  if (allowed && finished.outcome->exit_code == 139) {
    BOOST_TEST(message.find(", core in ") != std::string::npos, message);
    BOOST_TEST(fs::exists(message.substr(message.find(", core in ") + 10)), message);
  } else {
    BOOST_TEST_MESSAGE("left out: core files are off here; only the rest was looked at");
  }
  fs::remove_all(folder);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace fabric::test
