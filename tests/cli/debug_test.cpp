// One rank of a run in the terminal of whoever started it, under Python's own debugger.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <ostream>

#include "launch_backends/process.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// `fabric` at a terminal of 33 lines and 101 columns, and someone who types.
class Session {
 public:
  Session(const Words& words, const Folder& folder, const Words& variables = {}) : near_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    BOOST_REQUIRE(near_ && grantpt(near_.get()) == 0 && unlockpt(near_.get()) == 0);
    far_ = FileDescriptor(open(ptsname(near_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    BOOST_REQUIRE(far_);
    const winsize size{33, 101, 0, 0};
    ioctl(near_.get(), TIOCSWINSZ, &size);
    BOOST_REQUIRE(tcgetattr(far_.get(), &before_) == 0);
    ProcessStart start;
    start.argv = {FABRIC_BINARY_DIR "/bin/fabric"};
    start.argv.insert(start.argv.end(), words.begin(), words.end());
    start.env = {"PATH=/usr/bin:/bin", "HOME=/nonexistent", "LC_ALL=C.UTF-8", "TERM=dumb", "NO_COLOR=1"};
    start.env.insert(start.env.end(), variables.begin(), variables.end());
    start.cwd = folder.path().string();
    start.descriptors = {{far_.get(), 0}, {far_.get(), 1}, {far_.get(), 2}};
    start.new_session = true;
    start.controlling_terminal = true;
    pid_ = start_process(start);
  }
  ~Session() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    wait_for(pid_);
  }

  // What comes up to this text. Fails if it does not come.
  std::string until(const std::string& text) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!contains(seen_, text) && std::chrono::steady_clock::now() < limit) read_some();
    const std::size_t at = seen_.find(text);
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, "`" << text << "` did not come, but: " << seen_);
    const std::string before = seen_.substr(0, at + text.size());
    seen_.erase(0, at + text.size());
    return before;
  }

  void type(const std::string& text) { BOOST_REQUIRE(write(near_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())); }
  void send(int signal) { BOOST_REQUIRE(kill(pid_, signal) == 0); }
  void resize(unsigned short rows, unsigned short columns) {
    const winsize size{rows, columns, 0, 0};
    BOOST_REQUIRE(ioctl(near_.get(), TIOCSWINSZ, &size) == 0);
  }

  // Its end, with all that it has said since, and the terminal as it was.
  std::pair<ExitStatus, std::string> end() {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    const FileDescriptor process = open_process(pid_);
    for (pollfd ended{process.get(), POLLIN, 0}; poll(&ended, 1, 0) == 0 && std::chrono::steady_clock::now() < limit;) read_some();
    const ExitStatus status = wait_for(std::exchange(pid_, 0));
    while (read_some()) {}
    termios after{};
    BOOST_REQUIRE(tcgetattr(far_.get(), &after) == 0);
    BOOST_TEST(after.c_iflag == before_.c_iflag);
    BOOST_TEST(after.c_oflag == before_.c_oflag);
    BOOST_TEST(after.c_cflag == before_.c_cflag);
    BOOST_TEST(after.c_lflag == before_.c_lflag);
    BOOST_TEST(std::memcmp(after.c_cc, before_.c_cc, sizeof after.c_cc) == 0);
    return {status, std::exchange(seen_, "")};
  }

 private:
  bool read_some() {
    pollfd readable{near_.get(), POLLIN, 0};
    if (poll(&readable, 1, 50) <= 0) return false;
    char buffer[4096];
    const ssize_t n = read(near_.get(), buffer, sizeof buffer);
    if (n > 0) seen_.append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }

  FileDescriptor near_, far_;
  termios before_{};
  pid_t pid_ = 0;
  std::string seen_;
};

const char* const stops =
    "import os, sys\n"
    "print('hello from', os.environ['RANK'], os.get_terminal_size(0).columns if os.isatty(0) else 'no terminal')\n"
    "x = 41\n"
    "breakpoint()\n"
    "print('after', x + 1)\n"
    "sys.exit(int(os.environ.get('CODE', '0')) if os.environ['RANK'] == '1' else 0)\n";

BOOST_AUTO_TEST_SUITE(debug)

BOOST_AUTO_TEST_CASE(breakpoint_stops_the_one_rank_in_this_terminal) {
  const Folder folder;
  folder.write("train.py", stops);
  Session session({"run", "--nproc-per-node", "2", "--debug", "1", "train.py"}, folder);
  const std::string head = session.until("hello from 1 101\r\n");
  BOOST_TEST(contains(head, "rank 1 has this terminal: Ctrl-C is its own, Ctrl-] ends the run"), head);
  BOOST_TEST(contains(head, "what the other ranks print is in their log files only"), head);
  session.until("(Pdb) ");
  session.type("p os.environ['RANK'], x\n");
  BOOST_TEST(contains(session.until("(Pdb) "), "('1', 41)\r\n"));
  session.resize(20, 77);
  session.type("import time; time.sleep(0.5); print(os.get_terminal_size(0))\n");
  session.until("columns=77, lines=20");
  session.until("(Pdb) ");
  session.type("x = 1\n");
  session.until("(Pdb) ");
  session.type("c\n");
  session.until("after 2\r\n");
  const auto [status, said] = session.end();
  BOOST_TEST(status.str() == "exited with code 0", said);
  BOOST_TEST(contains(said, "finished\r\n"), said);
  BOOST_TEST(!contains(said, "hello from 0"), said);
  // Of the others breakpoint() asks nobody, and they have their files.
  BOOST_TEST(folder.read("runs/train/latest/nodes/0/rank-0.log") == "hello from 0 no terminal\nafter 42\n");
  const std::string log = folder.read("runs/train/latest/nodes/0/rank-1.log");
  for (const char* part : {"hello from 1 101\r\n", "(Pdb) x = 1\r\n", "after 2\r\n"}) BOOST_TEST(contains(log, part), log);
}

BOOST_AUTO_TEST_CASE(the_debugger_is_the_users_choice) {
  const Folder folder;
  folder.write("train.py", stops);
  folder.write("mine.py", "import sys\ndef stop(): print('mine', sys.stdin.readline())\n");
  Session session({"run", "--debug", "0", "train.py"}, folder, {"PYTHONBREAKPOINT=mine.stop", "PYTHONPATH=."});
  session.until("hello from 0");
  session.type("typed\n");
  session.until("mine typed\r\n");
  BOOST_TEST(session.end().first.good());
}

// The control keys are the rank's own, as if it had been started alone.
BOOST_AUTO_TEST_CASE(an_interrupt_is_the_ranks_own) {
  const Folder folder;
  folder.write("train.py",
               "import os, time\n"
               "try:\n    print('waits', flush=True)\n    time.sleep(60 if os.environ['RANK'] == '0' else 1)\n"
               "except KeyboardInterrupt: print('interrupted')\n");
  Session session({"run", "--nproc-per-node", "2", "--debug", "0", "train.py"}, folder);
  session.until("waits");
  session.type("\x03");
  session.until("interrupted\r\n");
  BOOST_TEST(session.end().first.good());
  BOOST_TEST(folder.read("runs/train/latest/nodes/0/rank-1.log") == "waits\n");
}

BOOST_AUTO_TEST_CASE(a_key_ends_the_run) {
  const Folder folder;
  folder.write("train.py", stops);
  Session session({"run", "--nproc-per-node", "2", "--debug", "0", "train.py"}, folder);
  session.until("(Pdb) ");
  session.type("\x1d");
  const auto [status, said] = session.end();
  BOOST_TEST(status.str() == "exited with code 130", said);
  BOOST_TEST(contains(said, "stopped by SIGINT"), said);
}

// More than the kernel keeps for a reader that never comes.
BOOST_AUTO_TEST_CASE(what_nobody_reads_holds_up_nothing) {
  const Folder folder;
  folder.write("train.py", "import time, tty\ntty.setraw(0)\nprint('raw', flush=True)\ntime.sleep(60)\n");
  Session session({"run", "--debug", "0", "train.py"}, folder);
  session.until("raw");
  for (int i = 0; i < 100; ++i) session.type(std::string(1000, 'x'));
  session.type("\x1d");
  const auto [status, said] = session.end();
  BOOST_TEST(status.str() == "exited with code 130", said);
}

// The terminal is given back by whatever can be caught.
struct Killed {
  int signal;
  std::string ends;
};
std::ostream& operator<<(std::ostream& out, const Killed& killed) { return out << killed.ends; }
const Killed killed_by[] = {{SIGTERM, "exited with code 143"},
                            {SIGHUP, "exited with code 129"},
                            {SIGQUIT, "was killed by signal 3 (QUIT)"},
                            {SIGSEGV, "was killed by signal 11 (SEGV)"}};

BOOST_DATA_TEST_CASE(the_terminal_is_given_back, killed_by, killed) {
  const Folder folder;
  folder.write("train.py", stops);
  Session session({"run", "--debug", "0", "train.py"}, folder);
  session.until("(Pdb) ");
  session.send(killed.signal);
  const auto [status, said] = session.end();
  BOOST_TEST(status.str() == killed.ends, said);
  // The agent may still be writing that its controller was lost.
  for (int i = 0; i < 300 && contains(run_fabric({"status", "train"}, folder.path()).out, "running"); ++i) usleep(20'000);
  BOOST_TEST(!contains(run_fabric({"status", "train"}, folder.path()).out, "running"));
}

BOOST_AUTO_TEST_CASE(nobody_is_in_a_hurry) {
  const Folder folder;
  folder.write("train.py", stops);
  folder.write("job.yaml",
               "fabric: 1\nname: slow\naccelerator: cpu\ndevices: 2\nstall: 500ms\ntime_limit: 1s\nrestart: 3\nprogram: [train.py]\n");
  Session session({"apply", "job.yaml", "--debug", "1"}, folder, {"CODE=5"});
  BOOST_TEST(contains(session.until("(Pdb) "), "stall, time_limit and restart are off"));
  usleep(1'600'000);
  session.type("c\n");
  const auto [status, said] = session.end();
  BOOST_TEST(status.str() == "exited with code 5", said);
  BOOST_TEST(contains(said, "error: rank 1 exited with code 5"), said);
  for (const char* part : {"stalled", "restarting", "time limit"}) BOOST_TEST(!contains(said, part), said);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_debugged_is_refused) {
  const Folder folder;
  folder.write("train.py", stops);
  folder.write("job.yaml", "fabric: 1\nname: none\naccelerator: cpu\ndevices: 2\nprogram: [train.py]\n");
  const ProgramRun run = run_fabric({"apply", "job.yaml", "--debug", "0"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "`--debug` needs a terminal"), run.err);
  for (const auto& [words, says] :
       {std::pair{Words{"apply", "job.yaml", "--debug", "2"}, "the ranks are 0 to 1"},
        {Words{"apply", "job.yaml", "--debug", "x"}, "is no rank"},
        {Words{"apply", "job.yaml", "--debug", "0", "--detach"}, "leave one of them out"},
        {Words{"apply", "job.yaml", "--debug", "0", "--format", "json"}, "leave one of them out"},
        {Words{"apply", "job.yaml", "--debug", "0", "--rank", "1"}, "`--rank` would change nothing"},
        {Words{"apply", "job.yaml", "--debug", "0", "--grep", "x"}, "`--grep` would change nothing"},
        {Words{"apply", "job.yaml", "--debug", "0", "--node", "0"}, "`--node` would change nothing"},
        {Words{"run", "--debug", "0", "--local-ranks-filter", "0", "train.py"}, "`--local-ranks-filter` would change nothing"},
        {Words{"run", "--debug", "0", "--detach", "train.py"}, "leave one of them out"},
        {Words{"run", "--debug", "1", "train.py"}, "there is rank 0 alone"}}) {
    Session session(words, folder);
    const auto [status, said] = session.end();
    BOOST_TEST(status.str() == "exited with code 125", said);
    BOOST_TEST(contains(said, says), said);
  }
  BOOST_TEST(!fs::exists(folder.path() / "runs"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
