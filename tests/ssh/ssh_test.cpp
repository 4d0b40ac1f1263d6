// A job by the backend ssh, on hosts with a real sshd: what its ranks are told, how it ends, and what becomes of it when hosts, connections
// and cables fail.
#include <signal.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

#include "tests/clusters/trains_the_same.hpp"
#include "tests/ssh/applied_over_ssh.hpp"

using namespace fabric;
using namespace fabric::testing;

BOOST_AUTO_TEST_SUITE(ssh_jobs, *boost::unit_test::fixture<Hosts>())

BOOST_AUTO_TEST_CASE(ranks_are_told_their_places_on_all_hosts) {
  if (Hosts::left_out()) return;
  const Job job(four_hosts +
                "devices: 2\nprogram: [bash, -c, 'echo $RANK $LOCAL_RANK $NODE_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $GROUP_WORLD_SIZE "
                "$MASTER_ADDR $GLOO_SOCKET_IFNAME $NCCL_SOCKET_IFNAME $(hostname)']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 8; ++rank) {
    const int node = rank / 2;
    const std::string expected = std::to_string(rank) + ' ' + std::to_string(rank % 2) + ' ' + std::to_string(node) +
                                 " 8 2 4 10.77.0.1 eth0 eth0 h" + std::to_string(node + 1) + '\n';
    BOOST_TEST(job.log(node, rank) == expected);
    BOOST_TEST(has(result.output, "[" + std::to_string(node) + ":" + std::to_string(rank) + "] " + expected), said(result));
  }
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_program_that_speaks_torchrun_needs_no_change) {
  if (Hosts::left_out()) return;
  const Job job(four_hosts + "program: [meet.py]\n");
  // Rank 0 listens where it is told to, and all of the others come.
  job.write("meet.py", R"(import os, socket
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(place)
    server.listen(world)
    seen = {0}
    while len(seen) < world:
        peer, _ = server.accept()
        seen.add(int(peer.recv(8)))
    print("met", sorted(seen))
else:
    import time
    for _ in range(200):
        try:
            socket.create_connection(place).send(str(rank).encode())
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
)");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(0, 0) == "met [0, 1, 2, 3]\n");
}

BOOST_AUTO_TEST_CASE(words_and_variables_arrive_byte_for_byte) {
  if (Hosts::left_out()) return;
  const Job job(
      "ssh: {hosts: [h1, h2]}\n"
      "env: {A_VARIABLE: \"a b,c 'd' \\\"e\\\" $HOME `x` \\\\ * \\n; exit 1 \\u00e4\"}\n"
      "program: [show.py, \"two words\", \"it's\", \"\\\"\", \"a,b\", \"line\\nline\", \"$HOME\", \"*\", \"\\\\\", \"\", \"-- -x\", \"\\u00e4\"]\n");
  job.write("show.py", "import os, sys\nprint(ascii(sys.argv[1:]), ascii(os.environ['A_VARIABLE']))\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  const std::string expected = R"(['two words', "it's", '"', 'a,b', 'line\nline', '$HOME', '*', '\\', '', '-- -x', '\xe4'] )"
                               R"('a b,c \'d\' "e" $HOME `x` \\ * \n; exit 1 \xe4')"
                               "\n";
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank) == expected);
}

BOOST_AUTO_TEST_CASE(the_culprit_is_named_with_its_code_and_host) {
  if (Hosts::left_out()) return;
  const Job job(four_hosts + "devices: 2\nprogram: [bash, -c, 'if [ $RANK = 5 ]; then sleep 1; echo it was me; exit 7; fi; sleep 60']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 7, said(result));
  BOOST_TEST(has(result.errors, "rank 5 on h3 exited with code 7"), said(result));
  BOOST_TEST(has(result.errors, "| it was me"), said(result));
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(ctrl_c_stops_in_order) {
  if (Hosts::left_out()) return;
  const Job job(four_hosts + steady);
  RunningCommand apply(Hosts::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  for (int rank = 0; rank < 4; ++rank)
    BOOST_REQUIRE(eventually([&] { return has(apply.output(), "[" + std::to_string(rank) + ":" + std::to_string(rank) + "] up"); }));
  apply.signal(SIGINT);
  const ProgramResult result = apply.wait(seconds(20));
  BOOST_TEST(result.status.shell_code() == 130, said(result));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(job.log(rank, rank).ends_with("saved\n"));
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_pulled_cable_ends_ranks_on_both_sides) {
  if (Hosts::left_out()) return;
  const Job job(four_impatient_hosts + steady);
  RunningCommand apply(Hosts::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_REQUIRE(eventually([&] { return has(apply.output(), "[2:2] up") && has(apply.output(), "[3:3] up"); }));
  const auto start = std::chrono::steady_clock::now();
  Hosts::cluster().unplug("h3");
  const ProgramResult result = apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "nothing was heard of the agent of node 2 (h3) for 3s"), said(result));
  // The lease, the grace, and what a busy machine needs.
  BOOST_TEST(seconds_since(start) < 10);
  BOOST_TEST(eventually([] { return process_with("echo up") == 0; }, seconds(10)));
  BOOST_TEST(seconds_since(start) < 14);
  Hosts::cluster().plug("h3");
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_host_that_crashes_ends_the_run) {
  if (Hosts::left_out()) return;
  const Job job(four_impatient_hosts + steady);
  RunningCommand apply(Hosts::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_REQUIRE(eventually([&] { return has(apply.output(), "[1:1] up") && has(apply.output(), "[3:3] up"); }));
  Hosts::cluster().crash("h2");
  const ProgramResult result = apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "h2"), said(result));
  Hosts::cluster().boot("h2");
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_killed_ssh_ends_the_run_and_is_named) {
  if (Hosts::left_out()) return;
  const Job job(four_hosts + steady);
  RunningCommand apply(Hosts::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_REQUIRE(eventually([&] { return has(apply.output(), "[1:1] up") && has(apply.output(), "[3:3] up"); }));
  const pid_t ssh = process_with("-o ControlPersist=no -S /tmp");
  BOOST_REQUIRE(ssh != 0);
  kill(ssh, SIGKILL);
  const ProgramResult result = apply.wait(seconds(30));
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "ssh to h"), said(result));
  BOOST_TEST(has(result.errors, "was killed by signal 9 (KILL)"), said(result));
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_killed_controller_leaves_nothing) {
  if (Hosts::left_out()) return;
  const Job job(four_impatient_hosts + steady);
  Inside inside = job.inside();
  const fs::path folder = job.folder() / "tmp";
  fs::create_directories(folder);
  inside.variables.push_back("TMPDIR=" + folder.string());
  RunningCommand apply(Hosts::cluster(), Job::line({"apply", "job.yaml"}), inside);
  BOOST_REQUIRE(eventually([&] { return has(apply.output(), "[1:1] up") && has(apply.output(), "[3:3] up"); }));
  apply.signal(SIGKILL);
  apply.wait(seconds(10));
  BOOST_TEST(nothing_is_left());
  // The folder of its connections goes when somebody else makes one; that of one that lives stays.
  BOOST_TEST(!fs::is_empty(folder));
  RunningCommand lives(Hosts::cluster(), Job::line({"apply", "job.yaml"}), inside);
  BOOST_REQUIRE(eventually([&] { return has(lives.output(), "[1:1] up") && has(lives.output(), "[3:3] up"); }));
  RunningCommand plan(Hosts::cluster(), Job::line({"plan", "job.yaml"}), inside);
  BOOST_TEST(plan.wait(seconds(20)).status.good());
  BOOST_TEST(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 1);
  lives.signal(SIGINT);
  BOOST_TEST(lives.wait(seconds(20)).status.shell_code() == 130);
  BOOST_TEST(fs::is_empty(folder));
}

// Of h1 and h2 the user's own ssh holds a connection open; of h3 a socket is left of one; h4 has none.
BOOST_AUTO_TEST_CASE(a_connection_that_the_user_holds_open_is_used) {
  if (Hosts::left_out()) return;
  const auto& hosts = Hosts::cluster();
  const fs::path sockets = hosts.home() / "100%";  // ssh reads % in a path
  fs::create_directories(sockets);
  std::ofstream(hosts.home() / "shared.conf") << "Host *\nControlPath ~/100%%/%n\n";
  const auto open_to = [&](const std::string& host) {
    return std::make_unique<RunningCommand>(hosts, std::vector<std::string>{"ssh", "-F", "shared.conf", "-MN", host});
  };
  const auto first = open_to("h1"), second = open_to("h2"), third = open_to("h3");
  BOOST_REQUIRE(eventually([&] { return fs::exists(sockets / "h1") && fs::exists(sockets / "h2") && fs::exists(sockets / "h3"); }));
  third->signal(SIGKILL);
  third->wait(seconds(5));
  BOOST_REQUIRE(fs::exists(sockets / "h3"));
  const auto logins = [&](const std::string& host) {
    const std::string log = read_text(hosts.folder() / "log" / ("sshd." + host)), mark = "Accepted publickey";
    int count = 0;
    for (std::size_t at = 0; (at = log.find(mark, at)) != std::string::npos; at += mark.size()) ++count;
    return count;
  };
  const std::vector<int> before = {logins("h1"), logins("h2"), logins("h3"), logins("h4")};
  const Job job("ssh: {hosts: [h1, h2, h3, h4], options: [-F, " + (hosts.home() / "shared.conf").string() +
                "]}\nprogram: [sh, -c, 'echo from $RANK']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(job.log(rank, rank) == "from " + std::to_string(rank) + '\n');
  BOOST_TEST(logins("h1") == before[0]);
  BOOST_TEST(logins("h2") == before[1]);
  BOOST_TEST(logins("h3") == before[2] + 1);
  BOOST_TEST(logins("h4") == before[3] + 1);

  // Where the first and the last have one, those between are believed to, until they say otherwise.
  const Job between("ssh: {hosts: [h1, h3, h4, h2], options: [-F, " + (hosts.home() / "shared.conf").string() +
                    "]}\nprogram: [sh, -c, 'echo from $RANK']\n");
  const ProgramResult mixed = between.fabric({"apply", "job.yaml"});
  BOOST_TEST(mixed.status.shell_code() == 0, said(mixed));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(between.log(rank, rank) == "from " + std::to_string(rank) + '\n');
  BOOST_TEST(logins("h1") == before[0]);
  BOOST_TEST(logins("h2") == before[1]);
  BOOST_TEST(logins("h3") == before[2] + 2);
  BOOST_TEST(logins("h4") == before[3] + 2);
  const auto fourth = open_to("h4");
  BOOST_REQUIRE(eventually([&] { return fs::exists(sockets / "h4"); }));
  const Job warm("ssh: {hosts: [h1, h4, h2], options: [-F, " + (hosts.home() / "shared.conf").string() + "]}\nprogram: ['true']\n");
  const ProgramResult all_open = warm.fabric({"apply", "job.yaml"});
  BOOST_TEST(all_open.status.shell_code() == 0, said(all_open));
  BOOST_TEST(logins("h4") == before[3] + 3);  // that of the user
  fourth->signal(SIGTERM);
  fourth->wait(seconds(5));

  // It is the user's, and stays. One that ends before anything came through it is done without.
  BOOST_TEST(hosts.shell("ssh -F shared.conf -O check h1").status.good());
  const fs::path bashrc = hosts.home() / ".bashrc";
  std::ofstream(bashrc) << "[ $(hostname) != h2 ] || [ -e ~/slept ] || { >~/slept; sleep 5.25; }\n";
  RunningCommand apply(hosts, Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_REQUIRE(eventually([&] { return process_with("sleep 5.25") != 0; }));
  second->signal(SIGKILL);
  second->wait(seconds(5));
  const ProgramResult again = apply.wait(seconds(40));
  fs::remove(bashrc);
  BOOST_TEST(again.status.shell_code() == 0, said(again));
  BOOST_TEST(logins("h1") == before[0]);
  BOOST_TEST(logins("h2") == before[1] + 1);
  first->signal(SIGTERM);
  first->wait(seconds(5));
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(what_a_shell_prints_is_noise) {
  if (Hosts::left_out()) return;
  const fs::path bashrc = Hosts::cluster().home() / ".bashrc";
  std::ofstream(bashrc) << "echo Welcome to the cluster\necho '{\"from\": \"a shell\"}'\necho to stderr >&2\nprintf 'half a line'\n";
  const Job job("ssh: {hosts: [h1, h2]}\nprogram: [bash, -c, 'echo $RANK']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 1) == "1\n");
  std::ofstream(bashrc) << "echo This account is not for you; exit 3\n";
  const ProgramResult refused = job.fabric({"plan", "job.yaml"});
  fs::remove(bashrc);
  BOOST_TEST(refused.status.shell_code() == 5, said(refused));
  BOOST_TEST(has(refused.errors, "This account is not for you"), said(refused));
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_hosts_is_told_in_one_go) {
  if (Hosts::left_out()) return;
  const auto& hosts = Hosts::cluster();
  // Each host has a /var/tmp of its own.
  for (const std::string host : {"h1", "h3", "h4"}) hosts.output("cp " + fabric_program + " /var/tmp/fabric", {.node = host});
  hosts.output("rm /var/tmp/fabric", {.node = "h3"});
  hosts.output("echo >>/var/tmp/fabric", {.node = "h4"});
  hosts.crash("h2");
  const Job job("ssh: {hosts: [h1, h2, h3, h4], fabric: /var/tmp/fabric, options: [-o, ConnectTimeout=2]}\nprogram: [hostname]\n");
  const ProgramResult result = job.fabric({"plan", "job.yaml"});
  hosts.boot("h2");
  BOOST_TEST(result.status.shell_code() == 5, said(result));
  BOOST_TEST(has(result.errors, "FAB5301]: 3 of 4 hosts cannot be used"), said(result));
  BOOST_TEST(has(result.errors, "h2: ssh: connect to host h2 port 22:"), said(result));
  BOOST_TEST(has(result.errors, "h3: no fabric that can be started is at /var/tmp/fabric"), said(result));
  BOOST_TEST(has(result.errors, "h4: another fabric is there: /var/tmp/fabric is 0."), said(result));
  BOOST_TEST(has(result.errors, "1 error "), said(result));
}

BOOST_AUTO_TEST_CASE(paths_are_looked_for_on_the_hosts) {
  if (Hosts::left_out()) return;
  Hosts::cluster().output("mkdir -p /var/tmp/data", {.node = "h1"});
  const Job job("ssh: {hosts: [h1, h2, h3]}\nprogram: {command: [hostname], cwd: /var/tmp/data}\n");
  const ProgramResult result = job.fabric({"plan", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 5, said(result));
  BOOST_TEST(has(result.errors, "FAB5001]: h2, h3: /var/tmp/data: No such file or directory"), said(result));
}

BOOST_AUTO_TEST_CASE(hosts_may_differ_in_devices) {
  if (Hosts::left_out()) return;
  const Job job(
      "ssh: {hosts: [h1, {host: h2, devices: 3}, h3]}\ndevices: 1\n"
      "program: [bash, -c, 'echo $RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $(hostname)']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(0, 0) == "0/5 0/1 h1\n");
  for (int rank = 1; rank < 4; ++rank) BOOST_TEST(job.log(1, rank) == std::to_string(rank) + "/5 " + std::to_string(rank - 1) + "/3 h2\n");
  BOOST_TEST(job.log(2, 4) == "4/5 0/1 h3\n");
}

BOOST_AUTO_TEST_CASE(a_hostfile_and_a_choice_of_it) {
  if (Hosts::left_out()) return;
  const Job job("ssh: {hostfile: hosts.txt, exclude: h2}\nprogram: [bash, -c, 'echo $RANK $(hostname)']\n");
  job.write("hosts.txt", "# all that there are\nh1 slots=2\nh2 slots=2\n\nh4  # no slots\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(0, 1) == "1 h1\n");
  BOOST_TEST(job.log(1, 2) == "2 h4\n");
  const ProgramResult fewer = job.fabric({"apply", "job.yaml", "--set", "num_nodes=1"});
  BOOST_TEST(fewer.status.shell_code() == 0, said(fewer));
  BOOST_TEST(has(fewer.output, "2 ranks on 1 node"), said(fewer));
}

BOOST_AUTO_TEST_CASE(logs_come_home_from_hosts_with_disks_of_their_own) {
  if (Hosts::left_out()) return;
  const Job job(
      four_hosts +
      "program: [bash, -c, 'echo $RANK $(hostname); seq 100000; ls $FABRIC_PLAN; if [ $RANK = 2 ]; then sleep 1; echo the last; exit 4; fi; sleep 30']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml", "--runs", "/var/tmp/runs"});
  BOOST_TEST(result.status.shell_code() == 4, said(result));
  BOOST_TEST(has(result.errors, "| the last"), said(result));
  const std::string run = Hosts::cluster().output("readlink -f /var/tmp/runs/job/latest");
  std::string numbers;
  for (int i = 1; i <= 100000; ++i) numbers += std::to_string(i) + '\n';
  for (int rank = 0; rank < 4; ++rank) {
    const std::string log =
        Hosts::cluster().output("cat " + run + "/nodes/" + std::to_string(rank) + "/rank-" + std::to_string(rank) + ".log");
    BOOST_TEST((log == std::to_string(rank) + " h" + std::to_string(rank + 1) + '\n' + numbers + run + "/plan.json" +
                           (rank == 2 ? "\nthe last" : "")),
               log.substr(0, 100) << "..." << log.substr(log.size() - std::min<std::size_t>(log.size(), 300)) << result.errors);
  }
}

BOOST_AUTO_TEST_CASE(own_training_needs_a_shared_folder) {
  if (Hosts::left_out()) return;
  const Job job(
      "ssh: {hosts: [h1, h2]}\ntrain: {task: image_classifier, model: mlp, data: /usr/share/datasets/fashion-mnist, "
      "optimizer: {name: sgd, lr: 0.1}, batch_size: 64, steps: 2}\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml", "--runs", "/var/tmp/runs"});
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "FAB5307"), said(result));
  BOOST_TEST(has(result.errors, "h1, h2: does not see what was just written into /var/tmp/runs"), said(result));
}

BOOST_AUTO_TEST_CASE(a_copy_of_the_code_is_run_on_all_hosts) {
  if (Hosts::left_out()) return;
  const Job job("ssh: {hosts: [h1, h2]}\ncode: snapshot\nprogram: [show.py]\n");
  job.write("show.py", "import os, __main__\nprint(os.path.realpath(__main__.__file__))\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 1) == job.run().string() + "/code/show.py\n");
  const ProgramResult apart = job.fabric({"apply", "job.yaml", "--runs", "/var/tmp/runs"});
  BOOST_TEST(has(apart.errors, "FAB5307]: a copy of the code needs a folder of runs that all hosts share"), said(apart));
}

BOOST_AUTO_TEST_CASE(our_own_runtime_trains_on_four_hosts_as_on_one_machine) {
  if (Hosts::left_out()) return;
  trains_on_four_nodes_as_on_one_machine(Job(four_hosts), {"--set", "backend=ssh", "--set", "ssh.hosts=[h1, h2, h3, h4]"});
}

BOOST_AUTO_TEST_CASE(hosts_that_do_not_reach_each_other_are_named_before_a_start) {
  if (Hosts::left_out()) return;
  Hosts::cluster().cut("h1", "h3");
  const Job job(four_hosts + "program: [hostname]\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  Hosts::cluster().mend();
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "FAB5305"), said(result));
  BOOST_TEST(has(result.errors, "h3: cannot reach h1 at 10.77.0.1:"), said(result));
  BOOST_TEST(!fs::exists(job.folder() / "runs/job"));
  const ProgramResult other = job.fabric({"apply", "job.yaml", "--set", "ssh.interface=ib0"});
  BOOST_TEST(has(other.errors, "FAB5303"), said(other));
  BOOST_TEST(has(other.errors, "h1, h2, h3, h4: it has no interface ib0 that is up and has an address; it has eth0"), said(other));
}

BOOST_AUTO_TEST_CASE(a_variable_of_ones_own_names_the_interface) {
  if (Hosts::left_out()) return;
  const Job job(
      "ssh: {hosts: [h1, h2]}\nenv: {NCCL_SOCKET_IFNAME: lo}\nprogram: [bash, -c, 'echo $NCCL_SOCKET_IFNAME $GLOO_SOCKET_IFNAME']\n");
  const fs::path bashrc = Hosts::cluster().home() / ".bashrc";
  std::ofstream(bashrc) << "export GLOO_SOCKET_IFNAME=of-the-site\n";
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  fs::remove(bashrc);
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 1) == "lo of-the-site\n");
}

BOOST_AUTO_TEST_CASE(a_run_goes_on_without_its_terminal) {
  if (Hosts::left_out()) return;
  const Job job("ssh: {hosts: [h1, h2], lease: 3s}\n" + steady);
  const ProgramResult result = job.fabric({"apply", "--detach", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  sleep(5);  // longer than the lease
  BOOST_TEST(job.status().find("state")->as_string() == "running");
  const ProgramResult cancelled = job.fabric({"cancel", "job"});
  BOOST_TEST(cancelled.status.shell_code() == 0, said(cancelled));
  BOOST_TEST(eventually([&] { return job.status().find("state")->as_string() == "stopped"; }));
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank).ends_with("saved\n"));
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_failure_is_followed_by_a_restart_of_all) {
  if (Hosts::left_out()) return;
  const Job job(four_hosts +
                "restart: {max: 1, backoff: 0s}\n"
                "program: [bash, -c, 'echo attempt $FABRIC_ATTEMPT; sleep 1; if [ $RANK$FABRIC_ATTEMPT = 10 ]; then exit 9; fi']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  for (int rank = 0; rank < 4; ++rank) BOOST_TEST(job.log(rank, rank) == "attempt 0\nattempt 1\n");
}

BOOST_AUTO_TEST_CASE(a_stopped_run_is_resumed) {
  if (Hosts::left_out()) return;
  const Job job(
      "ssh: {hosts: [h1, h2]}\nprogram: [bash, -c, 'echo attempt $FABRIC_ATTEMPT; if [ $FABRIC_ATTEMPT = 0 ]; then sleep 1; exit 9; fi']\n");
  BOOST_TEST(job.fabric({"apply", "job.yaml"}).status.shell_code() == 9);
  const ProgramResult result = job.fabric({"resume", "job"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 1) == "attempt 0\nattempt 1\n");
}

BOOST_AUTO_TEST_CASE(an_option_that_breaks_our_calls_is_refused) {
  if (Hosts::left_out()) return;
  const Job job("ssh: {hosts: [h1], options: [-tt, -o, ControlPath=none]}\nprogram: [hostname]\n");
  const ProgramResult result = job.fabric({"plan", "job.yaml"});
  BOOST_TEST(has(result.errors, "FAB5302]: `-t` would change"), said(result));
  BOOST_TEST(has(result.errors, "FAB5302]: `ControlPath=none` would change"), said(result));
  const Job by_hand("ssh: {hosts: [h1, h2]}\nprogram: [hostname]\n");
  BOOST_TEST(has(by_hand.fabric({"plan", "job.yaml", "--node-rank", "1"}).errors, "FAB5306"));
}

BOOST_AUTO_TEST_CASE(a_line_of_torchrun_runs_on_hosts) {
  if (Hosts::left_out()) return;
  const Job job("program: ['true']\n");
  job.write("show.py", "import os, sys, socket\nprint(os.environ['RANK'], os.environ['WORLD_SIZE'], socket.gethostname(), sys.argv[1:])\n");
  const ProgramResult result = job.fabric({"run", "--hosts", "h2,h4", "--nproc-per-node", "2", "--name", "job", "show.py", "--lr", "0.1"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(1, 3) == "3 4 h4 ['--lr', '0.1']\n");
}

BOOST_AUTO_TEST_CASE(a_saved_plan_is_that_of_its_hosts) {
  if (Hosts::left_out()) return;
  const Job job("ssh: {hostfile: hosts.txt}\nprogram: [hostname]\n");
  job.write("hosts.txt", "h1\nh2\n");
  BOOST_TEST(job.fabric({"plan", "job.yaml", "-o", "plan.json"}).status.shell_code() == 0);
  const ProgramResult result = job.fabric({"apply", "plan.json"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  job.write("hosts.txt", "h1\nh3\n");
  const ProgramResult stale = job.fabric({"apply", "plan.json"});
  BOOST_TEST(stale.status.shell_code() == 125, said(stale));
  BOOST_TEST(has(stale.errors, "FAB6002"), said(stale));
  BOOST_TEST(has(stale.errors, "hosts.txt has changed"), said(stale));
}

BOOST_AUTO_TEST_SUITE_END()

// A sshd that takes one connection at a time until it is logged in.
BOOST_AUTO_TEST_CASE(a_connection_that_a_busy_sshd_drops_is_tried_again) {
  const SshHosts::Options options{.hosts = 1, .lines = {"MaxStartups 1:100:1"}};
  if (left_out(SshHosts::missing(options))) return;
  const SshHosts hosts(options);
  const fs::path folder = hosts.home() / "job";
  fs::create_directories(folder);
  std::ofstream(folder / "job.yaml") << "fabric: 1\nbackend: ssh\naccelerator: cpu\nssh: {hosts: [h1]}\nprogram: [hostname]\n";
  RunningCommand visitor(hosts, {"bash", "-c", "exec 3<>/dev/tcp/h1/22; echo in; sleep 1"});
  BOOST_REQUIRE(eventually([&] { return visitor.output() == "in\n"; }));
  const ProgramResult result = hosts.exec({fabric_program, "apply", "job.yaml"}, {.folder = folder.string()});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
}

// A jump host drops some of those that come at once (MaxStartups, 10:30:100 if nothing is said); where it drops all beyond ten they come
// one after the other.
BOOST_AUTO_TEST_CASE(many_connections_get_through_one_jump_host) {
  const SshHosts::Options options{.hosts = 25, .lines = {"MaxStartups 10:100:11"}};
  if (left_out(SshHosts::missing(options))) return;
  const SshHosts hosts(options);
  const fs::path folder = hosts.home() / "job";
  fs::create_directories(folder);
  std::string names;
  for (int i = 2; i <= options.hosts; ++i) names += (names.empty() ? "h" : ", h") + std::to_string(i);
  std::ofstream(folder / "job.yaml") << "fabric: 1\nbackend: ssh\naccelerator: cpu\nssh: {hosts: [" << names
                                     << "], options: [-J, h1]}\nprogram: [sh, -c, 'echo from $RANK']\n";
  const ProgramResult result = hosts.exec({fabric_program, "apply", "job.yaml"}, {.folder = folder.string()});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(has(read_text(hosts.folder() / "log/sshd.h1"), "past MaxStartups"));
}
