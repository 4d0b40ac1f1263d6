// Faults at random on a real SLURM of two nodes: whoever carries a run, and the daemons under it, killed or stopped (SIGSTOP), cables
// pulled or packets lost one way for a moment or until everybody has given up, alone and two at a time, at any moment, while ranks leave
// daemons, are deaf to TERM, and fork twice as they are ended. 15 s after the last event nothing of it is left on any node, srun and
// slurmstepd included, counted by walking /proc; and neither a process that looks like one of the run nor a daemon of the cluster is
// touched. FABRIC_STORM and FABRIC_STORM_SEED as in storm.hpp.
//
// What ends a round:
//
//     the faults                                                    what ends the run
//     the controller, srun, the step's slurmstepd, an agent,
//     a keeper or a rank is killed                                  controller or agents, by themselves
//     srun, a slurmstepd or an agent is stopped, or a node is
//     cut off, for longer than the lease                            the same
//     the controller is stopped                                     the agents after the lease; the user ends the job
//     the command that follows the run is killed or stopped         the user, by another: scancel
//     anything else, or only for a moment                           the user: Ctrl-C, twice Ctrl-C, TERM, or scancel
//     any of these while Ctrl-C is ending the run                   that Ctrl-C
#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "tests/clusters/rage_over.hpp"
#include "tests/clusters/slurm_cluster.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

constexpr int lease = 2000;  // milliseconds

Victim on(const std::string& node, const std::string& name, std::function<bool(const Inhabitant&)> is, bool ours = true) {
  return {.name = name + " on " + node, .node = node, .is_ours = ours, .is = std::move(is)};
}

std::function<bool(const Inhabitant&)> called(const std::string& name) {
  return [name](const Inhabitant& one) { return one.process.name == name; };
}

// The first node is that of the batch script.
Cast cast_of_two_nodes() {
  const std::string program = FABRIC_BINARY_DIR "/bin/fabric";
  const auto step = [](const Inhabitant& one) { return one.line.starts_with("slurmstepd: [") && one.runs(".0]"); };
  const auto is_of_the_script = [](const Inhabitant& one) { return one.line.starts_with("slurmstepd: [") && one.runs(".batch]"); };
  Cast cast = {
      {"command", {on("head", "the command", [program](const Inhabitant& one) { return one.line.starts_with(program + " apply"); })}},
      {"controller", {on("n1", "the controller", [program](const Inhabitant& one) { return one.line.starts_with(program + " batch"); })}},
      {"srun", {on("n1", "srun", called("srun"))}},
      {"slurmstepd", {}},
      {"the script's slurmstepd", {on("n1", "the script's slurmstepd", is_of_the_script, false)}},
      {"slurmd", {}},
      {"keeper", {}},
      {"agent", {}},
      {"rank", {rank_victim(0, "n1"), rank_victim(1, "n1"), rank_victim(2, "n2"), rank_victim(3, "n2")}},
      {"cable", {}}};
  const auto add = [&cast](const std::string& kind, Victim victim) {
    for (auto& [name, victims] : cast)
      if (name == kind) victims.push_back(std::move(victim));
  };
  for (const std::string node : {"n1", "n2"}) {
    add("slurmstepd", on(node, "slurmstepd", step, false));
    add("keeper", on(node, "keeper", called("fabric-keeper")));
    add("agent", on(node, "agent", called("fabric-agent")));
    add("slurmd", {.name = "slurmd on " + node, .node = node, .daemon = true, .is = called("slurmd")});
    add("cable", {.name = node, .node = node, .cable = true, .other_end = node == "n1" ? "n2" : "n1"});
  }
  return cast;
}

// The table above.
bool ends_by_itself(const Round& round) {
  if (round.any("command", Deed::kill) || round.any("command", Deed::stop) || round.any("controller", Deed::stop)) return false;
  if (round.moment == Moment::end) return true;
  if (round.moment == Moment::start) return false;
  for (const char* kind : {"controller", "srun", "slurmstepd", "keeper", "agent", "rank"})
    if (round.any(kind, Deed::kill)) return true;
  if (round.any("srun", Deed::stop) || round.any("agent", Deed::stop)) return true;
  const auto is_long = [](const Fault& fault) {
    return fault.done && fault.out > lease + 1500 && (fault.victim.cable || fault.kind == "slurmstepd");
  };
  return std::any_of(round.faults.begin(), round.faults.end(), is_long);
}

std::set<int> codes_of(const Round& round) {
  std::set<int> codes;
  for (const Fault& fault : round.faults) {
    if (!fault.done) continue;
    codes.insert(fault.kind == "rank" && fault.deed == Deed::kill ? 137 : 125);
  }
  return codes;
}

Scene scene_of_two_nodes() {
  Scene scene;
  scene.cast = cast_of_two_nodes();
  scene.job =
      "fabric: 1\nname: storm\naccelerator: cpu\nbackend: slurm\nthreads: 1\nnum_nodes: 2\ndevices: 2\nstop: {grace: 1s}\n"
      "slurm: {lease: 2s}\nprogram: [" FABRIC_BINARY_DIR "/tests/rank_program";
  for (const std::string& actions : test::misbehaviour()) scene.job += ", \"" + actions + '"';
  scene.job += "]\n";
  scene.bystanders_node = "n2";
  scene.most_after_start = 2000;
  scene.escapes = kills_keeper_and_agent;
  scene.ends_by_itself = ends_by_itself;
  scene.codes = codes_of;
  scene.end_otherwise = [](const Cluster& cluster) { cluster.output("scancel --user=root"); };
  scene.settle = [](const Cluster& cluster) {
    cluster.output("scancel --user=root");
    const auto is_idle = [&cluster] { return cluster.output("squeue -h; sinfo -h -p batch -o %D -t idle") == "2"; };
    if (eventually(is_idle, seconds(8))) return;
    cluster.output("scontrol update nodename=n[1-2] state=down reason=storm; scontrol update nodename=n[1-2] state=resume");
    if (!eventually(is_idle, seconds(20))) throw std::runtime_error("the cluster is not well: " + cluster.output("squeue; sinfo"));
  };
  scene.daemons = {"slurmd", "slurmctld", "munged"};
  return scene;
}

}  // namespace

BOOST_AUTO_TEST_CASE(storm) {
  rage_over<SlurmCluster>(
      scene_of_two_nodes(),
      {.nodes = 2, .gpus = 0, .lines = {"SlurmdTimeout=4", "TCPTimeout=1", "TreeWidth=1", "KillWait=2", "MinJobAge=10"}});
}
