// A run that goes on elsewhere, watched and left; and what was printed since a time.
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <ctime>

#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string job_that(const std::string& name, const std::string& shell) {
  return "fabric: 1\nname: " + name + "\naccelerator: cpu\ndevices: 2\nstop: {grace: 5s}\nprogram: [sh, -c, '" + shell + "']\n";
}

template <class Condition>
bool wait_until(Condition&& condition) {
  for (int i = 0; i < 500; ++i, usleep(20'000))
    if (condition()) return true;
  return false;
}

struct Detached {
  Folder folder;
  explicit Detached(const std::string& shell) {
    folder.write("job.yaml", job_that("far", shell));
    const ProgramRun run = run_fabric({"apply", "--detach", "job.yaml"}, folder.path());
    BOOST_TEST_REQUIRE(run.exit_code == 0, run.out << run.err);
  }
  ~Detached() { run_fabric({"cancel", "far", "--now"}, folder.path()); }
  std::string printed() const { return run_fabric({"logs", "far"}, folder.path()).out; }
  std::string state() const {
    return read_json(run_fabric({"status", "far", "--format", "json"}, folder.path()).out)->find("state")->as_string();
  }
  // fabric with these words, in a shell whose interrupt it gets after so many seconds; its exit code, and what it says in `said`.
  int interrupted(const std::string& words, const std::string& seconds) const {
    const std::string line = "cd " + folder.path().string() + " && env -u CLICOLOR_FORCE timeout --preserve-status -s INT " + seconds +
                             " " FABRIC_BINARY_DIR "/bin/fabric " + words + " >said 2>&1";
    return WEXITSTATUS(std::system(line.c_str()));
  }
};

BOOST_AUTO_TEST_SUITE(attach)

BOOST_AUTO_TEST_CASE(shows_the_last_lines_and_what_comes_and_ends_with_the_runs_code) {
  const Detached run(
      "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $RANK line $i; done; printf half; while test ! -e go; do sleep 0.02; done; echo; echo last of $RANK; test $RANK = 0 || { sleep 0.3; exit 7; }");
  BOOST_TEST(wait_until([&] { return contains(run.printed(), "[0:1] 1 line 12\n[0:1] half\n"); }));
  const std::string line = "cd " + run.folder.path().string() +
                           " && { " FABRIC_BINARY_DIR "/bin/fabric attach far --tail 3 >said 2>&1; echo $? >code; } & cd " +
                           run.folder.path().string() + " && sleep 0.5 && touch go; wait";
  BOOST_TEST(std::system(line.c_str()) == 0);
  const std::string said = run.folder.read("said");
  BOOST_TEST(run.folder.read("code") == "7\n");
  BOOST_TEST(contains(said, "Ctrl-C leaves it running"), said);
  BOOST_TEST(!contains(said, "] 1 line 10\n"), said);
  for (const char* part :
       {"[0:1] 1 line 11\n", "[0:1] 1 line 12\n", "[0:1] half\n", "[0:1] last of 1\n", "error: rank 1 exited with code 7\n"})
    BOOST_TEST(contains(said, part), part << " in " << said);
  // After the end it says the end.
  const ProgramRun again = run_fabric({"attach", "far", "--tail", "1"}, run.folder.path());
  BOOST_TEST(again.exit_code == 7);
  BOOST_TEST(contains(again.out, "[0:1] last of 1\nstopping: rank 1 exited with code 7\n"), again.out);
  BOOST_TEST(!contains(again.out, "half"), again.out);
  BOOST_TEST(contains(again.err, "error: rank 1 exited with code 7\n"), again.err);
}

// Of the last attempt alone, in the same words, and wherever the folder is by then.
BOOST_AUTO_TEST_CASE(a_failure_is_told_later_as_it_was_told_at_once) {
  const Folder folder;
  folder.write("job.yaml", job_that("far", "echo attempt $FABRIC_ATTEMPT of $RANK; test $RANK = 0 && sleep 60; exit 7") +
                               "restart: {max: 1, backoff: 10ms}\n");
  const ProgramRun applied = run_fabric({"apply", "job.yaml"}, folder.path());
  BOOST_TEST(applied.exit_code == 7);
  const std::string told = applied.err.substr(std::min(applied.err.find("error: "), applied.err.size()));
  BOOST_TEST(contains(told, "\n   | attempt 1 of 1\n   = log: runs/far/"), told);
  BOOST_TEST(!contains(told, "attempt 0"), told);
  const ProgramRun attached = run_fabric({"attach", "far"}, folder.path());
  BOOST_TEST(attached.err == told);

  const std::string path = fs::canonical(folder.path() / "runs/far/latest").string();
  const Value status = *read_json(run_fabric({"status", "far", "--format", "json"}, folder.path()).out);
  const Value list = *read_json(run_fabric({"list", "--format", "json"}, folder.path()).out);
  for (const Value* run : {&status, &list.find("runs")->as_array()[0]}) {
    BOOST_TEST((*run->find("culprit") == Value(1)));
    BOOST_TEST((*run->find("log") == Value(path + "/nodes/0/rank-1.log")));
    BOOST_TEST((*run->find("log_begin") == Value(15)));
  }
  const std::string shown = run_fabric({"status", "far"}, folder.path()).out;
  BOOST_TEST(contains(shown, "died first  rank 1\n"), shown);
  BOOST_TEST(contains(shown, "nodes/0/rank-1.log\n"), shown);

  fs::rename(folder.path() / "runs", folder.path() / "moved");
  const ProgramRun moved = run_fabric({"attach", "far", "--runs", "moved"}, folder.path());
  BOOST_TEST(contains(moved.err, "   | attempt 1 of 1\n   = log: moved/far/"), moved.err);
}

BOOST_AUTO_TEST_CASE(an_interrupt_leaves_the_run_alone) {
  const Detached run("echo began; while :; do sleep 0.05; done");
  BOOST_TEST(run.interrupted("attach far", "0.7") == 130);
  BOOST_TEST(contains(run.folder.read("said"), "detached: the run goes on"), run.folder.read("said"));
  BOOST_TEST(contains(run.folder.read("said"), "fabric cancel far/"), run.folder.read("said"));
  BOOST_TEST(run.state() == "running");
}

BOOST_AUTO_TEST_CASE(an_interrupt_stops_the_run_if_that_is_asked_for) {
  const Detached run("trap \"echo saved; exit 0\" TERM; echo began; while :; do sleep 0.05; done");
  BOOST_TEST(wait_until([&] { return contains(run.printed(), "[0:1] began"); }));
  BOOST_TEST(run.interrupted("attach far --stop", "0.7") == 143);
  const std::string said = run.folder.read("said");
  BOOST_TEST(contains(said, "[0:1] saved\n"), said);
  BOOST_TEST(contains(said, "stopped by SIGTERM"), said);
  BOOST_TEST(run.state() == "stopped");
}

BOOST_AUTO_TEST_CASE(a_run_that_was_lost_is_told_as_lost) {
  const Folder folder;
  folder.write("job.yaml", job_that("far", "sleep 60"));
  const ProgramRun started = run_fabric({"apply", "-d", "job.yaml", "--format", "json"}, folder.path());
  kill(static_cast<pid_t>(read_json(started.out)->find("controller_pid")->as_integer()), SIGKILL);
  BOOST_TEST(wait_until([&] { return contains(run_fabric({"list"}, folder.path()).out, "lost"); }));
  const ProgramRun run = run_fabric({"attach", "far"}, folder.path());
  BOOST_TEST(run.exit_code == 125, run.out << run.err);
  BOOST_TEST(run_fabric({"attach", "near"}, folder.path()).exit_code == 125);
  BOOST_TEST(run_fabric({"attach", "far", "--tail", "x"}, folder.path()).exit_code == 125);
}

BOOST_AUTO_TEST_SUITE_END()

// By UTC, whatever the zone of the test.
std::string utc(std::time_t time) {
  char text[32];
  std::tm tm{};
  gmtime_r(&time, &tm);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm)};
}

BOOST_AUTO_TEST_SUITE(since)

BOOST_AUTO_TEST_CASE(what_was_printed_before_is_left_out) {
  const Detached run("echo early $RANK; sleep 0.3; echo still early; while test ! -e go; do sleep 0.02; done; echo late $RANK");
  BOOST_TEST(wait_until([&] { return contains(run.printed(), "[0:1] still early\n"); }));
  // The agent's note of it comes within a second, and a time is whole seconds here.
  usleep(2'200'000);
  const std::string between = utc(std::time(nullptr));
  run.folder.write("go", "");
  BOOST_TEST(wait_until([&] { return run.state() == "finished"; }));
  const auto logs = [&run](const std::string& since) {
    return run_fabric({"logs", "far", "--since", since}, run.folder.path(), {"TZ=UTC"});
  };
  BOOST_TEST(logs(between).out == "[0:0] late 0\n[0:1] late 1\n");
  const std::string bare = between.substr(0, between.size() - 1);
  BOOST_TEST(logs(bare).out == logs(between).out);
  BOOST_TEST(logs(bare + "+00:00").out == logs(between).out);
  BOOST_TEST(contains(logs(bare + "+01:00").out, "[0:1] early 1\n"));
  BOOST_TEST(logs(bare + "-01:00").out == "");
  BOOST_TEST(logs(bare.substr(0, 10)).out == run.printed());
  BOOST_TEST(logs("1h").out == run.printed());
  // Some time after the last byte there is nothing.
  usleep(1'500'000);
  BOOST_TEST(logs("1s").out == "");
  for (const char* wrong : {"soon", "2026-13-41", "2026-11-28T20:15:00+1", ""}) {
    const ProgramRun refused = logs(wrong);
    BOOST_TEST(refused.exit_code == 3, wrong);
    BOOST_TEST(contains(refused.err, "10m"), refused.err);
  }
  fs::remove(run.folder.path() / "runs/far/latest/nodes/0/rank-1.times");
  const ProgramRun partly = logs(between);
  BOOST_TEST(contains(partly.err, "no times were kept"), partly.err);
  BOOST_TEST(contains(partly.out, "[0:1] early 1\n"), partly.out);
  BOOST_TEST(!contains(partly.out, "[0:0] early 0\n"), partly.out);
  const ProgramRun ahead = logs("2999-01-01");
  BOOST_TEST(ahead.exit_code == 0);
  BOOST_TEST(ahead.out == "");
  BOOST_TEST(ahead.err == "note: that time is yet to come, and nothing was printed since\n");
  BOOST_TEST(run_fabric({"logs", "far", "-f", "--since", "2999-01-01"}, run.folder.path()).out == "");
}

// A line may take several writes, and the time may be noted between two of them.
BOOST_AUTO_TEST_CASE(a_line_that_goes_on_is_shown_from_its_begin) {
  const Detached run("echo early; printf \"step $RANK: \"; while test ! -e go; do sleep 0.02; done; echo done");
  // Until the agent has noted these 14 bytes; a time is whole seconds here.
  for (const char* file : {"runs/far/latest/nodes/0/rank-0.times", "runs/far/latest/nodes/0/rank-1.times"})
    BOOST_TEST(wait_until([&] { return run.folder.read(file).ends_with(" 14\n"); }));
  usleep(1'100'000);
  const std::string between = utc(std::time(nullptr));
  const Words since = {"logs", "far", "--since", between};
  BOOST_TEST(run_fabric(since, run.folder.path()).out == "");  // nothing has come of it
  run.folder.write("go", "");
  BOOST_TEST(wait_until([&] { return run.state() == "finished"; }));
  BOOST_TEST(run_fabric(since, run.folder.path()).out == "[0:0] step 0: done\n[0:1] step 1: done\n");
}

BOOST_AUTO_TEST_CASE(a_time_that_is_yet_to_come_is_waited_for) {
  const Detached run("while test ! -e go; do date +%s; sleep 0.1; done");
  const std::time_t begun = std::time(nullptr);
  const std::time_t time = begun + 3;
  const std::string line = "cd " + run.folder.path().string() + " && { " FABRIC_BINARY_DIR "/bin/fabric logs far -f --rank 0 --since " +
                           utc(time) + " >followed; } & cd " + run.folder.path().string() + " && sleep 4; touch go; wait";
  BOOST_TEST(std::system(line.c_str()) == 0);
  const std::string followed = run.folder.read("followed");
  BOOST_TEST_REQUIRE(followed.starts_with("[0:0] "), followed);
  // The agent notes the place in the file each second, or later on a busy machine, and what stands there may be shown: but
  // nothing of the time before the command was asked.
  BOOST_TEST(std::stoll(followed.substr(6)) > begun, followed);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
