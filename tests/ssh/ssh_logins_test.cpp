// What hosts are, as a login on them sees it, before and while a job is planned over them.
#include <signal.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "schema/json.hpp"
#include "tests/ssh/applied_over_ssh.hpp"

using namespace fabric;
using namespace fabric::testing;

BOOST_AUTO_TEST_SUITE(ssh_logins, *boost::unit_test::fixture<Hosts>())

// What a login on these hosts sets.
class Login {
 public:
  explicit Login(const std::string& lines) : file_(Hosts::cluster().home() / ".bashrc") { std::ofstream(file_) << lines; }
  ~Login() { fs::remove(file_); }
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

 private:
  fs::path file_;
};

// A driver that says what a variable tells it to.
std::string driver(const std::string& library, const std::string& words) {
  return "export LD_LIBRARY_PATH=" FABRIC_BINARY_DIR "/tests/" + library + "\ncase $(hostname) in " + words + " esac\n";
}

BOOST_AUTO_TEST_CASE(idle_gpus_are_taken_on_each_host) {
  if (Hosts::left_out()) return;
  const Login login(
      driver("stand_in_nvml", "h2) export FABRIC_STAND_IN_NVML='gpus=4 holder=1:1:1000000';; *) export FABRIC_STAND_IN_NVML=gpus=4;;"));
  const Job job("ssh: {hosts: [h1, h2]}\ndevices: 2\nprogram: [bash, -c, 'echo $RANK $CUDA_VISIBLE_DEVICES']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml", "--set", "accelerator=auto"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(0, 0) == "0 0,1\n");
  BOOST_TEST(job.log(1, 3) == "3 0,2\n");
  const ProgramResult busy = job.fabric({"apply", "job.yaml", "--set", "accelerator=cuda", "--set", "devices=4"});
  BOOST_TEST(busy.status.shell_code() == 125, said(busy));
  BOOST_TEST(has(busy.errors, "FAB5303]: 1 of 2 hosts cannot start their part"), said(busy));
  BOOST_TEST(has(busy.errors, "h2: the job takes 4 of its GPUs, and 3 of 4 are idle: GPU 1: "), said(busy));
  const ProgramResult probe = job.fabric({"probe", "job.yaml", "--set", "accelerator=cuda"});
  BOOST_TEST(probe.status.shell_code() == 0, said(probe));
  BOOST_TEST(has(probe.output, "H100"), said(probe));
}

BOOST_AUTO_TEST_CASE(hosts_with_different_gpus_are_two_groups) {
  if (Hosts::left_out()) return;
  const Login login(driver("stand_in_nvml", "h3) export FABRIC_STAND_IN_NVML=gpus=1;; *) export FABRIC_STAND_IN_NVML=gpus=2;;"));
  const Job job("ssh: {hosts: [h1, h2, h3]}\nprogram: [bash, -c, 'echo $RANK/$WORLD_SIZE $LOCAL_WORLD_SIZE $CUDA_VISIBLE_DEVICES']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml", "--set", "accelerator=auto"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 3) == "3/5 2 0,1\n");
  BOOST_TEST(job.log(2, 4) == "4/5 1 0\n");
}

BOOST_AUTO_TEST_CASE(what_may_hinder_a_run_is_told_with_its_host) {
  if (Hosts::left_out()) return;
  const auto& hosts = Hosts::cluster();
  hosts.output("mkdir -p /var/tmp/runs; fallocate -l $(($(stat -f -c '%f * %S' /var/tmp) - 50000000)) /var/tmp/full", {.node = "h2"});
  const Job job("ssh: {hosts: [h1, h2]}\nprogram: [hostname]\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml", "--runs", "/var/tmp/runs"});
  hosts.output("rm /var/tmp/full", {.node = "h2"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(has(result.errors, "warning[FAB5304]: something may hinder the run on 1 of 2 hosts"), said(result));
  BOOST_TEST(has(result.errors, "h2: disk: "), said(result));
}

// Each host has a problem of its own, and one of them two.
BOOST_AUTO_TEST_CASE(a_host_that_is_silent_hides_no_problem_of_others) {
  if (Hosts::left_out()) return;
  const auto& hosts = Hosts::cluster();
  const Login login(
      driver("stand_in_nvml", "h4) export FABRIC_STAND_IN_NVML='gpus=2 holder=1:1:1000000';; *) export FABRIC_STAND_IN_NVML=gpus=2;;"));
  const Job job(
      "ssh: {hosts: [h1, h2, h3, h4], options: [-o, ConnectTimeout=2]}\ndevices: 2\nprogram: {command: [hostname], cwd: /var/tmp/data}\n");
  const std::vector<std::string> apply = {"apply", "job.yaml", "--set", "accelerator=cuda", "--runs", "/var/tmp/runs"};
  for (const std::string host : {"h1", "h2", "h3", "h4"}) hosts.output("mkdir -p /var/tmp/runs /var/tmp/data", {.node = host});
  const ProgramResult saved = job.fabric({"plan", "job.yaml", "--set", "accelerator=cuda", "-o", "plan.json"});
  BOOST_TEST(saved.status.shell_code() == 0, said(saved));
  hosts.output("rmdir /var/tmp/data; fallocate -l $(($(stat -f -c '%f * %S' /var/tmp) - 50000000)) /var/tmp/full", {.node = "h3"});
  hosts.cut("h1", "h4");
  hosts.crash("h2");
  const ProgramResult all = job.fabric(apply);
  const ProgramResult of_saved = job.fabric({"apply", "plan.json", "--runs", "/var/tmp/runs"});
  hosts.mend();
  hosts.boot("h2");
  for (const ProgramResult& result : {all, of_saved}) {
    BOOST_TEST(result.status.shell_code() == 125, said(result));
    BOOST_TEST(has(result.errors, "FAB5301]: 1 of 4 hosts cannot be used"), said(result));
    BOOST_TEST(has(result.errors, "note: h2: ssh: connect to host h2 port 22:"), said(result));
    BOOST_TEST(has(result.errors, "FAB5001]: h3: /var/tmp/data: No such file or directory"), said(result));
    BOOST_TEST(has(result.errors, "FAB5303]: 1 of 4 hosts cannot start their part"), said(result));
    BOOST_TEST(has(result.errors, "h4: the job takes 2 of its GPUs, and 1 of 2 is idle: GPU 1: "), said(result));
    BOOST_TEST(has(result.errors, "FAB5304]: something may hinder the run on 1 of 4 hosts"), said(result));
    BOOST_TEST(has(result.errors, "h3: disk: "), said(result));
    BOOST_TEST(has(result.errors, "note: h4: cannot reach h1 at 10.77.0.1:"), said(result));
    BOOST_TEST(has(result.errors, "4 errors, 1 warning"), said(result));
    BOOST_TEST(!has(result.errors, "stale"), said(result));
  }

  // Where it is the first host itself, nobody is said not to reach it.
  hosts.crash("h1");
  const ProgramResult first = job.fabric(apply);
  hosts.output("rm /var/tmp/full", {.node = "h3"});
  hosts.boot("h1");
  BOOST_TEST(has(first.errors, "note: h1: ssh: connect to host h1 port 22:"), said(first));
  BOOST_TEST(has(first.errors, "FAB5001]: "), said(first));
  BOOST_TEST(has(first.errors, "h4: the job takes 2 of its GPUs, and 1 of 2 is idle: GPU 1: "), said(first));
  BOOST_TEST(has(first.errors, "h3: disk: "), said(first));
  BOOST_TEST(!has(first.errors, "cannot reach"), said(first));
  BOOST_TEST(!has(first.errors, "FAB5305"), said(first));
}

BOOST_AUTO_TEST_CASE(variables_that_are_named_are_sent_along) {
  if (Hosts::left_out()) return;
  const Login login("export OF_THE_LOGIN=here SENT_TWO=theirs\n");
  const Job job(
      "ssh: {hosts: [h1, h2], send: [SENT_*, TOKEN]}\n"
      "program: [bash, -c, 'echo \"$SENT_ONE\" $SENT_TWO $TOKEN ${NOT_SENT-none} $OF_THE_LOGIN']\n");
  Inside inside = job.inside();
  inside.variables.insert(inside.variables.end(), {"SENT_ONE=a 'b'\n$c", "SENT_TWO=ours", "TOKEN=secret-of-ada", "NOT_SENT=x"});
  RunningCommand apply(Hosts::cluster(), Job::line({"apply", "job.yaml"}), inside);
  const ProgramResult result = apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 1) == "a 'b'\n$c ours secret-of-ada none here\n");
  // Neither the plan nor the events have its value.
  for (const char* file : {"plan.json", "events.jsonl", "status.json"})
    BOOST_TEST(!has(read_text(job.run() / file), "secret-of-ada"), file);
}

BOOST_AUTO_TEST_CASE(ctrl_c_while_hosts_are_asked_leaves_nothing) {
  if (Hosts::left_out()) return;
  const Login login("sleep 30\n");
  const Job job("ssh: {hosts: [h1, h2]}\nprogram: [hostname]\n");
  Inside inside = job.inside();
  const fs::path folder = job.folder() / "runtime";
  fs::create_directories(folder);
  inside.variables.push_back("TMPDIR=" + folder.string());
  RunningCommand plan(Hosts::cluster(), Job::line({"plan", "job.yaml"}), inside);
  BOOST_REQUIRE(eventually([&] { return !fs::is_empty(folder); }));
  sleep(1);
  plan.signal(SIGINT);
  BOOST_TEST(plan.wait(seconds(10)).status.shell_code() == 130);
  BOOST_TEST(fs::is_empty(folder));
  BOOST_TEST(eventually([] { return process_with("ssh -T") == 0; }));
}

BOOST_AUTO_TEST_SUITE_END()
