#include "launch_backends/process.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "launch_backends/process_tree.hpp"
#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {

using namespace std::chrono_literals;

ProcessStart shell(const std::string& script) {
  ProcessStart start;
  start.argv = {"/bin/sh", "-c", script};
  start.env = {"PATH=/usr/bin:/bin"};
  return start;
}

ProgramResult run_shell(const std::string& script, std::string_view input = "", std::chrono::milliseconds limit = 10s) {
  return run_program(shell(script), input, 1 << 20, limit);
}

struct End {
  std::string script;
  ExitStatus status;
  std::string words;
};
std::ostream& operator<<(std::ostream& out, const End& end) { return out << end.script; }

const End ends[] = {
    {"exit 0", {false, 0}, "exited with code 0"},
    {"exit 3", {false, 3}, "exited with code 3"},
    {"exit 255", {false, 255}, "exited with code 255"},
    {"kill -9 $$", {true, 9}, "was killed by signal 9 (KILL)"},
    {"kill -15 $$", {true, 15}, "was killed by signal 15 (TERM)"},
    {"kill -11 $$", {true, 11}, "was killed by signal 11 (SEGV)"},
    {"kill -34 $$", {true, 34}, "was killed by signal 34 (34)"},
};

BOOST_DATA_TEST_CASE(ends_are_told, ends, end) {
  const ProgramResult result = run_shell(end.script);
  BOOST_TEST((result.status == end.status));
  BOOST_TEST(result.status.str() == end.words);
  BOOST_TEST(result.status.shell_code() == end.status.number + (end.status.by_signal ? 128 : 0));
}

BOOST_AUTO_TEST_CASE(a_process_is_tied_to_its_cpus) {
  cpu_set_t mine;
  BOOST_REQUIRE(sched_getaffinity(0, sizeof mine, &mine) == 0);
  std::vector<std::int64_t> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &mine)) cpus.push_back(cpu);
  const std::string ask = "sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status";
  for (const std::int64_t cpu : cpus) {
    ProcessStart start = shell(ask);
    start.cpus = {cpu};
    BOOST_TEST(run_program(start, "", 1 << 20, 10s).output == std::to_string(cpu) + '\n');
  }
  // Not of this machine: the error names them.
  ProcessStart start = shell("true");
  start.cpus = {8000, 8001};
  BOOST_CHECK_EXCEPTION(run_program(start, "", 1 << 20, 10s), std::system_error, [](const std::system_error& error) {
    return std::string(error.what()).starts_with("cannot start /bin/sh on CPUs 8000-8001: ");
  });
}

BOOST_AUTO_TEST_CASE(input_and_output_pass_whole) {
  const std::string megabyte(1 << 20, 'x');
  const ProgramResult result = run_program(shell("cat; echo problem >&2"), megabyte, 2 << 20, 10s);
  BOOST_TEST(result.status.good());
  BOOST_TEST((result.output == megabyte));
  BOOST_TEST(result.errors == "problem\n");
}

BOOST_AUTO_TEST_CASE(a_program_that_reads_nothing_does_not_hold_us_up) {
  const ProgramResult result = run_program(shell("exit 4"), std::string(1 << 20, 'x'), 100, 10s);
  BOOST_TEST(result.status.number == 4);
}

BOOST_AUTO_TEST_CASE(a_program_that_runs_too_long_is_killed_with_its_children) {
  const auto begun = Clock::now();
  const ProgramResult result = run_shell("sleep 100 & echo $!; sleep 100", "", 200ms);
  BOOST_TEST(result.timed_out);
  BOOST_TEST((result.status == ExitStatus{true, 9}));
  BOOST_TEST((Clock::now() - begun < 3s));
  const pid_t child = static_cast<pid_t>(std::stoi(result.output));
  BOOST_TEST(wait_until(
      [&] {
        const auto entry = process_entry(child);
        return !entry || entry->ended;
      },
      3));
}

BOOST_AUTO_TEST_CASE(a_program_that_says_too_much_is_killed) {
  const ProgramResult result = run_program(shell("yes"), "", 1000, 10s);
  BOOST_TEST(result.too_much_output);
  BOOST_TEST(!result.timed_out);
  BOOST_TEST(result.output.size() == 1000u);
  const ProgramResult complaints = run_program(shell("yes >&2"), "", 1000, 10s);
  BOOST_TEST(complaints.too_much_output);
  BOOST_TEST(complaints.errors.size() == 1000u);
}

BOOST_AUTO_TEST_CASE(a_child_left_behind_does_not_hold_us_up) {
  const auto begun = Clock::now();
  const ProgramResult result = run_shell("sleep 2 & echo done");
  BOOST_TEST(result.output == "done\n");
  BOOST_TEST((Clock::now() - begun < 1500ms));
}

BOOST_AUTO_TEST_CASE(the_environment_is_exactly_what_was_given) {
  ProcessStart start;
  start.argv = {"/usr/bin/env"};
  start.env = {"ONE=1", "TWO=a b"};
  BOOST_TEST(run_program(start, "", 1000, 5s).output == "ONE=1\nTWO=a b\n");
}

BOOST_AUTO_TEST_CASE(descriptors_are_exactly_those_that_were_given) {
  // Some that would be inherited.
  const int leak = open("/dev/null", O_RDONLY), high = fcntl(leak, F_DUPFD, 200);
  DescriptorPair pipe = make_pipe();
  ProcessStart start = shell("ls /proc/self/fd | tr '\\n' ' '");
  start.descriptors = {{pipe.second.get(), 1}, {leak, 7}};
  const pid_t pid = start_process(start);
  pipe.second.reset();
  char text[256] = {};
  const ssize_t n = read(pipe.first.get(), text, sizeof text - 1);
  BOOST_TEST(n > 0);
  wait_for(pid);
  // ls itself opens the folder as one more.
  BOOST_TEST(std::string(text) == "0 1 2 3 7 ");
  close(leak);
  close(high);
}

BOOST_AUTO_TEST_CASE(descriptors_may_trade_places) {
  DescriptorPair a = make_pipe(), b = make_pipe();
  ProcessStart start = shell("echo a >&" + std::to_string(b.second.get()) + "; echo b >&" + std::to_string(a.second.get()));
  start.descriptors = {{a.second.get(), b.second.get()}, {b.second.get(), a.second.get()}};
  wait_for(start_process(start));
  char text[8] = {};
  BOOST_TEST(read(a.first.get(), text, sizeof text) == 2);
  BOOST_TEST(text[0] == 'a');
  BOOST_TEST(read(b.first.get(), text, sizeof text) == 2);
  BOOST_TEST(text[0] == 'b');
}

BOOST_AUTO_TEST_CASE(signals_are_as_at_the_beginning_of_the_world) {
  signal(SIGUSR1, SIG_IGN);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  const ProgramResult result = run_shell("grep -E 'Sig(Blk|Ign)' /proc/self/status");
  sigprocmask(SIG_SETMASK, &before, nullptr);
  signal(SIGUSR1, SIG_DFL);
  BOOST_TEST(result.output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

BOOST_AUTO_TEST_CASE(limits_hold) {
  ProcessStart start = shell("ulimit -n; ulimit -t");
  start.limits = {{RLIMIT_NOFILE, 20}, {RLIMIT_CPU, 7}};
  BOOST_TEST(run_program(start, "", 1000, 5s).output == "20\n7\n");
  // As the kernel counts, descriptors of the parent may be beyond the limit of the child.
  const FileDescriptor high(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 200));
  ProcessStart many = shell("ulimit -n");
  many.descriptors = {{high.get(), 5}};
  many.limits = {{RLIMIT_NOFILE, 20}};
  BOOST_TEST(wait_for(start_process(many)).good());
  ProcessStart busy = shell("while :; do :; done");
  busy.limits = {{RLIMIT_CPU, 1}};
  const ProgramResult result = run_program(busy, "", 1000, 20s);
  BOOST_TEST(result.status.by_signal);
  BOOST_TEST(!result.timed_out);
}

BOOST_AUTO_TEST_CASE(a_session_of_its_own) {
  ProcessStart start = shell("exec sleep 100");
  start.new_session = true;
  const pid_t pid = start_process(start);
  BOOST_TEST(getsid(pid) == pid);
  BOOST_TEST(getpgid(pid) == pid);
  kill(-pid, SIGKILL);
  BOOST_TEST((wait_for(pid) == ExitStatus{true, 9}));
}

struct Cannot {
  std::vector<std::string> argv;
  std::string cwd;
  int error;
  std::string named;
};
std::ostream& operator<<(std::ostream& out, const Cannot& c) { return out << c.argv[0] << ' ' << c.cwd; }

const Cannot cannots[] = {
    {{"/no/such/program"}, "", ENOENT, "cannot start /no/such/program"},
    {{"no-such-program-anywhere"}, "", ENOENT, "cannot start no-such-program-anywhere"},
    {{"/etc/passwd"}, "", EACCES, "cannot start /etc/passwd"},
    {{"/"}, "", EACCES, "cannot start /"},
    {{"/bin/true"}, "/no/such/folder", ENOENT, "cannot start /bin/true in /no/such/folder"},
    {{"/bin/true"}, "/etc/passwd", ENOTDIR, "in /etc/passwd"},
};

BOOST_DATA_TEST_CASE(what_cannot_be_started_is_told_at_once, cannots, cannot) {
  ProcessStart start;
  start.argv = cannot.argv;
  start.cwd = cannot.cwd;
  start.env = {"PATH=/usr/bin:/bin:/no/such"};
  BOOST_CHECK_EXCEPTION(start_process(start), std::system_error, [&](const std::system_error& error) {
    BOOST_TEST_MESSAGE(error.what());
    return error.code().value() == cannot.error && std::string(error.what()).find(cannot.named) != std::string::npos;
  });
  BOOST_TEST(waitpid(-1, nullptr, WNOHANG) == -1);
}

BOOST_AUTO_TEST_CASE(a_script_that_is_no_program_is_told) {
  const std::string folder = temporary_folder(), script = folder + "/script";
  std::ofstream(script) << "echo without an interpreter line\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  ProcessStart start;
  start.argv = {script};
  BOOST_CHECK_EXCEPTION(start_process(start), std::system_error, [](const std::system_error& e) { return e.code().value() == ENOEXEC; });
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(the_parents_death_reaches_the_child) {
  DescriptorPair pipe = make_pipe();
  const pid_t parent = fork_process();
  if (parent == 0) {
    ProcessStart start = shell("exec sleep 100");
    start.parent_death_signal = SIGKILL;
    start.new_session = true;
    const pid_t child = start_process(start);
    [[maybe_unused]] const ssize_t n = write(pipe.second.get(), &child, sizeof child);
    for (;;) pause();
  }
  pid_t child = 0;
  BOOST_TEST(read(pipe.first.get(), &child, sizeof child) == static_cast<ssize_t>(sizeof child));
  kill(parent, SIGKILL);
  wait_for(parent);
  BOOST_TEST(wait_until(
      [&] {
        const auto entry = process_entry(child);
        return !entry || entry->ended;
      },
      3));
}

BOOST_AUTO_TEST_CASE(signals_by_name) {
  BOOST_TEST(signal_number("TERM").value() == SIGTERM);
  BOOST_TEST(signal_number("SIGUSR1").value() == SIGUSR1);
  BOOST_TEST(!signal_number("NOPE"));
  BOOST_TEST(!signal_number(""));
  BOOST_TEST(signal_name(SIGINT) == "INT");
}

BOOST_AUTO_TEST_CASE(descendants_are_found_wherever_they_went) {
  const pid_t parent = fork_process();
  if (parent == 0) {
    become_subreaper();
    ProcessStart start = shell("(setsid sh -c 'sleep 100 & sleep 100 &' &) ; exec sleep 100");
    start.new_session = true;
    start_process(start);
    usleep(300'000);
    const std::size_t before = living_descendants(getpid()).size();
    const std::size_t after = end_descendants(3s).size();
    _exit(before == 3 && after == 0 && !has_children() ? 0 : static_cast<int>(10 + before));
  }
  BOOST_TEST(wait_for(parent).str() == "exited with code 0");
}

// As after sudo in a rank.
BOOST_AUTO_TEST_CASE(a_descendant_of_another_user_is_named_and_not_waited_for) {
  if (geteuid() != 0) {
    BOOST_TEST_MESSAGE("left out: only root can become another user");
    return;
  }
  DescriptorPair pipe = make_pipe();
  const pid_t child = fork_process();
  if (child == 0) {
    become_subreaper();
    const pid_t other = fork();
    if (other == 0)
      for (;;) pause();
    if (setresuid(65534, 65534, 65534) != 0) _exit(1);
    const auto begin = Clock::now();
    const std::vector<ProcessEntry> left = end_descendants(10s);
    const bool named = left.size() == 1 && left.front().pid == other && described(left.front()).ends_with(" (another user's)");
    const char answer = named && Clock::now() - begin < 2s ? 'y' : 'n';
    [[maybe_unused]] const ssize_t n = write(pipe.second.get(), &answer, 1);
    [[maybe_unused]] const ssize_t m = write(pipe.second.get(), &other, sizeof other);
    _exit(0);
  }
  char answer = 0;
  pid_t other = 0;
  BOOST_TEST(read(pipe.first.get(), &answer, 1) == 1);
  BOOST_TEST(read(pipe.first.get(), &other, sizeof other) == static_cast<ssize_t>(sizeof other));
  BOOST_TEST(answer == 'y');
  if (other > 0) kill(other, SIGKILL);
  wait_for(child);
}

BOOST_AUTO_TEST_CASE(a_process_with_an_odd_name_is_understood) {
  const std::string folder = temporary_folder(), program = folder + "/a ) R (b";
  std::filesystem::copy_file("/bin/sleep", program);
  ProcessStart start;
  start.argv = {program, "100"};
  const pid_t pid = start_process(start);
  const std::optional<ProcessEntry> entry = process_entry(pid);
  BOOST_REQUIRE(entry.has_value());
  BOOST_TEST(entry->name == "a ) R (b");
  BOOST_TEST(entry->parent == getpid());
  BOOST_TEST(!entry->ended);
  BOOST_TEST(entry->start > 0u);
  // A pid that has passed on to another is left alone.
  ProcessEntry other = *entry;
  --other.start;
  signal_process(other, SIGKILL);
  usleep(50'000);
  BOOST_TEST(process_entry(pid)->ended == false);
  signal_process(*entry, SIGKILL);
  BOOST_TEST((wait_for(pid) == ExitStatus{true, 9}));
  BOOST_TEST(!process_entry(pid).has_value());
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(a_variable_is_matched_whole) {
  ProcessStart start;
  start.argv = {"/bin/sleep", "100"};
  start.env = {"OTHER=1", "FABRIC_RUN_ID=job/12"};
  const pid_t pid = start_process(start);
  // The kernel lets the parent go on a moment before the environment can be read.
  BOOST_TEST(wait_until([] { return processes_with_variable("FABRIC_RUN_ID=job/12").size() == 1; }));
  BOOST_TEST(processes_with_variable("FABRIC_RUN_ID=job/1").empty());
  BOOST_TEST(processes_with_variable("RUN_ID=job/12").empty());
  BOOST_TEST(end_processes_with_variable("FABRIC_RUN_ID=job/12", 3s).empty());
  // Ended; whether it was also reaped depends on the moment.
  const std::optional<ProcessEntry> left = process_entry(pid);
  BOOST_TEST((!left || left->ended));
  waitpid(pid, nullptr, WNOHANG);
}

}  // namespace fabric::test
