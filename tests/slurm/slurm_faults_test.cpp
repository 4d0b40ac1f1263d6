// What a cluster does to a job of the backend slurm, on a real one: it is preempted, cancelled by hand, loses a daemon, a node, the network
// or its controller. Ranks save where they can, nothing is left, no two starts of a job write at once, and the run says what happened.
#include <signal.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <sstream>

#include "tests/clusters/inhabitants.hpp"
#include "tests/slurm/slurm_job.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

SlurmCluster::Options with_preemption() {
  return {.nodes = 4, .gpus = 0, .preemption = true, .lines = {"SlurmdTimeout=3", "TCPTimeout=1", "TreeWidth=1", "KillWait=2"}};
}
using Slurm = ForSuite<SlurmCluster, with_preemption>;
using Job = SlurmTestJob<Slurm>;

std::string output(const std::string& line) { return Slurm::cluster().output(line); }

// Only with scripts/test --all.
bool is_for_later() { return left_out(std::getenv("FABRIC_CLUSTERS") ? "" : "some seconds more: scripts/test --all"); }

// Ranks that save as they are told to stop, and say from what they have begun.
const std::string saving =
    "checkpoint: {path: saved-*}\n"
    "program: [bash, -c, 'trap \"echo saved; [ $RANK = 0 ] && date +%N > saved-1; exit 0\" TERM; echo up $FABRIC_ATTEMPT $FABRIC_RESUME_FROM; "
    "[ $FABRIC_ATTEMPT = 0 ] || exit 0; while :; do sleep 0.1; done']\n";

// Ranks that write a line in 50 ms into a file that all of them share: which start of the job they are of. The second one soon ends.
const std::string writing =
    "program: [bash, -c, 'echo up $FABRIC_ATTEMPT; i=0; while :; do echo $FABRIC_ATTEMPT >> $FABRIC_RUN_DIR/../lines; sleep 0.05; i=$((i+1)); "
    "[ $FABRIC_ATTEMPT = 0 ] || [ $i -lt 20 ] || exit 0; done']\n";

// Whether a start wrote after the next one had begun to. Both wrote.
void check_that_starts_followed_each_other(const Job& job) {
  std::istringstream lines(read_text(job.run() / "../lines"));
  bool first = false, second = false, mixed = false;
  for (std::string line; std::getline(lines, line);) {
    (line == "0" ? first : second) = true;
    mixed = mixed || (line == "0" && second);
  }
  BOOST_TEST(first);
  BOOST_TEST(second);
  BOOST_TEST(!mixed);
}

// All that SLURM or fabric has started for a run that still lives, on whatever node.
std::vector<std::string> left_of(const std::string& run) {
  std::vector<std::string> left;
  for (const pid_t pid : Slurm::cluster().processes()) {
    const std::string variables = '\0' + bytes_of(pid, "environ");
    if (variables.find('\0' + ("SLURM_SUBMIT_DIR=" + run) + '\0') == std::string::npos) continue;
    std::string words = bytes_of(pid, "cmdline");
    std::replace(words.begin(), words.end(), '\0', ' ');
    if (!words.empty()) left.push_back(words);
  }
  return left;
}

std::string words_of(const std::vector<std::string>& processes) {
  std::string words;
  for (const std::string& process : processes) words += process + '\n';
  return words;
}

bool is_clear(const Job& job) { return left_of(job.run().string()).empty(); }

// A job that was put back may start 121 s later; here it starts as soon as SLURM has heard all of its end. changes: of the job, before.
void start_again(const std::string& id, const std::string& changes = "") {
  BOOST_TEST_REQUIRE(eventually([&] { return output("squeue -h -o %T -j " + id) == "PENDING"; }, seconds(40)), output("squeue -a"));
  sleep(1);
  output("scontrol update JobId=" + id + ' ' + changes + " StartTime=now");
}

class Applied {
 public:
  explicit Applied(const Job& job, const std::string& word = "up 0", const std::string& rank = "[1:1]")
      : job_(job), apply_(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside()) {
    BOOST_TEST_REQUIRE(eventually([&] { return apply_.output().find(rank + " " + word) != std::string::npos; }),
                       apply_.output() + apply_.errors());
    id = job_.job_id();
  }
  ProgramResult end(seconds limit = seconds(60)) { return apply_.wait(limit); }
  void signal(int number) { apply_.signal(number); }
  bool shows(const std::string& text) const { return apply_.output().find(text) != std::string::npos; }

  std::string id;

 private:
  const Job& job_;
  RunningCommand apply_;
};

// As SLURM does itself some time after it has heard nothing of a node.
void take_for_dead(const std::string& node) { output("scontrol update NodeName=" + node + " State=DOWN Reason=test"); }
void take_back(const std::string& node) {
  // One that has just booted may be back by itself, or not be known to be down yet.
  BOOST_TEST(eventually(
      [&] { return output("scontrol update NodeName=" + node + " State=RESUME 2>/dev/null; sinfo -h -o %T -n " + node) == "idle"; },
      seconds(40)));
}

void preempt(const std::string& nodes) { output("sbatch -p urgent -w " + nodes + " -N2 --exclusive --wrap 'sleep 0.5'"); }

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm_faults, *boost::unit_test::fixture<Slurm>())

BOOST_AUTO_TEST_CASE(a_preempted_job_saves_goes_back_and_goes_on) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {requeue: true, nodelist: 'n[1-2]'}\n" + saving);
  Applied run(job);
  preempt("n[1-2]");
  BOOST_TEST(eventually([&] { return job.state() == "queued"; }));
  BOOST_TEST(job.message() == "the job was preempted; the job is back in the queue");
  start_again(run.id);
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  BOOST_TEST(result.output.find("requeued: the job was preempted") != std::string::npos, said(result));
  const std::string from = "up 1 " + (job.folder() / "saved-1").string();
  for (int rank = 0; rank < 2; ++rank) {
    BOOST_TEST(job.log(rank, rank).find("saved\n") != std::string::npos, job.log(rank, rank));
    BOOST_TEST(job.log(rank, rank).find(from) != std::string::npos, job.log(rank, rank));
  }
}

BOOST_AUTO_TEST_CASE(a_preempted_job_with_grace_time_goes_back_by_itself) {
  if (Slurm::left_out()) return;
  // SLURM would let a script that ends within the grace time end for good.
  output("scontrol update PartitionName=batch GraceTime=20");
  const Job job("num_nodes: 2\ndevices: 1\ntime_limit: 10m\nslurm: {requeue: true, nodelist: 'n[1-2]'}\n" + saving);
  Applied run(job);
  preempt("n[1-2]");
  BOOST_TEST(eventually([&] { return job.state() == "queued"; }, seconds(10)), job.state() + job.message());
  output("scontrol update PartitionName=batch GraceTime=0");
  start_again(run.id);
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  BOOST_TEST(job.log(1, 1).find("up 1 " + (job.folder() / "saved-1").string()) != std::string::npos, job.log(1, 1));
}

// Its script is told to end as by whoever cancels it, and writes that it was stopped.
BOOST_AUTO_TEST_CASE(a_preempted_job_of_the_shape_srun_is_told_of_as_one_in_the_queue) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {shape: srun, requeue: true, nodelist: 'n[1-2]'}\n" + saving);
  Applied run(job);
  preempt("n[1-2]");
  BOOST_TEST(eventually([&] { return job.state() == "queued"; }), job.state() + job.message());
  start_again(run.id);
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  BOOST_TEST(job.log(1, 1).find("up 1 " + (job.folder() / "saved-1").string()) != std::string::npos, job.log(1, 1));
}

// Its ranks are gone before anybody else knows.
BOOST_AUTO_TEST_CASE(a_preempted_job_of_ranks_that_die_at_once_has_not_failed) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 2\nrestart: 3\nslurm: {nodelist: 'n[1-2]'}\nprogram: [bash, -c, 'echo up 0; exec sleep 60']\n");
  Applied run(job, "up 0", "[1:3]");
  preempt("n[1-2]");
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 143, said(result));
  BOOST_TEST(job.message().find("the job was preempted") != std::string::npos, job.message());
}

BOOST_AUTO_TEST_CASE(a_job_that_does_not_go_back_says_that_it_was_preempted) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {nodelist: 'n[1-2]'}\n" + saving);
  Applied run(job);
  preempt("n[1-2]");
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 143, said(result));
  BOOST_TEST(result.errors.find("the job was preempted; with `slurm: {requeue: true}` it would go on by itself") != std::string::npos,
             said(result));
  BOOST_TEST(job.log(1, 1).find("saved\n") != std::string::npos, job.log(1, 1));
}

// As TERM comes to the ranks and, a moment later, to the controller.
BOOST_AUTO_TEST_CASE(a_job_that_is_cancelled_by_hand_saves_by_its_own_signal) {
  if (Slurm::left_out()) return;
  const Job job(
      "num_nodes: 2\ndevices: 1\nstop: {signal: USR1}\n"
      "program: [bash, -c, 'trap : TERM; trap \"sleep 0.5; echo saved; exit 0\" USR1; echo up 0; while :; do sleep 0.1; done']\n");
  Applied run(job);
  output("scancel " + run.id);
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 143, said(result));
  BOOST_TEST(job.message() == "stopped by SIGTERM: the job was cancelled");
  for (int rank = 0; rank < 2; ++rank) BOOST_TEST(job.log(rank, rank).ends_with("saved\n"), job.log(rank, rank));
}

BOOST_AUTO_TEST_CASE(ranks_that_are_deaf_to_scancel_are_killed_with_what_they_left) {
  if (Slurm::left_out() || is_for_later()) return;
  const Job job(
      "num_nodes: 2\ndevices: 1\nprogram: [bash, -c, 'trap \"\" TERM; (setsid sleep 61 &); (env -i setsid sleep 62 &); echo up 0; while :; do sleep 0.1; done']\n");
  Applied run(job);
  output("scancel " + run.id);
  const ProgramResult result = run.end(seconds(20));
  BOOST_TEST(result.status.shell_code() == 143, said(result));
  BOOST_TEST(job.message() == "the job was cancelled, and what had not left when SLURM had waited long enough was killed");
  BOOST_TEST(eventually([&] { return is_clear(job); }, seconds(5)));
  for (const char* node : {"n1", "n2"})
    BOOST_TEST(eventually([&] { return Slurm::cluster().output("pgrep -c -f 'sleep 6[12]' || true", {.node = node}) == "0"; }, seconds(5)));
}

BOOST_AUTO_TEST_CASE(a_job_whose_slurmd_dies_goes_on_elsewhere) {
  if (Slurm::left_out() || is_for_later()) return;
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {requeue: true, nodelist: 'n[1-2]'}\n" + writing);
  Applied run(job);
  // SLURM counts the node as down, and by itself would let all that runs there go on.
  Slurm::cluster().kill_daemon("n1");
  start_again(run.id, "ReqNodeList=");
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  check_that_starts_followed_each_other(job);
  BOOST_TEST(eventually([&] { return is_clear(job); }));
  Slurm::cluster().start_daemon("n1");
}

// All of the run is there and sees the folder, as over a second network; only SLURM cannot reach it, and starts the job on another node.
BOOST_AUTO_TEST_CASE(no_two_starts_write_at_once_where_slurm_takes_a_node_for_dead_that_is_not) {
  if (Slurm::left_out()) return;
  const Job job("devices: 2\nslurm: {requeue: true, nodelist: n1}\n" + writing);
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_TEST_REQUIRE(eventually([&] { return apply.output().find("[0:1] up 0") != std::string::npos; }), apply.output());
  const std::string id = job.job_id();
  Slurm::cluster().unplug("n1");
  take_for_dead("n1");
  BOOST_TEST(eventually([&] { return output("squeue -h -o %T -j " + id) == "PENDING"; }, seconds(40)));
  BOOST_TEST(job.state() == "running");
  start_again(id, "ReqNodeList=n3");
  const ProgramResult result = apply.wait(seconds(40));
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  check_that_starts_followed_each_other(job);
  BOOST_TEST(job.script_output().find("is told to let go") != std::string::npos);
  Slurm::cluster().plug("n1");
  take_back("n1");
  BOOST_TEST(eventually([&] { return is_clear(job); }));
}

BOOST_AUTO_TEST_CASE(a_run_that_slurm_has_lost_sight_of_is_still_stopped_in_order) {
  if (Slurm::left_out() || is_for_later()) return;
  const Job job("devices: 2\nslurm: {nodelist: n1}\n" + saving);
  RunningCommand apply(Slurm::cluster(), Job::line({"apply", "job.yaml"}), job.inside());
  BOOST_TEST_REQUIRE(eventually([&] { return apply.output().find("[0:1] up 0") != std::string::npos; }), apply.output());
  const std::string id = job.job_id();
  Slurm::cluster().unplug("n1");
  BOOST_TEST(eventually([&] { return output("squeue -h -t all -o %T -j " + id) == "NODE_FAIL"; }, seconds(40)));
  BOOST_TEST(job.state() == "running");
  const ProgramResult cancelled = job.fabric({"cancel", "job"});
  BOOST_TEST(cancelled.output.find("through the folder of the run") != std::string::npos, said(cancelled));
  BOOST_TEST(job.log(0, 1).ends_with("saved\n"), job.log(0, 1));
  BOOST_TEST(apply.wait(seconds(20)).status.shell_code() == 143);
  Slurm::cluster().plug("n1");
}

// The signal that Ctrl-C makes SLURM send is lost with the daemon of the first node.
BOOST_AUTO_TEST_CASE(ctrl_c_reaches_a_run_whose_slurmd_is_dead) {
  if (Slurm::left_out()) return;
  const Job job("devices: 2\nslurm: {nodelist: n1}\n" + saving);
  Applied run(job, "up 0", "[0:1]");
  Slurm::cluster().kill_daemon("n1");
  const auto begin = std::chrono::steady_clock::now();
  run.signal(SIGINT);
  BOOST_TEST(eventually([&] { return is_clear(job); }, seconds(12)));
  BOOST_TEST((std::chrono::steady_clock::now() - begin < seconds(12)));
  BOOST_TEST(job.log(0, 1).ends_with("saved\n"), job.log(0, 1));
  Slurm::cluster().start_daemon("n1");
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 143, said(result));
  take_back("n1");
}

BOOST_AUTO_TEST_CASE(ctrl_c_lets_a_stopped_controller_go_on) {
  if (Slurm::left_out()) return;
  const Job job("devices: 2\nslurm: {nodelist: n1}\n" + saving);
  Applied run(job, "up 0", "[0:1]");
  output("scancel --batch --signal=STOP " + run.id);
  run.signal(SIGINT);
  const ProgramResult result = run.end(seconds(15));
  BOOST_TEST(result.status.shell_code() == 130, said(result));
  BOOST_TEST(job.log(0, 1).ends_with("saved\n"), job.log(0, 1));
}

// SLURM itself waits for the node much longer.
BOOST_AUTO_TEST_CASE(an_end_is_told_though_slurm_waits_for_a_node_that_is_cut_off) {
  if (Slurm::left_out()) return;
  output("sed -i s/SlurmdTimeout=3/SlurmdTimeout=40/ /etc/slurm/slurm.conf; scontrol reconfigure");
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {lease: 2s, nodelist: 'n[1-2]'}\n" + saving);
  Applied run(job);
  Slurm::cluster().unplug("n2");
  const ProgramResult result = run.end(seconds(15));
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(output("squeue -h -o %T -j " + run.id) == "COMPLETING");
  Slurm::cluster().plug("n2");
  output("sed -i s/SlurmdTimeout=40/SlurmdTimeout=3/ /etc/slurm/slurm.conf; scontrol reconfigure");
  take_back("n2");
}

BOOST_AUTO_TEST_CASE(a_short_cut_of_the_network_is_not_noticed) {
  if (Slurm::left_out() || is_for_later()) return;
  const int cut = 8;
  output("sed -i s/SlurmdTimeout=3/SlurmdTimeout=20/ /etc/slurm/slurm.conf; scontrol reconfigure");
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {nodelist: 'n[1-2]'}\nprogram: [bash, -c, 'echo up 0; for i in $(seq " +
                std::to_string(5 * cut) + "); do echo $i; sleep 0.3; done; echo on']\n");
  Applied run(job);
  Slurm::cluster().unplug("n2");
  sleep(static_cast<unsigned>(cut));
  Slurm::cluster().plug("n2");
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  BOOST_TEST(job.log(1, 1).ends_with("on\n"));
  BOOST_TEST(!run.shows("stopping"), result.output);
  output("sed -i s/SlurmdTimeout=20/SlurmdTimeout=3/ /etc/slurm/slurm.conf; scontrol reconfigure");
}

BOOST_AUTO_TEST_CASE(a_node_that_is_cut_off_ends_its_ranks_and_the_job_goes_on_elsewhere) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {requeue: true, lease: 2s, nodelist: 'n[1-2]'}\n" + writing);
  Applied run(job);
  Slurm::cluster().unplug("n2");
  BOOST_TEST(eventually([&] { return is_clear(job); }, seconds(12)), words_of(left_of(job.run().string())));
  BOOST_TEST(eventually([&] { return job.state() == "queued"; }));
  Slurm::cluster().plug("n2");
  if (is_for_later()) {
    job.fabric({"cancel", "job"});
    return;
  }
  start_again(run.id, "ReqNodeList=");
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  check_that_starts_followed_each_other(job);
}

// The controller is there, and with it a rank; the others are not to be reached, nor is slurmctld.
BOOST_AUTO_TEST_CASE(a_first_node_that_is_cut_off_lets_go) {
  if (Slurm::left_out() || is_for_later()) return;
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {requeue: true, lease: 2s, nodelist: 'n[1-2]'}\n" + writing);
  Applied run(job);
  Slurm::cluster().unplug("n1");
  BOOST_TEST(eventually([&] { return is_clear(job); }, seconds(30)), words_of(left_of(job.run().string())));
  start_again(run.id, "ReqNodeList=");
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  check_that_starts_followed_each_other(job);
  Slurm::cluster().plug("n1");
}

BOOST_AUTO_TEST_CASE(a_first_node_that_crashes_takes_the_controller_and_the_run_goes_on) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {requeue: true, lease: 2s, nodelist: 'n[1-2]'}\n" + writing);
  Applied run(job);
  Slurm::cluster().crash("n1");
  if (!std::getenv("FABRIC_CLUSTERS")) take_for_dead("n1");
  BOOST_TEST(eventually([&] { return is_clear(job); }, seconds(12)), words_of(left_of(job.run().string())));
  BOOST_TEST(eventually([&] { return job.state() == "queued"; }));
  start_again(run.id, "ReqNodeList=");
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  check_that_starts_followed_each_other(job);
  Slurm::cluster().boot("n1");
  take_back("n1");
}

BOOST_AUTO_TEST_CASE(a_lost_run_is_put_back_and_not_for_ever) {
  if (Slurm::left_out()) return;
  const Job job(
      "num_nodes: 2\ndevices: 1\nrestart: {no_progress: 2}\nslurm: {requeue: true, nodelist: 'n[1-2]'}\n"
      "program: [bash, -c, 'echo up $FABRIC_ATTEMPT; sleep 60']\n");
  Applied run(job);
  const auto kill_srun = [] { Slurm::cluster().output("pkill -KILL -x srun", {.node = "n1"}); };
  kill_srun();
  BOOST_TEST(eventually([&] { return job.state() == "queued"; }), job.state() + job.message());
  BOOST_TEST(job.status().find("attempt")->as_integer() == 1);
  if (is_for_later()) {
    // SLURM may still be putting it back.
    const ProgramResult cancelled = job.fabric({"cancel", "job"});
    BOOST_TEST(cancelled.output.find("stopped") != std::string::npos, said(cancelled));
    BOOST_TEST(job.state() == "stopped");
    BOOST_TEST(eventually([&] { return output("squeue -h -j " + run.id + " 2>/dev/null || true") == ""; }));
    return;
  }
  start_again(run.id);
  BOOST_TEST(eventually([&] { return run.shows("[1:1] up 1"); }));
  kill_srun();
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(result.errors.find("not put back into the queue: 2 starts in a row were lost without progress") != std::string::npos,
             said(result));
  BOOST_TEST(is_clear(job));
}

BOOST_AUTO_TEST_CASE(a_run_that_is_to_be_put_back_can_be_cancelled) {
  if (Slurm::left_out()) return;
  const Job job(
      "devices: 1\nslurm: {requeue: true, nodelist: n1, teardown: [touch torn, sleep 1]}\n"
      "program: [bash, -c, 'echo up 0; sleep 60']\n");
  Applied run(job, "up 0", "[0:0]");
  Slurm::cluster().output("pkill -KILL -x srun", {.node = "n1"});
  BOOST_TEST_REQUIRE(eventually([&] { return std::filesystem::exists(job.run() / "torn"); }));
  const ProgramResult cancelled = job.fabric({"cancel", "job"});
  BOOST_TEST(cancelled.status.shell_code() == 0, said(cancelled));
  BOOST_TEST(job.state() == "stopped");
  BOOST_TEST(job.message().find("was not put back into the queue") != std::string::npos, job.message());
  BOOST_TEST(run.end().status.shell_code() == 143);
  BOOST_TEST(output("squeue -h -t PENDING -j " + run.id) == "");
}

BOOST_AUTO_TEST_CASE(a_run_that_has_ended_stays_as_it_is_when_slurm_starts_its_job_again) {
  if (Slurm::left_out()) return;
  const Job finished("slurm: {requeue: true}\nprogram: ['true']\n"), told("slurm: {requeue: true}\nprogram: [bash, -c, 'exit 7']\n");
  BOOST_TEST(finished.fabric({"apply", "job.yaml"}).status.shell_code() == 0);
  BOOST_TEST(told.fabric({"apply", "job.yaml"}).status.shell_code() == 7);
  // As `fabric cancel` does where SLURM does not answer.
  const std::filesystem::path conductor = told.run() / "conductor.json";
  const std::string named = read_text(conductor);
  BOOST_TEST_REQUIRE(named.find("\"conducts\"") != std::string::npos, named);
  std::ofstream(conductor) << std::string(named).replace(named.find("\"conducts\""), 10, "\"ends\"");
  for (const Job* job : {&finished, &told}) {
    const std::string id = job->job_id(), status = read_text(job->run() / "status.json");
    const std::string end = job == &finished ? "COMPLETED" : "FAILED";
    const auto state = [&] { return output("squeue -h -t all -o %T -j " + id); };
    BOOST_TEST_REQUIRE(eventually([&] { return state() == end; }));
    output("scontrol requeue " + id);
    start_again(id);
    BOOST_TEST(eventually([&] { return job->script_output().find("there is nothing to go on with") != std::string::npos; }),
               job->script_output());
    BOOST_TEST(eventually([&] { return state() == end; }), state());
    BOOST_TEST(read_text(job->run() / "status.json") == status);
  }
}

BOOST_AUTO_TEST_CASE(ranks_end_with_their_slurmstepd) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {lease: 2s, nodelist: 'n[1-2]'}\nprogram: [bash, -c, 'echo up 0; sleep 60']\n");
  Applied run(job);
  Slurm::cluster().output("pkill -KILL slurmstepd", {.node = "n2"});
  const ProgramResult result = run.end(seconds(30));
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(job.state() == "lost");
  BOOST_TEST(eventually([&] { return is_clear(job); }, seconds(10)), words_of(left_of(job.run().string())));
}

BOOST_AUTO_TEST_CASE(a_run_outlives_the_slurmstepd_of_its_script_and_frees_its_nodes) {
  if (Slurm::left_out()) return;
  const Job job("slurm: {nodelist: n1}\nprogram: [bash, -c, 'echo up 0; while [ ! -e go ]; do sleep 0.1; done']\n");
  Applied run(job, "up 0", "[0:0]");
  Slurm::cluster().output("pkill -KILL -f '^slurmstepd: .*batch'", {.node = "n1"});
  job.write("go", "");
  const ProgramResult result = run.end(seconds(15));
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(eventually([&] { return output("squeue -h -j " + run.id) == ""; }, seconds(10)), output("squeue -a"));
}

BOOST_AUTO_TEST_CASE(a_controller_that_dies_leaves_nothing_and_says_so) {
  if (Slurm::left_out()) return;
  const Job job("num_nodes: 2\ndevices: 1\nslurm: {nodelist: 'n[1-2]'}\nprogram: [bash, -c, 'echo up 0; sleep 60']\n");
  Applied run(job);
  Slurm::cluster().output("pkill -KILL -f 'fabric batch'", {.node = "n1"});
  const ProgramResult result = run.end(seconds(30));
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(job.state() == "lost");
  BOOST_TEST(job.message().find("the controller was lost") != std::string::npos, job.message());
  BOOST_TEST(eventually([&] { return is_clear(job); }, seconds(10)), words_of(left_of(job.run().string())));
}

BOOST_AUTO_TEST_CASE(a_number_that_slurm_gives_out_again_is_not_taken_for_the_run) {
  if (Slurm::left_out()) return;
  const Job job("slurm: {directives: {hold: true}}\nprogram: ['true']\n");
  BOOST_TEST(job.fabric({"apply", "--detach", "job.yaml"}).status.shell_code() == 0);
  // Its memory of the last seconds is lost with it.
  Slurm::cluster().kill_daemon("head");
  Slurm::cluster().start_daemon("head");
  BOOST_TEST_REQUIRE(eventually([&] { return output("squeue -h -t all -j " + job.job_id() + " 2>/dev/null || true") == ""; }));
  std::string other;
  for (int i = 0; i < 20 && other != job.job_id(); ++i) other = output("sbatch --parsable --hold --wrap 'sleep 60'");
  BOOST_TEST_REQUIRE(other == job.job_id());
  BOOST_TEST(job.state() == "lost");
  BOOST_TEST(job.message() == "SLURM knows job " + other + " no more");
  BOOST_TEST(job.fabric({"cancel", "job"}).output.find("has ended already") != std::string::npos);
  BOOST_TEST(output("squeue -h -o %T -j " + other) == "PENDING");
  output("scancel --state=PENDING --user=root");
}

BOOST_AUTO_TEST_CASE(a_suspended_job_goes_on_however_long_it_was) {
  if (Slurm::left_out() || is_for_later()) return;
  const Job job(
      "num_nodes: 2\ndevices: 1\nslurm: {lease: 5s, nodelist: 'n[1-2]'}\nprogram: [bash, -c, 'echo up 0; for i in $(seq 20); do sleep 0.1; done; echo on']\n");
  Applied run(job);
  output("scontrol suspend " + run.id);
  sleep(9);
  output("scontrol resume " + run.id);
  const ProgramResult result = run.end();
  BOOST_TEST(result.status.shell_code() == 0, said(result) + job.script_output());
  BOOST_TEST(job.log(1, 1).ends_with("on\n"));
}

BOOST_AUTO_TEST_SUITE_END()
