// What becomes of what ranks print, whatever it is and whoever reads it.
#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string job_that(const std::string& name, const std::string& shell, int devices) {
  return "fabric: 1\nname: " + name + "\naccelerator: cpu\ndevices: " + std::to_string(devices) + "\nprogram: [sh, -c, '" + shell + "']\n";
}

template <class Condition>
bool wait_until(Condition&& condition) {
  for (int i = 0; i < 1500; ++i, usleep(20'000))
    if (condition()) return true;
  return false;
}

// The exit code of a shell script in which $fabric is the program.
int in_shell(const Folder& folder, const std::string& script) {
  folder.write("script.sh",
               "cd " + folder.path().string() + "\nexport FABRIC_WORKER=/bin/true\nfabric=" FABRIC_BINARY_DIR "/bin/fabric\n" + script);
  return WEXITSTATUS(std::system(("sh " + (folder.path() / "script.sh").string()).c_str()));
}

std::string sequence(int last) {
  std::string text;
  for (int i = 1; i <= last; ++i) text += std::to_string(i) + '\n';
  return text;
}

BOOST_AUTO_TEST_SUITE(output)

// The end of its last line is what says why.
BOOST_AUTO_TEST_CASE(the_last_lines_of_a_failed_rank_are_whole_where_there_is_no_terminal) {
  const Folder folder;
  const ProgramRun run = run_fabric({"run", "-m", std::string(60, 'x') + ".no.such.module"}, folder.path());
  BOOST_TEST(run.exit_code == 1);
  BOOST_TEST(contains(run.err, "No module named '" + std::string(60, 'x') + "')\n"), run.err);
  // But for one that would fill the screen.
  folder.write("job.yaml", job_that("long", "head -c 9000 /dev/zero | tr \"\\\\0\" y; exit 3", 1));
  const std::string err = run_fabric({"apply", "job.yaml"}, folder.path()).err;
  const std::size_t begin = err.find("yyy"), end = err.find('\n', begin);
  BOOST_TEST_REQUIRE(end != std::string::npos, err);
  BOOST_TEST(end - begin > 3000u);
  BOOST_TEST(end - begin <= 4200u);
}

// The reader goes when the run has ended: were anybody to wait for it, all would wait for ever.
BOOST_AUTO_TEST_CASE(a_run_does_not_wait_for_whoever_reads_its_output) {
  const Folder folder;
  folder.write("job.yaml", job_that("unread", "seq 100000", 4));
  const int code =
      in_shell(folder,
               "{ timeout 40 $fabric apply job.yaml 2>err; echo $? >code; } | {\n"
               "  i=0\n"
               "  until grep -s finished runs/unread/latest/status.json >seen || [ $i = 400 ]; do i=$((i + 1)); sleep 0.05; done\n"
               "}\n");
  BOOST_TEST(code == 0);
  BOOST_TEST(contains(folder.read("seen"), "\"exit_code\":0"));
  BOOST_TEST(folder.read("code") == "0\n", folder.read("err"));
  for (int rank = 0; rank < 4; ++rank)
    BOOST_TEST((folder.read("runs/unread/latest/nodes/0/rank-" + std::to_string(rank) + ".log") == sequence(100000)));
}

BOOST_AUTO_TEST_CASE(two_runs_of_one_name_at_once_share_nothing) {
  constexpr int pairs = 5;
  const Folder folder;
  for (const char* side : {"a", "b"})
    folder.write(std::string(side) + ".yaml",
                 job_that("pair", "echo " + std::string(side) + "; echo $MASTER_PORT >>port-$PAIR-" + side + "; sleep 0.2", 2));
  for (int i = 0; i < pairs; ++i) {
    const std::string pair = std::to_string(i);
    BOOST_TEST(in_shell(folder, "export PAIR=" + pair +
                                    "\n$fabric apply a.yaml >out-a 2>&1 & a=$!\n$fabric apply b.yaml >out-b 2>&1 & b=$!\n"
                                    "wait $a && wait $b\n") == 0);
    for (const std::string side : {"a", "b"}) {
      BOOST_TEST(contains(folder.read("out-" + side), "[0:1] " + side + "\n"), folder.read("out-" + side));
      BOOST_TEST(!contains(folder.read("out-" + side), side == "a" ? "] b\n" : "] a\n"));
    }
    // Both ranks of a run were told the same port, and those of the other another one.
    const std::string a = folder.read("port-" + pair + "-a"), b = folder.read("port-" + pair + "-b");
    const auto is_twice_the_same = [](const std::string& text) { return text.substr(0, text.size() / 2) == text.substr(text.size() / 2); };
    BOOST_TEST(is_twice_the_same(a), a);
    BOOST_TEST(is_twice_the_same(b), b);
    BOOST_TEST(a != b);
  }
  std::set<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(folder.path() / "runs/pair")) {
    if (entry.is_symlink()) continue;
    folders.insert(entry.path());
    const std::string said = read_text(entry.path() / "nodes/0/rank-0.log");
    BOOST_TEST((said == "a\n" || said == "b\n"), said);
    BOOST_TEST(read_text(entry.path() / "nodes/0/rank-1.log") == said);
    BOOST_TEST(contains(read_text(entry.path() / "status.json"), "\"finished\""));
  }
  BOOST_TEST(folders.size() == 2u * pairs);
}

// A thousand states of one line, as a progress bar draws them.
const std::string redrawing =
    "echo begins; i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); printf \"\\r%d of 1000\" $i; done; echo; echo ends";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

BOOST_AUTO_TEST_CASE(what_is_redrawn_is_one_line_in_a_pipe) {
  const Folder folder;
  folder.write("job.yaml", job_that("bar", redrawing, 1));
  const ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path());
  const std::string lines = "[0:0] begins\n[0:0] 1000 of 1000\n[0:0] ends\n";
  BOOST_TEST(contains(run.out, lines), run.out);
  BOOST_TEST(count(run.out, "of 1000") == 1u);
  BOOST_TEST(run_fabric({"logs", "bar"}, folder.path()).out == lines);
  BOOST_TEST(run_fabric({"logs", "bar", "-f"}, folder.path()).out == lines);
  // The file has every state.
  BOOST_TEST(count(folder.read("runs/bar/latest/nodes/0/rank-0.log"), "\r") == 1000u);
}

BOOST_AUTO_TEST_CASE(what_is_redrawn_is_drawn_over_on_a_terminal) {
  const Folder folder;
  folder.write("job.yaml", job_that("bar", redrawing + "; printf half; sleep 1.5; echo", 2));
  BOOST_TEST(in_shell(folder, "export TERM=xterm COLUMNS=60 NO_COLOR=1\nscript -qec \"$fabric apply job.yaml\" screen >out </dev/null\n") ==
             0);
  const std::string screen = folder.read("out");
  BOOST_TEST(contains(screen, "1000 of 1000"), screen);
  BOOST_TEST(contains(screen, "[0:0] half\x1b[K\r\r\n2 of 2 ranks live\x1b[K"), screen);
  BOOST_TEST(count(screen, "of 1000") < 50u);
  // All of it is taken away before the end is told.
  const std::size_t last = screen.rfind("live"), end = screen.find("finished");
  BOOST_TEST_REQUIRE(last < end, screen);
  BOOST_TEST(count(screen.substr(last, end - last), "\x1b[K\r\x1b[") == 1u, screen);
}

BOOST_AUTO_TEST_CASE(a_run_shows_of_its_ranks_what_is_asked_for) {
  const Folder folder;
  folder.write("job.yaml", job_that("some", "echo loss of $RANK; echo other", 4));
  const ProgramRun run = run_fabric({"apply", "job.yaml", "--rank", "1,3", "--grep", "lo+ss"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.err);
  BOOST_TEST(count(run.out, "[0:") == 2u, run.out);
  BOOST_TEST((contains(run.out, "[0:1] loss of 1\n") && contains(run.out, "[0:3] loss of 3\n")), run.out);
  BOOST_TEST(folder.read("runs/some/latest/nodes/0/rank-0.log") == "loss of 0\nother\n");
  BOOST_TEST(count(run_fabric({"apply", "job.yaml", "--node", "0"}, folder.path()).out, "[0:") == 8u);
  const ProgramRun torchrun =
      run_fabric({"run", "--nproc-per-node", "3", "--local-ranks-filter", "2", "--no-python", "env"}, folder.path());
  BOOST_TEST(contains(torchrun.out, "[0:2] RANK=2\n"), torchrun.out << torchrun.err);
  BOOST_TEST(!contains(torchrun.out, "[0:0]"));
  for (const std::vector<std::string>& absent :
       {std::vector<std::string>{"resume", "some", "--rank", "4"}, {"attach", "some", "--rank", "4"}}) {
    folder.write("runs/some/latest/status.json", replaced(folder.read("runs/some/latest/status.json"), "\"finished\"", "\"failed\""));
    const ProgramRun refused = run_fabric(absent, folder.path());
    BOOST_TEST(refused.exit_code == 125, refused.out << refused.err);
    BOOST_TEST(contains(refused.err, "the ranks are 0 to 3"), refused.err);
  }
  fs::remove_all(folder.path() / "runs");
  for (const auto& [option, says] : {std::pair{"--rank=3", "there is no rank 3 here"},
                                     {"--node=1", "there is node 0 alone"},
                                     {"--local-ranks-filter=0,3", "there is no local rank 3 here"},
                                     {"--local-ranks-filter=x", "`--local-ranks-filter x` is no list"}}) {
    const ProgramRun refused = run_fabric({"run", "--nproc-per-node=3", option, "--no-python", "env"}, folder.path());
    BOOST_TEST(refused.exit_code == 125, refused.out << refused.err);
    BOOST_TEST(contains(refused.err, says), refused.err);
  }
  BOOST_TEST(run_fabric({"apply", "job.yaml", "--rank", "0-4"}, folder.path()).exit_code == 125);
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--rank", "x"}, {"--grep", "("}}) {
    for (std::vector<std::string> words : {std::vector<std::string>{"apply", "job.yaml"}, {"run", "--no-python", "env"}}) {
      words.insert(words.begin() + 1, wrong.begin(), wrong.end());
      const ProgramRun refused = run_fabric(words, folder.path());
      BOOST_TEST(refused.exit_code == 125, refused.out << refused.err);
      BOOST_TEST(contains(refused.err, "is no "), refused.err);
    }
  }
  BOOST_TEST(!fs::exists(folder.path() / "runs"));
}

#if !defined(__SANITIZE_ADDRESS__)
// The most memory that a process has had so far, in bytes.
std::size_t peak_of(std::int64_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    std::size_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes << 10;
  }
  return 0;
}
#endif

BOOST_AUTO_TEST_CASE(bytes_that_no_screen_should_see_are_kept_as_they_are_and_shown_as_text) {
  constexpr std::size_t longest = 100'000'000;
  const Folder folder;
  folder.write(
      "job.yaml",
      job_that(
          "hostile",
          "printf \"\\033[2J\\033]0;owned\\007\\033[31mred\\033[0m\\377\\376\\300\\257\\000nul\\n\"; sleep 0.5; printf \"head \"; sleep 0.5; "
          "head -c " +
              std::to_string(longest) +
              " /dev/zero | tr \"\\0\" x; echo; echo last; i=0; until [ -e go -o $i = 600 ]; do i=$((i + 1)); sleep 0.05; done",
          1));
  const ProgramRun started = run_fabric({"apply", "-d", "job.yaml", "--format", "json"}, folder.path());
  BOOST_TEST_REQUIRE(started.exit_code == 0, started.err);
  const std::string run = "runs/hostile/latest/";
  BOOST_TEST(wait_until([&] { return contains(folder.read(run + "console.log"), "[0:0] last\n"); }));
  std::vector<std::int64_t> pids = {read_json(started.out)->find("controller_pid")->as_integer()};
  std::istringstream events(folder.read(run + "events.jsonl"));
  for (std::string line; std::getline(events, line);) {
    const std::optional<Value> event = read_json(line);
    if (event->find("kind")->as_string() != "node_ready") continue;
    for (const char* who : {"agent_pid", "keeper_pid"}) pids.push_back(event->find("detail")->find(who)->as_integer());
  }
  BOOST_TEST_REQUIRE(pids.size() == 3u);
#if !defined(__SANITIZE_ADDRESS__)
  for (const std::int64_t pid : pids) {
    const std::size_t peak = peak_of(pid);
    BOOST_TEST(peak > 0u);
    BOOST_TEST(peak < 200'000'000u);
  }
#endif
  folder.write("go", "");
  BOOST_TEST(wait_until([&] { return contains(folder.read(run + "status.json"), "\"finished\""); }));

  const std::string written("\x1b[2J\x1b]0;owned\x07\x1b[31mred\x1b[0m\xff\xfe\xc0\xaf\0nul\n", 35);
  const std::string log = folder.read(run + "nodes/0/rank-0.log");
  BOOST_TEST(log.size() == written.size() + 5 + longest + 6);
  BOOST_TEST((log == written + "head " + std::string(longest, 'x') + "\nlast\n"));
  const std::string replaced = "\uFFFD";
  const std::string screen = folder.read(run + "console.log");
  BOOST_TEST(contains(screen, "[0:0] \\x1b[2J\\x1b]0;owned\\x07red" + replaced + replaced + replaced + replaced + "\\x00nul\n"),
             screen.substr(0, 2000));
  BOOST_TEST(contains(screen, "[0:0] head " + std::string(4091, 'x') + " [99995909 bytes more in the log file]\n[0:0] last\n"));
  for (const char c : screen) BOOST_TEST_REQUIRE((c == '\n' || static_cast<unsigned char>(c) >= 0x20));

  const ProgramRun logs = run_fabric({"logs", "hostile"}, folder.path());
  BOOST_TEST(contains(logs.out, "[0:0] \\x1b[2J\\x1b]0;owned\\x07red\\xff\\xfe\\xc0\\xaf\\x00nul\n[0:0] head x"), logs.out.substr(0, 2000));
  BOOST_TEST(contains(logs.out, " bytes more in the log file]\n[0:0] last\n"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
