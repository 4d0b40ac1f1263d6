// The clusters that other tests run in are real: daemons that answer, faults that are noticed, cables that can be cut; and nothing of them
// is left. Beside each other, too.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "tests/clusters/slurm_cluster.hpp"
#include "tests/clusters/ssh_hosts.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

SlurmCluster::Options attentive() { return {.lines = SlurmCluster::soon_noticed}; }
SlurmCluster::Options accounted() { return {.nodes = 2, .gpus = 0, .own_networks = false, .accounting = true, .preemption = true}; }

using Slurm = ForSuite<SlurmCluster, attentive>;
using Accounted = ForSuite<SlurmCluster, accounted>;
using Ssh = ForSuite<SshHosts>;

// Whether a connection to that port comes about from one node to another.
bool reaches(const Cluster& cluster, const std::string& from, const std::string& to, int port) {
  const std::string line = "timeout 0.3 bash -c ': </dev/tcp/" + to + "/" + std::to_string(port) + "'";
  return cluster.shell(line, {.node = from}).status.good();
}

// A node that was out of reach is asked for its hardware address once a second.
bool found_again(const Cluster& cluster, const std::string& from, const std::string& to, int port) {
  return eventually([&] { return reaches(cluster, from, to, port); }, seconds(10));
}

// Not by `sinfo -n NODE`: that one says `mixed*` for ever of a node that went down after slurmctld was started again (22.05).
std::string state_of(const Cluster& cluster, const std::string& node) {
  return cluster.output("sinfo -h -N -o '%N %T' | sed -n 's/^" + node + " //p'");
}

// What its tasks say, in one line that does not depend on who was first.
std::string sorted(const std::string& line, const Cluster& cluster) { return cluster.output(line + " | sort | xargs"); }

int submit(const Cluster& cluster, const std::string& options, const std::string& script) {
  return std::stoi(cluster.output("sbatch --parsable " + options + " --wrap '" + script + "'"));
}
std::string job(const Cluster& cluster, int id) { return cluster.output("squeue -h -t all -o '%T' -j " + std::to_string(id)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm, *boost::unit_test::fixture<Slurm>())

BOOST_AUTO_TEST_CASE(four_nodes_are_up) {
  if (Slurm::left_out()) return;
  BOOST_TEST_MESSAGE("up after " << Slurm::cluster().seconds_to_start() << " s");
  BOOST_TEST(Slurm::cluster().output("sinfo -h -o '%D %T'") == "4 idle");
}

// Early, for pings are further apart later. While it is not noticed yet, another cluster comes up, with a n4 of its own.
BOOST_AUTO_TEST_CASE(a_crash_is_noticed_and_a_boot_mends_it) {
  if (Slurm::left_out()) return;
  const auto& slurm = Slurm::cluster();
  const int steady = submit(slurm, "-w n1", "sleep 300");
  const int unlucky = submit(slurm, "-w n4 --no-requeue", "sleep 300");
  BOOST_TEST(eventually([&] { return job(slurm, steady) == "RUNNING" && job(slurm, unlucky) == "RUNNING"; }));
  slurm.crash("n4");
  BOOST_CHECK_THROW(slurm.output("true", {.node = "n4"}), std::runtime_error);
  BOOST_CHECK_THROW(slurm.crash("n4"), std::runtime_error);
  slurm.kill_daemon("n1");
  slurm.start_daemon("n1");
  {
    const SlurmCluster other({.gpus = 0});
    BOOST_TEST(sorted("srun -N4 hostname", other) == "n1 n2 n3 n4");
    BOOST_TEST(other.output("squeue -h -t all -o %i") == "1");
    other.output("touch /dev/shm/there");
    BOOST_TEST(!slurm.shell("ls /dev/shm/there").status.good());
  }
  BOOST_TEST(eventually([&] { return state_of(slurm, "n4").starts_with("down"); }, seconds(60)), state_of(slurm, "n4"));
  BOOST_TEST(job(slurm, unlucky) == "NODE_FAIL");
  BOOST_TEST(job(slurm, steady) == "RUNNING");
  slurm.boot("n4");
  BOOST_TEST(eventually([&] { return state_of(slurm, "n4") == "idle"; }), state_of(slurm, "n4"));
  slurm.output("scancel " + std::to_string(steady));
  BOOST_TEST(eventually([&] { return state_of(slurm, "n1") == "idle"; }), state_of(slurm, "n1"));
}

BOOST_AUTO_TEST_CASE(srun_reaches_each_node) {
  if (Slurm::left_out()) return;
  BOOST_TEST(sorted("srun -N4 hostname", Slurm::cluster()) == "n1 n2 n3 n4");
}

BOOST_AUTO_TEST_CASE(gpus_are_bound) {
  if (Slurm::left_out()) return;
  BOOST_TEST(sorted("srun -N1 -n4 --gpus-per-task=2 bash -c 'echo $CUDA_VISIBLE_DEVICES'", Slurm::cluster()) == "0,1 2,3 4,5 6,7");
  BOOST_TEST(Slurm::cluster().shell("srun -N1 --gpus-per-node=9 true").errors.find("not available") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_home_is_shared_and_memory_is_not) {
  if (Slurm::left_out()) return;
  const auto& slurm = Slurm::cluster();
  slurm.output("srun -N4 bash -c 'hostname >$HOME/of-$(hostname); hostname >/dev/shm/mine'");
  BOOST_TEST(slurm.output("cat of-n*") == "n1\nn2\nn3\nn4");
  BOOST_TEST(slurm.output("cat /dev/shm/mine", {.node = "n3"}) == "n3");
  BOOST_TEST(!std::filesystem::exists("/dev/shm/mine"));
}

BOOST_AUTO_TEST_CASE(a_command_takes_input_variables_and_signals) {
  if (Slurm::left_out()) return;
  const auto& slurm = Slurm::cluster();
  const auto result = slurm.shell("cat; echo $A >&2; exit 7", {.folder = "/tmp", .variables = {"A=b c"}, .input = "in"});
  BOOST_TEST(result.output == "in");
  BOOST_TEST(result.errors == "b c\n");
  BOOST_TEST(result.status.shell_code() == 7);
  BOOST_TEST(slurm.exec({"sleep", "60"}, {.limit = seconds(1)}).timed_out);

  for (const std::string node : {"head", "n2"}) {
    RunningCommand sleeper(slurm, {"bash", "-c", "trap 'echo told; exit 5' USR1; echo ready; while :; do sleep 0.05; done"},
                           {.node = node});
    BOOST_TEST(eventually([&] { return sleeper.output() == "ready\n"; }));
    BOOST_TEST(sleeper.wait(seconds(0)).timed_out);
    sleeper.signal(SIGUSR1);
    const auto end = sleeper.wait(seconds(10));
    BOOST_TEST(end.output == "ready\ntold\n");
    BOOST_TEST(end.status.shell_code() == 5);
  }
}

BOOST_AUTO_TEST_CASE(a_node_without_its_cable_is_out_of_reach) {
  if (Slurm::left_out()) return;
  const auto& slurm = Slurm::cluster();
  constexpr int slurmd = 6818;
  BOOST_TEST(found_again(slurm, "n1", "n2", slurmd));
  slurm.unplug("n2");
  BOOST_TEST(!reaches(slurm, "n1", "n2", slurmd));
  BOOST_TEST(!reaches(slurm, "n2", "n1", slurmd));
  slurm.plug("n2");
  BOOST_TEST(found_again(slurm, "n1", "n2", slurmd));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(slurm_with_accounting, *boost::unit_test::fixture<Accounted>())

BOOST_AUTO_TEST_CASE(an_end_is_recorded) {
  if (Accounted::left_out()) return;
  const auto& slurm = Accounted::cluster();
  const std::string id = std::to_string(submit(slurm, "", "exit 7"));
  const auto record = [&] { return slurm.output("sacct -X -P -n -j " + id + " -o State,ExitCode"); };
  BOOST_TEST(eventually([&] { return record() == "FAILED|7:0"; }), record());
}

BOOST_AUTO_TEST_CASE(an_urgent_job_takes_the_nodes) {
  if (Accounted::left_out()) return;
  const auto& slurm = Accounted::cluster();
  const int low = submit(slurm, "-N2 --exclusive", "srun sleep 300");
  BOOST_TEST(eventually([&] { return job(slurm, low) == "RUNNING"; }));
  const int urgent = submit(slurm, "-N2 --exclusive -p urgent", "true");
  BOOST_TEST(eventually([&] { return job(slurm, urgent) == "COMPLETED"; }), job(slurm, urgent));
  BOOST_TEST(job(slurm, low) == "PENDING");
  slurm.output("scancel " + std::to_string(low));
}

BOOST_AUTO_TEST_CASE(a_job_outlives_its_controller) {
  if (Accounted::left_out()) return;
  const auto& slurm = Accounted::cluster();
  const int steady = submit(slurm, "", "sleep 300");
  BOOST_TEST(eventually([&] { return job(slurm, steady) == "RUNNING"; }));
  slurm.kill_daemon("head", "TERM");
  BOOST_TEST(slurm.shell("scontrol ping").output.find("is DOWN") != std::string::npos);
  slurm.start_daemon("head");
  BOOST_TEST(job(slurm, steady) == "RUNNING");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(ssh, *boost::unit_test::fixture<Ssh>())

BOOST_AUTO_TEST_CASE(each_host_answers) {
  if (Ssh::left_out()) return;
  BOOST_TEST_MESSAGE("up after " << Ssh::cluster().seconds_to_start() << " s");
  BOOST_TEST(Ssh::cluster().output("for h in h1 h2 h3 h4; do ssh $h hostname; done | xargs") == "h1 h2 h3 h4");
  BOOST_TEST(Ssh::cluster().output("ssh h3 hostname", {.node = "h2"}) == "h3");
  BOOST_TEST(Ssh::cluster().shell("ssh h1 exit 3").status.shell_code() == 3);
}

BOOST_AUTO_TEST_CASE(a_host_without_its_cable_hears_nothing) {
  if (Ssh::left_out()) return;
  const auto& ssh = Ssh::cluster();
  RunningCommand remote(ssh, {"ssh", "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1", "h2", "echo there; sleep 60"});
  BOOST_TEST(eventually([&] { return remote.output() == "there\n"; }));
  ssh.unplug("h2");
  BOOST_TEST(remote.wait(seconds(15)).status.shell_code() == 255);
  BOOST_TEST(ssh.output("hostname", {.node = "h2"}) == "h2");
  ssh.plug("h2");
  BOOST_TEST(found_again(ssh, "head", "h2", 22));
  BOOST_TEST(ssh.output("ssh h2 hostname") == "h2");
}

BOOST_AUTO_TEST_CASE(a_crash_is_a_crash) {
  if (Ssh::left_out()) return;
  const auto& ssh = Ssh::cluster();
  ssh.crash("h4");
  BOOST_TEST(ssh.shell("ssh -o ConnectTimeout=1 h4 true").status.shell_code() == 255);
  ssh.boot("h4");
  BOOST_TEST(eventually([&] { return ssh.shell("ssh h4 true").status.good(); }, seconds(5)));
  ssh.kill_daemon("h4");
  BOOST_TEST(ssh.shell("ssh h4 true").errors.find("refused") != std::string::npos);
  ssh.start_daemon("h4");
  BOOST_TEST(ssh.output("ssh h4 hostname") == "h4");
}

BOOST_AUTO_TEST_CASE(two_hosts_can_lose_each_other) {
  if (Ssh::left_out()) return;
  const auto& ssh = Ssh::cluster();
  ssh.cut("h1", "h2");
  BOOST_TEST(!reaches(ssh, "h1", "h2", 22));
  BOOST_TEST(!reaches(ssh, "h2", "h1", 22));
  BOOST_TEST(found_again(ssh, "h3", "h2", 22));
  BOOST_TEST(found_again(ssh, "head", "h1", 22));
  ssh.mend();
  BOOST_TEST(found_again(ssh, "h1", "h2", 22));
  // What one can say and the other cannot is no connection; it arrives all the same.
  ssh.cut_one_way("head", "h3");
  BOOST_TEST(!reaches(ssh, "head", "h3", 22));
  BOOST_TEST(!reaches(ssh, "h3", "head", 22));
  BOOST_TEST(found_again(ssh, "h2", "h3", 22));
  ssh.mend();
  BOOST_TEST(found_again(ssh, "head", "h3", 22));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(ends)

BOOST_AUTO_TEST_CASE(nothing_is_left_behind) {
  if (left_out(SshHosts::missing({}))) return;
  SshHosts ssh({.hosts = 2});
  RunningCommand daemonized(
      ssh, {"ssh", "h1", "setsid sh -c 'trap : TERM HUP; while :; do sleep 1; done' >/dev/null 2>&1 </dev/null & echo done"});
  BOOST_TEST(daemonized.wait(seconds(10)).output == "done\n");
  BOOST_TEST(ssh.processes().size() >= 8u);
  ssh.stop();
  BOOST_TEST(ssh.processes().empty());
  BOOST_CHECK_THROW(ssh.output("true"), std::runtime_error);
}

// A test that is killed cannot stop it.
BOOST_AUTO_TEST_CASE(it_does_not_outlive_the_test) {
  if (left_out(SshHosts::missing({}))) return;
  DescriptorPair pipe = make_pipe();
  const pid_t test = fork_process();
  if (test == 0) {
    try {
      const SshHosts ssh({.hosts = 1, .own_networks = false});
      const std::string folder = ssh.folder().string();
      if (write(pipe.second.get(), folder.data(), folder.size()) > 0) kill(getpid(), SIGKILL);
    } catch (const std::exception&) {}
    _exit(1);
  }
  pipe.second.reset();
  wait_for(test);
  char folder[200] = {};
  BOOST_TEST(read(pipe.first.get(), folder, sizeof folder - 1) > 0);
  const auto alive = [&] {
    return std::system((std::string(FABRIC_SOURCE_DIR "/tests/clusters/ssh_hosts status ") + folder + " >/dev/null 2>&1").c_str()) == 0;
  };
  BOOST_TEST(eventually([&] { return !alive(); }, seconds(5)));
  std::filesystem::remove_all(folder);
  std::filesystem::remove(std::string(folder) + ".owner");
}

BOOST_AUTO_TEST_SUITE_END()
