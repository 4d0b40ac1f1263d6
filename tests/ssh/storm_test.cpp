// Faults at random over ssh: whoever takes part in a run on two hosts killed or stopped, cables pulled for a moment or until everybody has
// given up, packets lost one way only, alone and two at a time, at any moment, while ranks leave daemons, are deaf to TERM, and fork twice
// as they are ended. 15 s after the last event nothing of it is left on any host, ssh and sshd's sessions included, counted by walking
// /proc; and neither a process that looks like one of the run nor a daemon of the hosts is touched. FABRIC_STORM and FABRIC_STORM_SEED as
// in storm.hpp.
//
// What ends a round:
//
//     the faults                                               what ends the run
//     the controller is killed                                 the agents: they hear that their connections have ended
//     an ssh, a session of sshd, a keeper, an agent is killed  the controller, by itself
//     a rank is killed                                         the controller; if its agent is stopped, after the lease
//     ssh or sshd of a connection or an agent is stopped, or   both ends, by themselves
//     a cable is out, for longer than the lease
//     the controller is stopped, whatever else happens         the agents after the lease; the user ends the controller
//     anything else is stopped, or is so for a moment, or      the user: Ctrl-C, twice Ctrl-C, TERM, or the death of the
//     the sshd that listens dies                               controller
//     any of these while Ctrl-C is ending the run              that Ctrl-C
//     any of these before the ranks have started               the same as when they have, or the user
#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "tests/clusters/rage_over.hpp"
#include "tests/clusters/ssh_hosts.hpp"

using namespace fabric;
using namespace fabric::testing;

namespace {

constexpr int lease = 3000;  // milliseconds

const std::string program = FABRIC_BINARY_DIR "/bin/fabric";

Victim on(const std::string& what, const std::string& host, bool ours, std::function<bool(const Inhabitant&)> is) {
  return {.name = what + " of " + host, .node = host, .is_ours = ours, .is = std::move(is)};
}

// One that stays open, to that host.
Victim connection(const std::string& from, const std::string& host) {
  Victim victim = on("connection", host, true, [host](const Inhabitant& one) {
    return one.line.starts_with("ssh ") && one.runs("ControlMaster=yes") && one.runs("-- " + host + ' ');
  });
  victim.node = from;
  return victim;
}

// What is on both hosts, whoever conducts the run.
Cast cast_of_hosts() {
  const auto is_listener = [](const Inhabitant& one) { return one.process.name == "sshd" && one.runs("[listener]"); };
  const auto is_session = [](const Inhabitant& one) { return one.process.name == "sshd" && !one.runs("[listener]"); };
  std::vector<Victim> listeners, sessions, answers, keepers, agents;
  for (const std::string host : {"h1", "h2"}) {
    listeners.push_back({.name = "sshd of " + host, .node = host, .daemon = true, .is = is_listener});
    sessions.push_back(on("sshd's session", host, false, is_session));
    answers.push_back(on("`fabric host`", host, true, [](const Inhabitant& one) {
      return one.runs(program + " host ") && one.process.name != "fabric-conduct";  // which was one before
    }));
    keepers.push_back(on("keeper", host, true, [](const Inhabitant& one) { return one.process.name == "fabric-keeper"; }));
    agents.push_back(on("agent", host, true, [](const Inhabitant& one) { return one.process.name == "fabric-agent"; }));
  }
  return {{"sshd", listeners},  {"session", sessions},
          {"answers", answers}, {"keeper", keepers},
          {"agent", agents},    {"rank", {rank_victim(0, "h1"), rank_victim(1, "h1"), rank_victim(2, "h2"), rank_victim(3, "h2")}}};
}

Victim command() {
  return {.name = "the command", .node = "head", .is = [](const Inhabitant& one) { return one.line.starts_with(program + " apply"); }};
}

Cast cast_of_two_hosts() {
  Cast cast = cast_of_hosts();
  Victim controller = command();
  controller.name = "the controller";
  cast.insert(cast.begin(), {{"controller", {controller}}, {"connection", {connection("head", "h1"), connection("head", "h2")}}});
  cast.push_back({"cable", {{.name = "h1", .node = "h1", .cable = true}, {.name = "h2", .node = "h2", .cable = true}}});
  return cast;
}

// The command only watches: the controller is on the first host.
Cast cast_of_first_host() {
  Cast cast = cast_of_hosts();
  // For what answers the command on the first host it waits longer than this takes.
  Victim order = connection("head", "h1");
  order.is_ours = false;
  for (auto& [kind, victims] : cast)
    if (kind == "answers") victims.front().is_ours = false;
  const auto conducts = [](const Inhabitant& one) { return one.process.name == "fabric-conduct"; };
  cast.insert(cast.begin(), {{"command", {command()}},
                             {"controller", {on("controller", "h1", true, conducts)}},
                             {"connection", {connection("h1", "h2")}},
                             {"order", {order}}});
  cast.push_back(
      {"cable",
       {{.name = "h1", .node = "h1", .cable = true, .other_end = "h2"}, {.name = "h2", .node = "h2", .cable = true, .other_end = "h1"}}});
  cast.push_back({"cable of head", {{.name = "head", .node = "head", .cable = true, .other_end = "h1"}}});
  return cast;
}

bool is_long(const Fault& fault) { return fault.done && fault.out > lease + 1000 && !fault.victim.daemon; }

// The table above.
bool ends_by_itself(const Round& round) {
  if (round.any("controller", Deed::stop)) return false;
  if (round.moment == Moment::end || round.any("controller", Deed::kill)) return true;
  if (round.moment == Moment::start) return false;
  for (const char* kind : {"connection", "session", "keeper", "agent", "rank"})
    if (round.any(kind, Deed::kill)) return true;
  if (round.any("connection", Deed::stop) || round.any("agent", Deed::stop)) return true;
  // A sshd that listens is nothing to those who are connected.
  return std::any_of(round.faults.begin(), round.faults.end(), is_long);
}

// As there, but that nothing on the way between the command and the first host ends anything, nor lets the word of Ctrl-C through for sure.
bool ends_by_itself_there(const Round& round) {
  const auto on_the_way = [](const Fault& f) {
    return f.done && (f.kind == "command" || f.kind == "order" || f.kind == "cable of head" || f.kind == "controller" ||
                      f.victim.node == "h1" || f.victim.daemon);
  };
  // One that is stopped tells nobody that the run has ended.
  if (round.any("command", Deed::stop)) return false;
  if (round.any("controller", Deed::kill)) return true;
  if (round.any("controller", Deed::stop) || round.moment == Moment::start) return false;
  if (round.moment == Moment::end) return std::none_of(round.faults.begin(), round.faults.end(), on_the_way);
  for (const char* kind : {"connection", "keeper", "agent", "rank"})
    if (round.any(kind, Deed::kill)) return true;
  if (round.any("connection", Deed::stop) || round.any("agent", Deed::stop)) return true;
  return std::any_of(round.faults.begin(), round.faults.end(), [](const Fault& f) {
    return f.done &&
           (f.kind == "cable" ? is_long(f) : f.kind == "session" && f.victim.node == "h2" && (f.deed == Deed::kill || is_long(f)));
  });
}

std::set<int> codes_of(const Round& round) {
  std::set<int> codes;
  for (const Fault& fault : round.faults) {
    if (!fault.done) continue;
    codes.insert(fault.kind == "rank" && fault.deed == Deed::kill ? 137 : 125);
  }
  return codes;
}

Scene scene_on_hosts(const std::string& ssh) {
  Scene scene;
  scene.job = "fabric: 1\nname: storm\naccelerator: cpu\nbackend: ssh\ndevices: 2\nstop: {grace: 1s}\nssh: {hosts: [h1, h2], lease: 3s" +
              ssh + "}\nprogram: [" FABRIC_BINARY_DIR "/tests/rank_program";
  for (const std::string& actions : test::misbehaviour()) scene.job += ", \"" + actions + '"';
  scene.job += "]\n";
  scene.bystanders_node = "h2";
  scene.escapes = kills_keeper_and_agent;
  scene.codes = codes_of;
  scene.daemons = {"sshd"};
  return scene;
}

Scene scene_of_two_hosts() {
  Scene scene = scene_on_hosts("");
  scene.cast = cast_of_two_hosts();
  scene.ends_by_itself = ends_by_itself;
  return scene;
}

Scene scene_of_first_host() {
  Scene scene = scene_on_hosts(", controller: first_host");
  scene.cast = cast_of_first_host();
  scene.ends_by_itself = ends_by_itself_there;
  // Who has lost the command, or the patience with it, goes to the first host.
  scene.end_otherwise = [](const Cluster& cluster) {
    cluster.output("pkill -TERM -x fabric || true");
    cluster.output(
        "pkill -CONT -x fabric-conduct; cd $(ls -td ~/storm-* | head -1) && timeout 20 " + program + " cancel --now storm 2>&1 || true",
        {.node = "h1"});
  };
  return scene;
}

const SshHosts::Options two_hosts{.hosts = 2, .lines = {"KexAlgorithms curve25519-sha256"}};

}  // namespace

BOOST_AUTO_TEST_CASE(storm) { rage_over<SshHosts>(scene_of_two_hosts(), two_hosts); }

BOOST_AUTO_TEST_CASE(storm_on_the_first_host) { rage_over<SshHosts>(scene_of_first_host(), two_hosts); }
