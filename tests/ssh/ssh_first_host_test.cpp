// A run that the first host conducts: it goes on when the machine that has asked for it is gone, and is found again from there.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <optional>

#include "schema/json.hpp"
#include "tests/ssh/applied_over_ssh.hpp"

using namespace fabric;
using namespace fabric::testing;

namespace {

std::string at(const std::string& host, const std::string& line) { return Hosts::cluster().output(line, {.node = host}); }

// A job whose run is kept on disks of which head and each host have their own.
class Afar {
 public:
  explicit Afar(const std::string& text) : job_(text) { Hosts::cluster().output("rm -rf " + runs); }

  std::vector<std::string> line(std::vector<std::string> words) const {
    words.insert(words.end(), {"--runs", runs});
    return Job::line(std::move(words));
  }
  ProgramResult fabric(std::vector<std::string> words) const { return Hosts::cluster().exec(line(std::move(words)), job_.inside()); }
  Value status() const {
    const ProgramResult result = fabric({"status", "job", "--format", "json"});
    const std::optional<Value> value = read_json(result.output);
    BOOST_REQUIRE_MESSAGE(value, said(result));
    return *value;
  }
  std::string state() const { return status().find("state")->as_string(); }
  std::string run() const { return Hosts::cluster().output("readlink -f " + runs + "/job/latest"); }
  std::string log(int rank) const {
    const std::string text = std::to_string(rank);
    return Hosts::cluster().exec({"cat", run() + "/nodes/" + text + "/rank-" + text + ".log"}).output;
  }
  const Job& job() const { return job_; }

  const std::string runs = "/var/tmp/runs-" + std::to_string(++number);

 private:
  inline static int number = 0;
  const Job job_;
};

// A host that is cut off is told of soon.
const std::string quick = "ssh: {hosts: [h1, h2, h3, h4], options: [-o, ConnectTimeout=2]";
const std::string detached = quick + "}\n";
const std::string impatient = quick + ", lease: 3s}\n";  // as is also a host that is only busy
const std::string moved = quick + ", controller: first_host}\n";

// Without one of its cables for as long as it lives.
class Unplugged {
 public:
  explicit Unplugged(std::string host) : host_(std::move(host)) { Hosts::cluster().unplug(host_); }
  ~Unplugged() {
    Hosts::cluster().plug(host_);
    // Machines remember for a second that they have not found each other.
    eventually([] { return Hosts::cluster().shell("exec 3<>/dev/tcp/h1/22").status.good(); });
  }
  Unplugged(const Unplugged&) = delete;
  Unplugged& operator=(const Unplugged&) = delete;

 private:
  const std::string host_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(ssh_first_host, *boost::unit_test::fixture<Hosts>())

BOOST_AUTO_TEST_CASE(a_closed_laptop_ends_nothing) {
  if (Hosts::left_out()) return;
  const Afar afar(impatient + "program: [bash, -c, 'for i in 1 2 3 4 5 6 7 8 9 10; do echo $RANK-$i; sleep 1; done; echo $(hostname)']\n");
  const ProgramResult begun = afar.fabric({"apply", "--detach", "job.yaml"});
  BOOST_TEST(begun.status.shell_code() == 0, said(begun));
  BOOST_TEST(has(begun.output, ", conducted on h1: this machine may go\n"), said(begun));
  BOOST_TEST(afar.state() == "running");
  BOOST_TEST(afar.status().find("controller_host")->as_string() == "h1");
  {
    const Unplugged cable("head");
    sleep(5);  // longer than the lease
    const ProgramResult offline = afar.fabric({"status", "job"});
    BOOST_TEST(offline.status.shell_code() == 0, said(offline));
    BOOST_TEST(has(afar.fabric({"list"}).output, "h1 does not answer"));
    BOOST_TEST(has(offline.output, "on h1; what is shown is of some time ago: h1 does not answer: ssh: connect to host h1"), said(offline));
    const ProgramResult logs = afar.fabric({"logs", "job"});
    BOOST_TEST(has(logs.errors, "note: what follows is of some time ago"), said(logs));
    BOOST_TEST(has(logs.output, "[3:3] 3-1\n"), said(logs));
  }
  const ProgramResult watched = afar.fabric({"attach", "job"});
  BOOST_TEST(watched.status.shell_code() == 0, said(watched));
  BOOST_TEST(has(watched.output, "[2:2] h3\n"), said(watched));
  BOOST_TEST(nothing_is_left());
  // All of it is here now.
  const Unplugged cable("head");
  BOOST_TEST(afar.state() == "finished");
  const ProgramResult logs = afar.fabric({"logs", "job"});
  for (int rank = 0; rank < 4; ++rank) {
    std::string lines;
    for (int i = 1; i <= 10; ++i) lines += std::to_string(rank) + '-' + std::to_string(i) + '\n';
    BOOST_TEST(afar.log(rank) == lines + 'h' + std::to_string(rank + 1) + '\n');
  }
  BOOST_TEST(has(logs.output, "[3:3] h4\n"), said(logs));
  BOOST_TEST(has(afar.fabric({"list"}).output, "  finished  "));
}

BOOST_AUTO_TEST_CASE(it_starts_again_without_the_machine_that_asked) {
  if (Hosts::left_out()) return;
  const Afar afar(impatient +
                  "restart: {max: 1, backoff: 0s}\n"
                  "program: [bash, -c, 'echo attempt $FABRIC_ATTEMPT; sleep 3; if [ $RANK$FABRIC_ATTEMPT = 10 ]; then exit 9; fi']\n");
  BOOST_TEST(afar.fabric({"apply", "--detach", "job.yaml"}).status.shell_code() == 0);
  {
    const Unplugged cable("head");
    sleep(9);
  }
  BOOST_TEST(eventually([&] { return afar.state() == "finished"; }));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(afar.log(rank) == "attempt 0\nattempt 1\n");
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(it_is_cancelled_from_afar) {
  if (Hosts::left_out()) return;
  const Afar afar(detached + steady);
  BOOST_TEST(afar.fabric({"apply", "--detach", "job.yaml"}).status.shell_code() == 0);
  const ProgramResult resumed = afar.fabric({"attach", "job", "--tail", "x"});
  BOOST_TEST(resumed.status.shell_code() == 125, said(resumed));
  BOOST_TEST(has(afar.job().fabric({"resume", afar.run()}).errors, "FAB6005]: the run is alive: it is conducted on h1"));
  const ProgramResult cancelled = afar.fabric({"cancel", "job"});
  BOOST_TEST(cancelled.status.shell_code() == 0, said(cancelled));
  BOOST_TEST(has(cancelled.output, "stopped by SIGTERM\n"), said(cancelled));
  BOOST_TEST(nothing_is_left());
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(afar.log(rank).ends_with("saved\n"));
  BOOST_TEST(has(afar.fabric({"cancel", "job"}).output, "has ended already"));
}

BOOST_AUTO_TEST_CASE(a_run_in_a_folder_that_all_see_is_read_there) {
  if (Hosts::left_out()) return;
  const Job job(moved + steady);
  BOOST_TEST(job.fabric({"apply", "-d", "job.yaml"}).status.shell_code() == 0);
  const std::optional<Value> place = read_json(read_text(job.run() / "controller.json"));
  BOOST_REQUIRE(place);
  BOOST_TEST(place->find("shared")->as_bool());
  {
    const Unplugged cable("head");
    const ProgramResult status = job.fabric({"status", "job"});
    BOOST_TEST(has(status.output, "on h1, process "), said(status));
    // But to be stopped it has to be reached.
    const ProgramResult cancelled = job.fabric({"cancel", "job"});
    BOOST_TEST(cancelled.status.shell_code() == 1, said(cancelled));
    BOOST_TEST(has(cancelled.errors, "h1 does not answer"), said(cancelled));
  }
  // The first host itself needs no ssh for it, and another host does.
  BOOST_TEST(has(Hosts::cluster().exec({fabric_program, "status", job.run().string()}, {.node = "h1", .variables = {"NO_COLOR=1"}}).output,
                 "controller   process "));
  const ProgramResult cancelled = Hosts::cluster().exec({fabric_program, "cancel", job.run().string()}, {.node = "h3"});
  BOOST_TEST(cancelled.status.shell_code() == 0, said(cancelled));
  BOOST_TEST(job.status().find("state")->as_string() == "stopped");
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(it_is_watched_from_here_as_if_it_ran_here) {
  if (Hosts::left_out()) return;
  const Afar afar(moved +
                  "devices: 2\nprogram: [bash, -c, 'echo hello from $RANK; sleep 2; if [ $RANK = 5 ]; then echo it was me; exit 7; fi; "
                  "sleep 60']\n");
  const auto start = std::chrono::steady_clock::now();
  const ProgramResult result = afar.fabric({"apply", "job.yaml"});
  // It is not waited for a host that has answered.
  BOOST_TEST(seconds_since(start) < 20);
  BOOST_TEST(result.status.shell_code() == 7, said(result));
  BOOST_TEST(has(result.output, "  Conducted  on h1, by a process there\n"), said(result));
  for (int rank = 0; rank < 8; ++rank)
    BOOST_TEST(has(result.output, "[" + std::to_string(rank / 2) + ":" + std::to_string(rank) + "] hello from " + std::to_string(rank)));
  BOOST_TEST(has(result.errors, "rank 5 on h3 exited with code 7"), said(result));
  BOOST_TEST(has(result.errors, "| it was me"), said(result));
  BOOST_TEST(nothing_is_left());
  const ProgramResult json = afar.fabric({"apply", "job.yaml", "--format", "json"});
  const std::optional<Value> summary = read_json(json.output);
  BOOST_REQUIRE_MESSAGE(summary, said(json));
  BOOST_TEST(summary->find("exit_code")->as_integer() == 7);
  BOOST_TEST(summary->find("culprit")->as_integer() == 5);
}

BOOST_AUTO_TEST_CASE(ctrl_c_stops_it_there) {
  if (Hosts::left_out()) return;
  const Afar afar(moved + steady);
  RunningCommand apply(Hosts::cluster(), afar.line({"apply", "job.yaml"}), afar.job().inside());
  for (int rank = 0; rank < 4; ++rank)
    BOOST_REQUIRE(eventually([&] { return has(apply.output(), "[" + std::to_string(rank) + ":" + std::to_string(rank) + "] up"); }));
  apply.signal(SIGINT);
  const ProgramResult result = apply.wait(seconds(20));
  BOOST_TEST(result.status.shell_code() == 130, said(result));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(afar.log(rank).ends_with("saved\n"));
  BOOST_TEST(afar.state() == "stopped");
  BOOST_TEST(nothing_is_left());
}

// Between the order and the answer nobody knows of a run that could be stopped.
BOOST_AUTO_TEST_CASE(ctrl_c_while_it_is_handed_over_stops_it_there) {
  if (Hosts::left_out()) return;
  Hosts::cluster().output("rm -rf /var/tmp/handed && mkdir -p /var/tmp/handed");
  Hosts::cluster().exec({"tee", "/var/tmp/handed/job.yaml"}, {.input = "fabric: 1\nname: job\naccelerator: cpu\nbackend: ssh\n"
                                                                       "ssh: {hosts: [h1, h2], controller: first_host}\ncode: {sync: .}\n"
                                                                       "program: {script: stay.py, python: /usr/bin/python3}\n"});
  Hosts::cluster().exec({"tee", "/var/tmp/handed/stay.py"}, {.input = "import time\ntime.sleep(60)\n"});
  // A rsync that waits until it may go on.
  at("h1",
     "mkdir -p /var/tmp/held && rm -f /var/tmp/held/go && printf '#!/bin/sh\\nwhile ! [ -e /var/tmp/held/go ]; do sleep 0.1; done\\n"
     "exec /usr/bin/rsync \"$@\"\\n' >/var/tmp/held/rsync && chmod +x /var/tmp/held/rsync");
  const fs::path bashrc = Hosts::cluster().home() / ".bashrc";
  std::ofstream(bashrc) << "[ $(hostname) != h1 ] || PATH=/var/tmp/held:$PATH\n";
  RunningCommand apply(Hosts::cluster(), Job::line({"apply", "/var/tmp/handed/job.yaml", "--runs", "/var/tmp/runs-h"}),
                       {.variables = {"NO_COLOR=1"}, .limit = seconds(90)});
  BOOST_REQUIRE_MESSAGE(eventually([] { return process_with("/var/tmp/held/rsync") != 0; }), said(apply.wait(seconds(5))));
  std::vector<pid_t> hosts;
  for (const pid_t pid : Hosts::cluster().processes())
    if (command_line_of(pid).starts_with(fabric_program + " host ")) hosts.push_back(pid);
  BOOST_REQUIRE(!hosts.empty());
  for (const pid_t pid : hosts) kill(pid, SIGSTOP);
  at("h1", "touch /var/tmp/held/go");
  BOOST_TEST(eventually([] { return Hosts::cluster().shell("test -e /var/tmp/runs-h/job/latest/controller.json").status.good(); }));
  usleep(300'000);
  apply.signal(SIGINT);
  usleep(300'000);
  for (const pid_t pid : hosts) kill(pid, SIGCONT);
  const ProgramResult result = apply.wait(seconds(60));
  fs::remove(bashrc);
  BOOST_TEST(result.status.shell_code() == 130, said(result));
  BOOST_TEST(has(Hosts::cluster().output("cat /var/tmp/runs-h/job/latest/status.json"), "\"stopped\""));
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(whoever_watches_is_killed_and_it_goes_on) {
  if (Hosts::left_out()) return;
  const Afar afar(quick + ", controller: first_host, lease: 3s}\n" + steady);
  RunningCommand apply(Hosts::cluster(), afar.line({"apply", "job.yaml"}), afar.job().inside());
  BOOST_REQUIRE(eventually([&] { return has(apply.output(), "[3:3] up"); }));
  apply.signal(SIGKILL);
  apply.wait(seconds(10));
  sleep(5);
  BOOST_TEST(afar.state() == "running");
  BOOST_TEST(afar.fabric({"cancel", "job", "--now"}).status.shell_code() == 0);
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(several_who_watch_tear_nothing) {
  if (Hosts::left_out()) return;
  const Afar afar(detached +
                  "program: [bash, -c, 'for i in $(seq 4000); do echo $RANK line $i; [ $((i % 400)) != 0 ] || sleep 0.5; done']\n");
  BOOST_TEST(afar.fabric({"apply", "-d", "job.yaml"}).status.shell_code() == 0);
  RunningCommand one(Hosts::cluster(), afar.line({"attach", "job", "--tail", "0"}), afar.job().inside());
  RunningCommand two(Hosts::cluster(), afar.line({"logs", "-f", "job"}), afar.job().inside());
  while (afar.state() == "running") usleep(100'000);
  BOOST_TEST(one.wait(seconds(20)).status.shell_code() == 0);
  const ProgramResult logs = two.wait(seconds(20));
  for (int rank = 0; rank < 4; ++rank) {
    std::string lines;
    for (int i = 1; i <= 4000; ++i) lines += std::to_string(rank) + " line " + std::to_string(i) + '\n';
    BOOST_TEST((afar.log(rank) == lines), "the log of rank " << rank);
    BOOST_TEST(has(logs.output, "[" + std::to_string(rank) + ":" + std::to_string(rank) + "] " + std::to_string(rank) + " line 4000\n"));
  }
}

BOOST_AUTO_TEST_CASE(a_first_host_that_does_not_reach_the_others_is_told_before) {
  if (Hosts::left_out()) return;
  // As where keys and names are known here alone.
  Hosts::cluster().output("printf 'Host *\\n  ConnectTimeout 3\\n' >/var/tmp/config");
  const std::string hosts = "ssh: {hosts: [h1, h2, h3], options: [-F, /var/tmp/config]";
  const Job job(hosts + "}\nprogram: [hostname]\n");
  const ProgramResult refused = job.fabric({"apply", "--detach", "job.yaml"});
  BOOST_TEST(refused.status.shell_code() == 125, said(refused));
  BOOST_TEST(has(refused.errors, "FAB5309]: h1 cannot conduct the run"), said(refused));
  BOOST_TEST(has(refused.errors, "job.yaml:5:14"), said(refused));
  BOOST_TEST(has(refused.errors, "`--detach` moves the controller to the first"), said(refused));
  BOOST_TEST(has(refused.errors, "from there: h2, h3: Can't open user config file /var/tmp/config"), said(refused));
  BOOST_TEST(!fs::exists(job.folder() / "runs/job"));
  const Job written(hosts + ", controller: first_host}\nprogram: [hostname]\n");
  const ProgramResult asked = written.fabric({"apply", "job.yaml"});
  BOOST_TEST(has(asked.errors, "^ asked just now"), said(asked));
  // The way out that is named is one.
  const Job here(hosts + ", controller: here}\n" + steady);
  const ProgramResult begun = here.fabric({"apply", "--detach", "job.yaml"});
  BOOST_TEST(begun.status.shell_code() == 0, said(begun));
  BOOST_TEST(!fs::exists(here.run() / "controller.json"));
  BOOST_TEST(here.fabric({"cancel", "job"}).status.shell_code() == 0);
  BOOST_TEST(nothing_is_left());
}

// With an agent that is forwarded all would be well until this machine goes.
BOOST_AUTO_TEST_CASE(keys_that_go_with_this_machine_do_not_count) {
  if (Hosts::left_out()) return;
  const Job job("ssh: {hosts: [h1, h2], options: [-A, -o, IdentityFile=/var/tmp/key]}\nprogram: [hostname]\n");
  const ProgramResult refused = Hosts::cluster().shell(
      "install -m 600 ~/.ssh/id_ed25519 /var/tmp/key && eval $(ssh-agent) >/dev/null && ssh-add -q /var/tmp/key\n"
      "ssh -A -o IdentityFile=/var/tmp/key h1 ssh -o IdentityFile=/var/tmp/key h2 echo forwarded\n" +
          fabric_program + " apply --detach job.yaml; code=$?; kill $SSH_AGENT_PID; exit $code",
      job.inside());
  BOOST_TEST(has(refused.output, "forwarded\n"), said(refused));
  BOOST_TEST(refused.status.shell_code() == 125, said(refused));
  BOOST_TEST(has(refused.errors, "FAB5309]: h1 cannot conduct the run"), said(refused));
  BOOST_TEST(has(refused.errors, "from there: h2: root@h2: Permission denied (publickey)"), said(refused));
}

BOOST_AUTO_TEST_CASE(a_killed_controller_is_told_of_and_leaves_nothing) {
  if (Hosts::left_out()) return;
  const Afar afar(detached + steady);
  BOOST_TEST(afar.fabric({"apply", "-d", "job.yaml"}).status.shell_code() == 0);
  at("h1", "kill -9 " + std::to_string(afar.status().find("controller_pid")->as_integer()));
  BOOST_TEST(eventually([&] { return afar.state() == "lost"; }));
  BOOST_TEST(nothing_is_left());
}

// It has taken the order, and brings code to a host where that gets nowhere.
BOOST_AUTO_TEST_CASE(a_start_that_is_not_heard_of_is_no_success) {
  if (Hosts::left_out()) return;
  Hosts::cluster().output("rm -rf /var/tmp/waiting && mkdir -p /var/tmp/waiting");
  Hosts::cluster().exec({"tee", "/var/tmp/waiting/job.yaml"},
                        {.input = "fabric: 1\nname: job\naccelerator: cpu\nbackend: ssh\n" + impatient +
                                  "code: {sync: .}\nprogram: {script: show.py, python: /usr/bin/python3}\n"});
  Hosts::cluster().exec({"tee", "/var/tmp/waiting/show.py"}, {.input = "print('up')\n"});
  at("h2",
     "mkdir -p /var/tmp/slow && printf '#!/bin/sh\\ncat >/dev/null\\nexit 0\\n' >/var/tmp/slow/rsync && chmod +x /var/tmp/slow/rsync");
  const fs::path bashrc = Hosts::cluster().home() / ".bashrc";
  std::ofstream(bashrc) << "[ $(hostname) != h2 ] || PATH=/var/tmp/slow:$PATH\n";
  const std::vector<std::string> words = Job::line({"apply", "--detach", "/var/tmp/waiting/job.yaml", "--runs", "/var/tmp/runs-w"});
  const auto ordered = [] { return process_with("/var/tmp/slow/rsync") != 0; };
  for (const bool interrupted : {true, false}) {
    RunningCommand apply(Hosts::cluster(), words, {.variables = {"NO_COLOR=1"}, .limit = seconds(90)});
    BOOST_REQUIRE(eventually(ordered));
    std::optional<Unplugged> cable;
    if (interrupted) apply.signal(SIGINT);
    else cable.emplace("h1");
    const ProgramResult result = apply.wait(seconds(60));
    cable.reset();
    BOOST_TEST(result.status.shell_code() == (interrupted ? 130 : 125), said(result));
    BOOST_TEST(has(result.errors, "the run is not known to have started, and may go on on h1"), said(result));
    BOOST_TEST(has(result.errors, "fabric cancel "), said(result));
    if (!interrupted) BOOST_TEST(has(result.errors, "note: h1 does not answer: "), said(result));
    const ProgramResult cancelled = Hosts::cluster().exec(Job::line({"cancel", "job", "--runs", "/var/tmp/runs-w"}),
                                                          {.variables = {"NO_COLOR=1"}, .limit = seconds(60)});
    BOOST_TEST(has(cancelled.output, "stopped by SIGTERM before its ranks had begun"), said(cancelled));
    BOOST_TEST(nothing_is_left());
    BOOST_TEST(eventually([&] { return !ordered(); }));
  }
  fs::remove(bashrc);
}

// An order that was not answered may still be carried out: who waits for it and is told to end does not wait for long.
BOOST_AUTO_TEST_CASE(who_stops_a_run_that_never_began_is_let_go) {
  if (Hosts::left_out()) return;
  const Job job("ssh: {hosts: [h1, h2], controller: first_host}\nprogram: ['true']\n");
  const ProgramResult first = job.fabric({"apply", "job.yaml"});
  BOOST_TEST_REQUIRE(first.status.shell_code() == 0, said(first));
  for (const char* file : {"status.json", "events.jsonl"}) fs::remove(job.run() / file);
  write_text(job.run() / "controller.json", replaced(read_text(job.run() / "controller.json"), "\"begun\": true", "\"begun\": false"));
  RunningCommand attach(Hosts::cluster(), Job::line({"attach", "--stop", "job"}), job.inside());
  BOOST_TEST(attach.wait(seconds(3)).timed_out);
  attach.signal(SIGINT);
  const ProgramResult result = attach.wait(seconds(15));
  BOOST_TEST(!result.timed_out);
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.output + result.errors, "it has not begun"), said(result));
}

BOOST_AUTO_TEST_CASE(a_first_host_that_comes_back_without_its_disk_has_lost_the_run) {
  if (Hosts::left_out()) return;
  const Afar afar(impatient + steady);
  BOOST_TEST(afar.fabric({"apply", "-d", "job.yaml"}).status.shell_code() == 0);
  Hosts::cluster().crash("h1");
  BOOST_TEST(has(afar.fabric({"status", "job"}).output, "h1 does not answer"));
  BOOST_TEST(eventually([] { return process_with("echo up") == 0; }));
  Hosts::cluster().boot("h1");
  BOOST_TEST(eventually([&] { return afar.state() == "lost"; }));
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_run_that_has_failed_there_is_resumed_there) {
  if (Hosts::left_out()) return;
  const Afar afar(moved + "program: [bash, -c, 'echo attempt $FABRIC_ATTEMPT; if [ $FABRIC_ATTEMPT = 0 ]; then sleep 1; exit 9; fi']\n");
  BOOST_TEST(afar.fabric({"apply", "job.yaml"}).status.shell_code() == 9);
  const ProgramResult resumed = afar.job().fabric({"resume", afar.run()});
  BOOST_TEST(resumed.status.shell_code() == 0, said(resumed));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(afar.log(rank) == "attempt 0\nattempt 1\n");
  // Conducted here it would be, if that is asked for.
  BOOST_TEST(afar.state() == "finished");
}

BOOST_AUTO_TEST_CASE(a_first_host_that_has_a_copy_of_fabric_finds_it_on_the_others) {
  if (Hosts::left_out()) return;
  const fs::path bashrc = Hosts::cluster().home() / ".bashrc";
  std::ofstream(bashrc) << "export XDG_CACHE_HOME=/var/tmp/cache\n";
  for (const std::string host : {"h2", "h3"}) at(host, "mkdir -p /var/tmp/own && cp " + fabric_program + " /var/tmp/own/fabric");
  const Afar afar("ssh: {hosts: [h1, h2, h3, h4], fabric: /var/tmp/own/fabric}\nprogram: [bash, -c, 'sleep 2; echo $RANK']\n");
  const ProgramResult begun = afar.fabric({"apply", "--detach", "--stage", "job.yaml"});
  BOOST_TEST(begun.status.shell_code() == 0, said(begun));
  BOOST_TEST(has(begun.output, "was copied into ~/.cache/fabric/builds of h1, h4\n"), said(begun));
  BOOST_TEST(eventually([&] { return afar.state() == "finished"; }));
  fs::remove(bashrc);
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(afar.log(rank) == std::to_string(rank) + '\n');
}

BOOST_AUTO_TEST_CASE(code_and_variables_go_with_it) {
  if (Hosts::left_out()) return;
  Hosts::cluster().output("rm -rf /var/tmp/project && mkdir -p /var/tmp/project");
  const std::string job = "fabric: 1\nname: job\naccelerator: cpu\nbackend: ssh\n" + quick +
                          ", controller: first_host, send: [TOKEN]}\ncode: {sync: .}\n"
                          "program: {script: show.py, python: /usr/bin/python3}\n";
  Hosts::cluster().exec({"tee", "/var/tmp/project/job.yaml"}, {.input = job});
  Hosts::cluster().exec({"tee", "/var/tmp/project/show.py"}, {.input = "import os\nprint(os.getcwd(), os.environ['TOKEN'])\n"});
  const ProgramResult result = Hosts::cluster().exec(Job::line({"apply", "/var/tmp/project/job.yaml", "--runs", "/var/tmp/runs-p"}),
                                                     {.variables = {"NO_COLOR=1", "TOKEN=s'e c"}, .limit = seconds(60)});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(has(result.output, " was brought to h1\n"), said(result));
  const std::string run = Hosts::cluster().output("readlink -f /var/tmp/runs-p/job/latest");
  for (int rank = 0; rank < 4; ++rank) {
    const std::string place = std::to_string(rank);
    BOOST_TEST(has(result.output, "[" + place + ":" + place + "] " + run + "/code s'e c\n"), said(result));
  }
  BOOST_TEST(has(at("h1", "cat " + run + "/console.log"), " was brought to h2, h3, h4"));
}

BOOST_AUTO_TEST_SUITE_END()
