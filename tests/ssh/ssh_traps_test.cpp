// What ssh, sshd and the network between do to a run that is well: connections that hang or are refused, packets that get lost one way,
// codes that mean two things; and processes of a run that are stopped (SIGSTOP) where nobody on their host sees it.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "tests/clusters/inhabitants.hpp"
#include "tests/ssh/applied_over_ssh.hpp"

using namespace fabric;
using namespace fabric::testing;

BOOST_AUTO_TEST_SUITE(ssh_traps, *boost::unit_test::fixture<Hosts>())

const std::string two_hosts = "stop: {grace: 1s}\nssh: {hosts: [h1, h2], lease: 2s}\n";

// Where more may be asked after the start, a host has a session for that, and its agent another.
const std::string with_a_call = "restart: {max: 1}\n";

// A run of which both ranks are up.
class GoingRun {
 public:
  explicit GoingRun(const std::string& text, std::vector<std::string> more = {})
      : before(inhabitants_of(Hosts::cluster())), job(text), apply(Hosts::cluster(), words(std::move(more)), job.inside()) {
    BOOST_REQUIRE_MESSAGE(eventually([&] { return has(apply.output(), "[0:0] up") && has(apply.output(), "[1:1] up"); }),
                          apply.output() + apply.errors());
  }

  std::vector<Inhabitant> living() const { return newcomers(inhabitants_of(Hosts::cluster()), before); }
  // The first of the run on a node that is called so, or has the words on its line.
  ProcessEntry one(const std::string& node, const std::string& words) const {
    for (const Inhabitant& one : living())
      if (one.node == node && (one.process.name == words || one.runs(words))) return one.process;
    BOOST_FAIL("no " + words + " on " + node);
    return {};
  }
  void stop(const std::string& node, const std::string& words) const { signal_process(one(node, words), SIGSTOP); }

  // On any host, of whatever kind.
  bool leaves_nothing(seconds limit = seconds(10)) const {
    const bool gone = eventually([&] { return living().empty(); }, limit);
    for (const Inhabitant& one : living()) BOOST_TEST_MESSAGE("left on " << one.node << ": " << one.process.name << ' ' << one.line);
    return gone;
  }

  const std::vector<Inhabitant> before;
  const Job job;
  RunningCommand apply;

 private:
  static std::vector<std::string> words(std::vector<std::string> more) {
    more.insert(more.begin(), {"apply", "job.yaml"});
    return Job::line(std::move(more));
  }
};

BOOST_AUTO_TEST_CASE(a_connection_that_hangs_is_given_up_after_the_lease) {
  if (Hosts::left_out()) return;
  GoingRun run(two_hosts + steady);
  run.stop("head", "ControlMaster=yes");
  const auto start = std::chrono::steady_clock::now();
  const ProgramResult result = run.apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "nothing was heard of the agent of node 0 (h1) for 2s"), said(result));
  BOOST_TEST(seconds_since(start) < 14);
  BOOST_TEST(run.leaves_nothing());
}

BOOST_AUTO_TEST_CASE(a_stopped_ssh_does_not_hold_up_an_end) {
  if (Hosts::left_out()) return;
  GoingRun run(two_hosts + with_a_call + steady);
  run.stop("head", "ControlMaster=no");
  const auto start = std::chrono::steady_clock::now();
  run.apply.signal(SIGINT);
  const ProgramResult result = run.apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 130, said(result));
  BOOST_TEST(seconds_since(start) < 8);
  BOOST_TEST(run.leaves_nothing());
}

BOOST_AUTO_TEST_CASE(what_a_host_answers_with_leaves_though_it_is_stopped) {
  if (Hosts::left_out()) return;
  GoingRun run(two_hosts + with_a_call + steady);
  run.stop("h1", "fabric host");
  run.stop("h2", "fabric host");
  run.apply.signal(SIGINT);
  BOOST_TEST(run.apply.wait(seconds(30)).status.shell_code() == 130);
  BOOST_TEST(run.leaves_nothing());
  // And where nobody is left to end it.
  GoingRun lost(two_hosts + with_a_call + steady);
  lost.stop("h1", "fabric host");
  lost.apply.signal(SIGKILL);
  BOOST_TEST(lost.leaves_nothing());
}

BOOST_AUTO_TEST_CASE(a_host_whose_keeper_and_agent_are_stopped_is_cleared) {
  if (Hosts::left_out()) return;
  GoingRun run(two_hosts + steady);
  run.stop("h2", "fabric-keeper");
  run.stop("h2", "fabric-agent");
  const ProgramResult result = run.apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "nothing was heard of the agent of node 1 (h2) for 2s"), said(result));
  BOOST_TEST(run.leaves_nothing());
}

BOOST_AUTO_TEST_CASE(packets_that_get_lost_one_way_end_both_sides) {
  if (Hosts::left_out()) return;
  for (const auto& [from, to] : {std::pair{"head", "h2"}, {"h2", "head"}}) {
    GoingRun run(two_hosts + steady);
    Hosts::cluster().cut_one_way(from, to);
    const ProgramResult result = run.apply.wait(seconds(30));
    BOOST_TEST(result.status.shell_code() == 125, said(result));
    BOOST_TEST(has(result.errors, "node 1 (h2)"), said(result));
    // While the cut is still there.
    BOOST_TEST(eventually([] { return process_with("echo up") == 0; }, seconds(10)));
    Hosts::cluster().mend();
    BOOST_TEST(run.leaves_nothing(seconds(15)));
  }
}

BOOST_AUTO_TEST_CASE(a_host_that_was_cut_off_is_not_waited_for_with_its_logs) {
  if (Hosts::left_out()) return;
  Hosts::cluster().output("rm -rf /var/tmp/runs", {.node = "head"});
  GoingRun run(two_hosts + steady, {"--runs", "/var/tmp/runs"});
  const auto start = std::chrono::steady_clock::now();
  Hosts::cluster().unplug("h2");
  const ProgramResult result = run.apply.wait(seconds(60));
  Hosts::cluster().plug("h2");
  BOOST_TEST(seconds_since(start) < 15);
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors + result.output, "the logs are those that were heard while the run went on: h2: "), said(result));
  const std::string logs = Hosts::cluster().output("cat $(readlink -f /var/tmp/runs/job/latest)/nodes/1/rank-1.log");
  BOOST_TEST(logs == "up");
  BOOST_TEST(run.leaves_nothing(seconds(15)));
}

// As when a host has heard nothing for the lease since the machine that asks was busy.
BOOST_AUTO_TEST_CASE(logs_come_home_though_the_connection_for_questions_has_ended) {
  if (Hosts::left_out()) return;
  Hosts::cluster().output("rm -rf /var/tmp/runs", {.node = "head"});
  const fs::path go = Hosts::cluster().home() / "go";
  GoingRun run(two_hosts + "program: [bash, -c, 'echo up; while ! [ -e " + go.string() + " ]; do sleep 0.1; done; seq 100000']\n",
               {"--runs", "/var/tmp/runs"});
  BOOST_REQUIRE(signal_process(run.one("h2", fabric_program + " host "), SIGKILL));
  std::ofstream(go) << "now";
  const ProgramResult result = run.apply.wait(seconds(60));
  fs::remove(go);
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(!has(result.errors + result.output, "the logs are those that were heard"), said(result));
  std::string numbers = "up\n";
  for (int i = 1; i <= 100000; ++i) numbers += std::to_string(i) + '\n';
  const std::string log = Hosts::cluster().output("cat $(readlink -f /var/tmp/runs/job/latest)/nodes/1/rank-1.log") + '\n';
  BOOST_TEST((log == numbers), log.substr(0, 200));
  BOOST_TEST(run.leaves_nothing(seconds(15)));
}

// What happens in a shell of h2 that is asked for logs; the command has a word that nobody else knows.
class AskedForLogs {
 public:
  explicit AskedForLogs(const std::string& lines) : file_(Hosts::cluster().home() / ".bashrc") {
    std::ofstream(file_) << "echo $(hostname) >>~/calls\necho Welcome\nprintf 'half a line'\n"
                         << "case $(hostname)$BASH_EXECUTION_STRING in h2*fabric-files-*)\n"
                         << lines << ";; esac\n";
    Hosts::cluster().output("rm -rf /var/tmp/runs", {.node = "head"});
  }
  ~AskedForLogs() {
    fs::remove(file_);
    fs::remove(Hosts::cluster().home() / "calls");
  }
  AskedForLogs(const AskedForLogs&) = delete;
  AskedForLogs& operator=(const AskedForLogs&) = delete;

  static int calls_of(const std::string& host) {
    int calls = 0;
    std::ifstream in(Hosts::cluster().home() / "calls");
    for (std::string line; std::getline(in, line);) calls += line == host;
    return calls;
  }
  static std::string log(int node, int rank) {
    return Hosts::cluster().output("cat $(readlink -f /var/tmp/runs/job/latest)/nodes/" + std::to_string(node) + "/rank-" +
                                   std::to_string(rank) + ".log");
  }

 private:
  fs::path file_;
};

BOOST_AUTO_TEST_CASE(all_files_of_a_host_come_in_one_call_and_without_its_greeting) {
  if (Hosts::left_out()) return;
  const AskedForLogs asked("true");
  const Job job("devices: 8\n" + two_hosts + "program: [bash, -c, 'echo from $RANK; seq 1000']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml", "--runs", "/var/tmp/runs"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  std::string numbers;
  for (int i = 1; i <= 1000; ++i) numbers += '\n' + std::to_string(i);
  for (int rank = 0; rank < 16; ++rank)
    BOOST_TEST(AskedForLogs::log(rank / 8, rank) == "from " + std::to_string(rank) + numbers,
               AskedForLogs::log(rank / 8, rank).substr(0, 200));
  BOOST_TEST(Hosts::cluster().output("cat $(readlink -f /var/tmp/runs/job/latest)/nodes/1/rank-15.times") != "");
  BOOST_TEST(Hosts::cluster().output("cd $(readlink -f /var/tmp/runs/job/latest)/nodes; ls */*.part 2>/dev/null || true") == "");
  // One asks it, one is its agent, one brings the files.
  BOOST_TEST(AskedForLogs::calls_of("h1") == 3);
  BOOST_TEST(AskedForLogs::calls_of("h2") == 3);
}

BOOST_AUTO_TEST_CASE(a_host_that_answers_with_other_files_writes_none) {
  if (Hosts::left_out()) return;
  const std::string mark = "m=${BASH_EXECUTION_STRING#*fabric-files-}; m=${m%%;*}; printf '\\nfabric-files-%s\\n' \"$m\"; ";
  for (const char* words : {"../../../escaped 4\\nevil", "7 4\\nevil", "0 4\\nevil0 4\\nevilend\\n", "0 9\\nevilend\\n"}) {
    const AskedForLogs asked(mark + "printf '" + words + "'; exit 0");
    const Job job(two_hosts + "program: [bash, -c, 'echo from $RANK']\n");
    const ProgramResult result = job.fabric({"apply", "job.yaml", "--runs", "/var/tmp/runs"});
    BOOST_TEST(result.status.shell_code() == 0, said(result));
    BOOST_TEST(has(result.errors + result.output, "the logs are those that were heard while the run went on: h2: "), said(result));
    BOOST_TEST(AskedForLogs::log(0, 0) == "from 0");
    BOOST_TEST(AskedForLogs::log(1, 1) == "from 1", words);
    BOOST_TEST(Hosts::cluster().output("grep -rl evil /var/tmp/runs || true") == "", words);
  }
}

BOOST_AUTO_TEST_CASE(ctrl_c_ends_the_wait_for_logs_of_one_host_and_keeps_those_of_others) {
  if (Hosts::left_out()) return;
  const AskedForLogs asked("exec sleep 61.5");
  const Job job(two_hosts + "program: [bash, -c, 'echo from $RANK; seq 100000; exit 3']\n");
  RunningCommand apply(Hosts::cluster(), Job::line({"apply", "job.yaml", "--runs", "/var/tmp/runs"}), job.inside());
  BOOST_REQUIRE(eventually([&] { return process_with("sleep 61.5") != 0; }, seconds(30)));
  sleep(1);
  const auto start = std::chrono::steady_clock::now();
  apply.signal(SIGINT);
  const ProgramResult result = apply.wait(seconds(30));
  BOOST_TEST(seconds_since(start) < 8);
  BOOST_TEST(result.status.shell_code() == 3, said(result));
  BOOST_TEST(has(result.errors + result.output, "the logs are those that were heard while the run went on: h2: stopped by SIGINT"),
             said(result));
  BOOST_TEST(AskedForLogs::log(0, 0).ends_with("\n100000"));
  // It hears of nobody's end.
  if (const pid_t left = process_with("sleep 61.5"); left != 0) kill(left, SIGKILL);
}

// 255 is what ssh itself ends with where it has failed.
BOOST_AUTO_TEST_CASE(a_code_of_255_is_told_apart_from_that_of_ssh) {
  if (Hosts::left_out()) return;
  const Job job(two_hosts + "program: [bash, -c, 'if [ $RANK = 1 ]; then sleep 1; exit 255; fi; sleep 60']\n");
  const ProgramResult own = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(own.status.shell_code() == 255, said(own));
  BOOST_TEST(has(own.errors, "rank 1 on h2 exited with code 255"), said(own));
  GoingRun run(two_hosts + steady);
  signal_process(run.one("h2", "sshd: "), SIGKILL);
  const ProgramResult of_ssh = run.apply.wait(seconds(30));
  BOOST_TEST(of_ssh.status.shell_code() == 125, said(of_ssh));
  BOOST_TEST(has(of_ssh.errors, "ssh to h2: "), said(of_ssh));
  BOOST_TEST(run.leaves_nothing());
}

BOOST_AUTO_TEST_SUITE_END()

// A sshd that drops half of those who come while two are at its door, and all while there are three.
BOOST_AUTO_TEST_CASE(sixteen_connections_come_through_a_narrow_door) {
  const SshHosts::Options options{.hosts = 1, .lines = {"MaxStartups 2:50:3"}};
  if (left_out(SshHosts::missing(options))) return;
  const SshHosts hosts(options);
  std::string names;
  for (int i = 1; i <= 16; ++i) names += (i > 1 ? ", a" : "a") + std::to_string(i);
  std::ofstream(hosts.home() / ".ssh/config") << "Host a*\n  HostName h1\n  HostKeyAlias h1\n";
  std::ofstream(hosts.home() / "job.yaml") << "fabric: 1\nbackend: ssh\naccelerator: cpu\nssh: {hosts: [" << names
                                           << "]}\nprogram: [bash, -c, 'echo $RANK of $WORLD_SIZE']\n";
  const ProgramResult result =
      hosts.exec({fabric_program, "apply", "job.yaml"}, {.folder = hosts.home().string(), .variables = {}, .input = ""});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 16; ++rank) BOOST_TEST(has(result.output, std::to_string(rank) + " of 16"), said(result));
  // It was as narrow as that.
  const std::string log = read_text(hosts.folder() / "log/sshd.h1");
  BOOST_TEST((has(log, "MaxStartups") || has(log, "drop connection")), log.substr(0, 2000));
}
