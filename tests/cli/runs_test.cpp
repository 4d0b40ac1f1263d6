// Runs after they were started: detached, listed, looked at, read, stopped, removed.
#include <boost/test/unit_test.hpp>
#include <regex>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <sstream>

#include "launch_backends/process.hpp"
#include "launch_backends/process_tree.hpp"
#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string job_that(const std::string& name, const std::string& shell, int devices = 2) {
  return "fabric: 1\nname: " + name + "\naccelerator: cpu\ndevices: " + std::to_string(devices) +
         "\nstop: {grace: 5s}\nprogram: [sh, -c, '" + shell + "']\n";
}

template <class Condition>
bool wait_until(Condition&& condition) {
  for (int i = 0; i < 500; ++i, usleep(20'000))
    if (condition()) return true;
  return false;
}

Value json_of(const ProgramRun& run) {
  const std::optional<Value> value = read_json(run.out);
  BOOST_TEST_REQUIRE(value.has_value(), run.out << run.err);
  return *value;
}

BOOST_AUTO_TEST_SUITE(runs)

BOOST_AUTO_TEST_CASE(the_last_step_counts_however_soon_it_came) {
  const Folder folder;
  folder.write("job.yaml", job_that("quick",
                                    "for i in 1 2 3 4 5 6 7; do echo \"{\\\"kind\\\": \\\"step\\\", \\\"step\\\": $i, \\\"of\\\": 7}\" "
                                    ">>$FABRIC_EVENTS; done"));
  BOOST_TEST(run_fabric({"apply", "job.yaml"}, folder.path()).exit_code == 0);
  const ProgramRun status = run_fabric({"status", "quick"}, folder.path());
  for (const char* rank : {"\n  0 ", "\n  1 "})
    BOOST_TEST(contains(status.out.substr(std::min(status.out.find(rank), status.out.size())), "exited with 0  7"), status.out);
}

BOOST_AUTO_TEST_CASE(a_detached_run_outlives_its_command_and_is_stopped_in_order) {
  const Folder folder;
  folder.write("job.yaml", job_that("long", "echo began $RANK; trap \"echo saved; exit 0\" TERM; while :; do sleep 0.05; done"));
  const ProgramRun started = run_fabric({"apply", "--detach", "job.yaml"}, folder.path());
  BOOST_TEST(started.exit_code == 0, started.err);
  BOOST_TEST(contains(started.out, "started runs/long/"), started.out);
  BOOST_TEST(contains(started.out, "fabric cancel long/"), started.out);
  BOOST_TEST(wait_until([&] { return contains(run_fabric({"logs", "long"}, folder.path()).out, "[0:1] began 1\n"); }));

  const Value status = json_of(run_fabric({"status", "long", "--format", "json"}, folder.path()));
  BOOST_TEST((*status.find("state") == Value("running")));
  BOOST_TEST(status.find("ranks")->as_array().size() == 2u);
  BOOST_TEST((*status.find("ranks")->as_array()[1].find("state") == Value("running")));
  const ProgramRun shown = run_fabric({"status", "long"}, folder.path());
  BOOST_TEST(contains(shown.out, "silent for"), shown.out);

  BOOST_TEST(run_fabric({"clean", "--older-than", "0s"}, folder.path()).out == "no run ended longer than 0s ago\n");
  const ProgramRun cancelled = run_fabric({"cancel", "long"}, folder.path());
  BOOST_TEST(cancelled.exit_code == 0);
  BOOST_TEST(contains(cancelled.out, "stopped by SIGTERM"), cancelled.out);
  BOOST_TEST(contains(run_fabric({"logs", "long", "--rank", "0", "--tail", "1"}, folder.path()).out, "[0:0] saved\n"));
  BOOST_TEST(contains(run_fabric({"cancel", "long"}, folder.path()).out, "has ended already"));
  BOOST_TEST(contains(folder.read("runs/long/latest/console.log"), "[0:0] began 0"));
  const Value list = json_of(run_fabric({"list", "--format", "json"}, folder.path()));
  BOOST_TEST_REQUIRE(list.find("runs")->as_array().size() == 1u);
  BOOST_TEST((*list.find("runs")->as_array()[0].find("exit_code") == Value(143)));
}

// Rank 1 is late with its first words, and rank 0 waits for it at the port.
// A shell dies at once of the signal at which its program saves.
BOOST_AUTO_TEST_CASE(a_program_behind_a_wrapper_has_its_grace) {
  for (const std::string wrapper : {"sh save.sh; exit $?", "(sh save.sh); exit $?"}) {
    const Folder folder;
    folder.write("save.sh",
                 "trap 'echo told; sleep 1.5; echo saved; touch saved.$RANK; exit 0' TERM\necho began\nwhile :; do sleep 0.05; done\n");
    folder.write("job.yaml", job_that("far", wrapper));
    BOOST_TEST(run_fabric({"apply", "--detach", "job.yaml"}, folder.path()).exit_code == 0);
    const auto logs = [&] { return run_fabric({"logs", "far"}, folder.path()).out; };
    BOOST_TEST(wait_until([&] { return contains(logs(), "[0:0] began") && contains(logs(), "[0:1] began"); }), logs());
    const ProgramRun cancelled = run_fabric({"cancel", "far"}, folder.path());
    BOOST_TEST(cancelled.exit_code == 0, wrapper << cancelled.out << cancelled.err);
    for (const char* rank : {"0", "1"}) {
      BOOST_TEST(fs::exists(folder.path() / ("saved." + std::string(rank))), wrapper);
      const std::string log = run_fabric({"logs", "far", "--rank", rank}, folder.path()).out;
      const std::size_t told = log.find("told\n");
      BOOST_TEST((told != std::string::npos && told == log.rfind("told\n") && contains(log, "saved\n")), wrapper << '\n' << log);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_second_cancel_ends_what_is_behind_a_wrapper) {
  const Folder folder;
  folder.write("deaf.sh", "trap '' TERM\necho began\nwhile :; do sleep 0.05; done\n");
  folder.write("job.yaml", replaced(job_that("far", "sh deaf.sh; exit $?", 1), "grace: 5s", "grace: 60s"));
  BOOST_TEST(run_fabric({"apply", "--detach", "job.yaml"}, folder.path()).exit_code == 0);
  BOOST_TEST(wait_until([&] { return contains(run_fabric({"logs", "far"}, folder.path()).out, "began"); }));
  const auto began = std::chrono::steady_clock::now();
  const std::string line = "cd " + folder.path().string() +
                           " && { " FABRIC_BINARY_DIR "/bin/fabric cancel far >first 2>&1 & } && sleep 1 && " FABRIC_BINARY_DIR
                           "/bin/fabric cancel far --now >second 2>&1; wait";
  const int code = std::system(line.c_str());
  BOOST_TEST(code == 0, folder.read("first") << folder.read("second"));
  BOOST_TEST((std::chrono::steady_clock::now() - began < std::chrono::seconds(20)));
  BOOST_TEST(json_of(run_fabric({"status", "far", "--format", "json"}, folder.path())).find("state")->as_string() == "stopped");
}

// torchrun's words and Lightning's; behind the script the option is the script's.
BOOST_AUTO_TEST_CASE(a_command_line_of_another_launcher_is_detached) {
  const Folder folder;
  folder.write("train.py", "import os, sys, time\nprint(sys.argv[1:], flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)\n");
  const ProgramRun started = run_fabric({"run", "-d", "--nproc-per-node", "2", "train.py", "--detach"}, folder.path());
  BOOST_TEST(started.exit_code == 0, started.err);
  BOOST_TEST(contains(started.out, "fabric attach train/"), started.out);
  const ProgramRun kept =
      run_fabric({"run", "--detach", "--runs", "kept", "--format=json", "model", "train.py", "--detach", "--node", "3"}, folder.path());
  BOOST_TEST((*json_of(kept).find("state") == Value("running")), kept.out << kept.err);
  const ProgramRun elsewhere = run_fabric({"run", "--detach", "--runs", "kept", "train.py"}, folder.path());
  BOOST_TEST(contains(elsewhere.out, "fabric attach kept/train/"), elsewhere.out);
  folder.write("go", "");
  BOOST_TEST(run_fabric({"attach", "train"}, folder.path()).exit_code == 0);
  BOOST_TEST(run_fabric({"attach", "train", "--runs", "kept"}, folder.path()).exit_code == 0);
  const std::string of_kept = json_of(kept).find("run")->as_string();
  BOOST_TEST(run_fabric({"attach", of_kept}, folder.path()).exit_code == 0);
  BOOST_TEST(contains(run_fabric({"logs", "train"}, folder.path()).out, "[0:1] ['--detach']\n"));
  BOOST_TEST(contains(run_fabric({"logs", of_kept}, folder.path()).out, "[0:0] ['--detach', '--node', '3']\n"));
}

BOOST_AUTO_TEST_CASE(the_stages_of_a_start_are_told) {
  const Folder folder;
  folder.write("meet.py",
               "import os, socket, time\n"
               "rank, here = int(os.environ['RANK']), (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']))\n"
               "if rank == 0:\n"
               "    server = socket.socket()\n"
               "    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
               "    server.bind(here)\n"
               "    server.listen()\n"
               "    print('waits', flush=True)\n"
               "    peer = server.accept()\n"
               "else:\n"
               "    time.sleep(0.5)\n"
               "    print('comes', flush=True)\n"
               "    peer = socket.create_connection(here)\n"
               "time.sleep(0.6)\n"
               "open(os.environ['FABRIC_EVENTS'], 'a').write('{\"kind\": \"step\", \"step\": 1}\\n')\n");
  folder.write("job.yaml", "fabric: 1\nname: meet\naccelerator: cpu\ndevices: 2\nprogram: [meet.py]\n");
  const ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path());
  BOOST_TEST_REQUIRE(run.exit_code == 0, run.err);
  const Value status = json_of(run_fabric({"status", "meet", "--format", "json"}, folder.path()));
  std::vector<std::string> names;
  double before = 0;
  for (const Value& stage : status.find("start")->as_array()) {
    names.push_back(stage.find("stage")->as_string());
    const double first = stage.find("first_seconds")->as_real(), last = stage.find("last_seconds")->as_real();
    BOOST_TEST(before <= first, names.back());
    BOOST_TEST(first <= last, names.back());
    before = first;
    if (names.back() != "first output") continue;
    BOOST_TEST((*stage.find("slowest_rank") == Value(1)));
    BOOST_TEST(last - first > 0.2);
  }
  const std::vector<std::string> expected = {"planned", "agents ready", "ranks started", "first output", "ranks met", "first step"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  const ProgramRun shown = run_fabric({"status", "meet"}, folder.path());
  BOOST_TEST(contains(shown.out, "  first output   "), shown.out);
}

BOOST_AUTO_TEST_CASE(a_detached_run_that_cannot_start_says_so) {
  const Folder folder;
  folder.write("job.yaml", job_that("short", "exit 9", 1));
  const ProgramRun run = run_fabric({"apply", "--detach", "job.yaml"}, folder.path());
  BOOST_TEST((run.exit_code == 9 || contains(run.out, "started")), run.out << run.err);
  folder.write("absent.yaml", "fabric: 1\nname: absent\naccelerator: cpu\ndevices: 1\nprogram: [no-such-program]\n");
  BOOST_TEST(run_fabric({"apply", "-d", "absent.yaml"}, folder.path()).exit_code == 125);
  BOOST_TEST(!fs::exists(folder.path() / "runs/absent"));
}

BOOST_AUTO_TEST_CASE(a_stall_is_told_until_a_rank_speaks) {
  const Folder folder;
  folder.write("job.yaml",
               "stall: 500ms\n" + job_that("mute", "while test ! -e go; do sleep 0.05; done; while :; do echo again; sleep 0.1; done"));
  BOOST_TEST(run_fabric({"apply", "--detach", "job.yaml"}, folder.path()).exit_code == 0);
  const auto status = [&] { return json_of(run_fabric({"status", "mute", "--format", "json"}, folder.path())); };
  BOOST_TEST(wait_until([&] { return !status().find("stalled")->is_null(); }));
  BOOST_TEST(contains(run_fabric({"status", "mute"}, folder.path()).out, "no rank has said anything for"));
  folder.write("go", "");
  BOOST_TEST(wait_until([&] { return status().find("stalled")->is_null(); }));
  BOOST_TEST(run_fabric({"cancel", "mute", "--now"}, folder.path()).exit_code == 0);
}

// With keeper and agent killed as well nobody is left who could end the ranks by himself.
BOOST_AUTO_TEST_CASE(cancel_ends_what_a_killed_run_has_left) {
  const Folder folder;
  folder.write("job.yaml", job_that("killed", "setsid sleep 600 & echo $! >>pids; sleep 600", 1));
  const Value started = json_of(run_fabric({"apply", "-d", "job.yaml", "--format", "json"}, folder.path()));
  BOOST_TEST(wait_until([&] { return fs::exists(folder.path() / "pids") && !folder.read("pids").empty(); }));
  std::istringstream wardens(folder.read("runs/killed/latest/nodes/0/lock")), pids(folder.read("pids"));
  pid_t agent = 0, keeper = 0, sleeper = 0;
  BOOST_TEST_REQUIRE((wardens >> agent >> keeper && pids >> sleeper));
  const pid_t controller = static_cast<pid_t>(started.find("controller_pid")->as_integer());
  // None is to see another's end.
  for (const pid_t pid : {agent, keeper, controller}) kill(pid, SIGSTOP);
  for (const pid_t pid : {agent, keeper, controller}) kill(pid, SIGKILL);
  BOOST_TEST(wait_until([&] {
    return (*json_of(run_fabric({"status", "killed", "--format", "json"}, folder.path())).find("state") == Value("lost"));
  }));
  BOOST_TEST(kill(sleeper, 0) == 0);
  const ProgramRun cancelled = run_fabric({"cancel", "killed"}, folder.path());
  BOOST_TEST(cancelled.exit_code == 0);
  BOOST_TEST(contains(cancelled.out, " had ended; what it had left was ended: "), cancelled.out);
  BOOST_TEST(contains(cancelled.out, " " + std::to_string(sleeper) + " "), cancelled.out);
  BOOST_TEST(contains(run_fabric({"cancel", "killed"}, folder.path()).out, " has ended already"));
  for (const pid_t pid : {agent, keeper, sleeper}) BOOST_TEST(process_entry(pid).value_or(ProcessEntry{.ended = true}).ended);
}

BOOST_AUTO_TEST_CASE(a_run_that_is_killed_is_listed_as_lost) {
  const Folder folder;
  BOOST_TEST(contains(run_fabric({"list"}, folder.path()).out, "no runs in runs"));
  folder.write("job.yaml", job_that("killed", "sleep 60", 1));
  const Value started = json_of(run_fabric({"apply", "-d", "job.yaml", "--format", "json"}, folder.path()));
  kill(static_cast<pid_t>(started.find("controller_pid")->as_integer()), SIGKILL);
  BOOST_TEST(wait_until([&] { return contains(run_fabric({"list"}, folder.path()).out, "lost"); }));
  BOOST_TEST(wait_until([&] { return contains(run_fabric({"status", "killed"}, folder.path()).out, "the controller was lost"); }));
}

// Without a terminal a line has 100 columns.
BOOST_AUTO_TEST_CASE(what_has_no_room_in_the_line_of_a_run_stands_below_it) {
  const Folder folder;
  const std::string name(58, 'x');
  folder.write("long.yaml", job_that(name, "exit 3", 1));
  folder.write("short.yaml", job_that("brief", "exit 4", 1));
  run_fabric({"apply", "short.yaml"}, folder.path());
  const std::string beside = run_fabric({"list"}, folder.path()).out;
  BOOST_TEST(std::regex_search(beside, std::regex("brief/[^ ]+ +failed +[-0-9]+ [0-9]+:[0-9]+ +[0-9.]+ s +4 +rank 0 exited with code 4\n")),
             beside);
  run_fabric({"apply", "long.yaml"}, folder.path());
  const std::string below = run_fabric({"list"}, folder.path()).out;
  BOOST_TEST(std::regex_search(below, std::regex("brief/[^\n]+ 4\n    rank 0 exited with code 4\n" + name +
                                                 "/[^\n]+ 3\n    rank 0 exited with code 3\n")),
             below);
}

// What it prints makes a shell into the rank.
BOOST_AUTO_TEST_CASE(a_rank_can_be_started_by_hand) {
  const Folder folder;
  folder.write(
      "job.yaml",
      "fabric: 1\nname: hand\naccelerator: cpu\ndevices: 2\nenv: {TEXT: \"it's a $HOME\"}\nprogram: [sh, -c, 'env | grep -E \"^(RANK|MASTER_|WORLD|TEXT|FABRIC_RUN_ID)\" | sort >seen-$RANK']\n");
  BOOST_TEST(run_fabric({"apply", "job.yaml"}, folder.path()).exit_code == 0);
  const ProgramRun printed = run_fabric({"env", "hand", "--rank", "1"}, folder.path());
  BOOST_TEST(printed.exit_code == 0, printed.err);
  folder.write("env.sh", printed.out);
  const std::string line = "cd / && RANK=7 LT_DEVICES=3 sh -c '. " + (folder.path() / "env.sh").string() +
                           " && env | grep -E \"^(RANK|MASTER_|WORLD|TEXT|FABRIC_RUN_ID)\" | sort >by-hand'";
  BOOST_TEST(std::system(line.c_str()) == 0);
  BOOST_TEST(folder.read("by-hand") == folder.read("seen-1"));
  BOOST_TEST(contains(folder.read("by-hand"), "TEXT=it's a $HOME\n"));
  BOOST_TEST(run_fabric({"env", "hand", "--rank", "2"}, folder.path()).exit_code == 3);
  BOOST_TEST(run_fabric({"env", "hand", "--rank", "x"}, folder.path()).exit_code == 3);
}

BOOST_AUTO_TEST_CASE(logs_are_filtered_and_followed) {
  const Folder folder;
  folder.write(
      "job.yaml",
      job_that(
          "lines",
          "for i in 1 2 3 4 5 6 7 8 9 10 11; do echo $RANK line $i; done; printf half; while test ! -e go; do sleep 0.02; done; echo; echo $RANK last; printf end",
          12));
  BOOST_TEST(run_fabric({"apply", "-d", "job.yaml"}, folder.path()).exit_code == 0);
  BOOST_TEST(wait_until([&] { return contains(run_fabric({"logs", "lines", "--rank", "11"}, folder.path()).out, "line 11\n"); }));
  BOOST_TEST(run_fabric({"logs", "lines", "--rank", "0,10-11", "--grep", "line (3|11)$", "--tail", "1"}, folder.path()).out ==
             "[0:0] 0 line 11\n[0:10] 10 line 11\n[0:11] 11 line 11\n");
  BOOST_TEST(contains(run_fabric({"logs", "lines", "--node", "0"}, folder.path()).out, "[0:11] 11 line 11\n"));
  const std::string line = "cd " + folder.path().string() +
                           " && " FABRIC_BINARY_DIR "/bin/fabric logs lines -f --rank 3 --tail 1 >followed & cd " + folder.path().string() +
                           " && sleep 0.3 && touch go; wait";
  BOOST_TEST(std::system(line.c_str()) == 0);
  BOOST_TEST(folder.read("followed") == "[0:3] 3 line 11\n[0:3] half\n[0:3] 3 last\n[0:3] end\n");
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--rank", "x"}, {"--rank", "3-1"}, {"--grep", "("}, {"--tail", "-1"}}) {
    std::vector<std::string> words = {"logs", "lines"};
    words.insert(words.end(), wrong.begin(), wrong.end());
    BOOST_TEST(run_fabric(words, folder.path()).exit_code == 3);
  }
  for (const auto& [option, says] : {std::pair{"--rank=12", "no rank 12 here"},
                                     {"--rank=0,5-20", "the ranks are 0 to 11"},
                                     {"--node=1", "no node 1 here"},
                                     {"--node=0-2", "there is node 0 alone"}}) {
    const ProgramRun refused = run_fabric({"logs", "lines", option}, folder.path());
    BOOST_TEST(refused.exit_code == 3, option);
    BOOST_TEST(contains(refused.err, says), refused.err);
    BOOST_TEST(refused.out == "");
  }
  // All of it is there without the plan.
  folder.write("runs/lines/latest/plan.json", "");
  BOOST_TEST(contains(run_fabric({"logs", "lines"}, folder.path()).out, "[0:11] 11 line 11\n"));
  BOOST_TEST(run_fabric({"logs", "lines", "--rank", "0"}, folder.path()).exit_code == 3);
  const ProgramRun none = run_fabric({"logs", "line"}, folder.path());
  BOOST_TEST(none.exit_code == 3);
  BOOST_TEST(contains(none.err, "did you mean `lines`?"), none.err);
}

BOOST_AUTO_TEST_CASE(a_core_dump_is_told_of) {
  const Folder folder;
  folder.write("job.yaml", job_that("dumps", "ulimit -c unlimited || exit 96; kill -ABRT $$", 1));
  const ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path());
  if (run.exit_code == 96) {
    BOOST_TEST_MESSAGE("left out: no core dumps are allowed here");
    return;
  }
  BOOST_TEST(contains(run.err, "rank 0 was killed by signal 6 (ABRT), core "), run.err);
  BOOST_TEST(contains(run_fabric({"status", "dumps"}, folder.path()).out, "killed by ABRT, core dumped"));
}

BOOST_AUTO_TEST_CASE(old_runs_are_removed_and_latest_is_mended) {
  const Folder folder;
  folder.write("job.yaml", job_that("many", "exit 0", 1));
  for (int i = 0; i < 2; ++i) BOOST_TEST(run_fabric({"apply", "job.yaml"}, folder.path()).exit_code == 0);
  const std::string latest = fs::read_symlink(folder.path() / "runs/many/latest").string();
  BOOST_TEST(contains(run_fabric({"clean", "--older-than", "1h"}, folder.path()).out, "no run ended longer than 1h ago"));
  // Whoever means days is not to lose what has ended some seconds ago.
  const ProgramRun no_unit = run_fabric({"clean", "--older-than", "1"}, folder.path());
  BOOST_TEST(no_unit.exit_code == 3);
  BOOST_TEST(contains(no_unit.err, "has no unit"), no_unit.err);
  BOOST_TEST(contains(no_unit.err, "1d for days"), no_unit.err);
  BOOST_TEST(contains(run_fabric({"clean", "--older-than", "0s", "--dry-run"}, folder.path()).out, "would remove runs/many/"));
  std::size_t left = 0;
  for (const auto& entry : fs::directory_iterator(folder.path() / "runs/many")) left += !entry.is_symlink();
  BOOST_TEST(left == 2u);
  // Only what is older goes: the newest is made young.
  const std::string status = folder.read("runs/many/latest/status.json");
  const std::size_t at = status.find("\"ended\":") + 8;
  folder.write("runs/many/latest/status.json", status.substr(0, at) + "9999999999" + status.substr(status.find(',', at)));
  BOOST_TEST(contains(run_fabric({"clean", "--older-than", "0s"}, folder.path()).out, "removed runs/many/"));
  BOOST_TEST(fs::read_symlink(folder.path() / "runs/many/latest").string() == latest);
  BOOST_TEST(fs::exists(folder.path() / "runs/many/latest/plan.json"));
  folder.write("runs/many/latest/status.json", status);
  BOOST_TEST(run_fabric({"clean", "--older-than", "0s"}, folder.path()).exit_code == 0);
  BOOST_TEST(!fs::exists(folder.path() / "runs/many"));
  // What only looks like a run is nobody's to remove.
  fs::create_directories(folder.path() / "runs/plans/resnet");
  folder.write("runs/plans/resnet/plan.json", "{}");
  BOOST_TEST(run_fabric({"clean", "--older-than", "0s"}, folder.path()).exit_code == 0);
  BOOST_TEST(fs::exists(folder.path() / "runs/plans/resnet/plan.json"));
  BOOST_TEST(run_fabric({"clean"}, folder.path()).exit_code == 3);
  BOOST_TEST(run_fabric({"clean", "--older-than", "soon"}, folder.path()).exit_code == 3);
}

// More than the shell allows to be open: what is allowed at all is taken, and beyond that nothing is left out in silence.
BOOST_AUTO_TEST_CASE(logs_of_many_ranks_are_all_read_or_refused) {
  const Folder folder;
  folder.write("job.yaml", job_that("many", "echo from $RANK", 40));
  BOOST_TEST(run_fabric({"apply", "job.yaml"}, folder.path()).exit_code == 0);
  const auto logs = [&](const std::string& limit, const std::string& options) {
    ProcessStart start;
    start.argv = {"bash", "-c", limit + "; exec " FABRIC_BINARY_DIR "/bin/fabric logs many " + options};
    start.env = {"PATH=/usr/bin:/bin"};
    start.cwd = folder.path();
    return run_program(std::move(start), "", 1 << 20, std::chrono::seconds(20));
  };
  const ProgramResult raised = logs("ulimit -Sn 20", "");
  BOOST_TEST(raised.status.good(), raised.errors);
  BOOST_TEST(std::count(raised.output.begin(), raised.output.end(), '\n') == 40);
  const ProgramResult refused = logs("ulimit -n 20", "");
  BOOST_TEST(!refused.status.good());
  BOOST_TEST(contains(refused.errors, "more log files than may be open here at once, which is 20: look at some ranks"), refused.errors);
  BOOST_TEST(logs("ulimit -n 20", "--rank 0-5").status.good());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
