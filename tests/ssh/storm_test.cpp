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
#include <memory>
#include <sstream>

#include "tests/clusters/cluster_storm.hpp"
#include "tests/clusters/ssh_hosts.hpp"
#include "tests/launch_backends/storm.hpp"

using namespace fabric;
using namespace fabric::testing;

namespace {

constexpr int lease = 3000;  // milliseconds

Cast cast_of_two_hosts() {
  const std::string program = FABRIC_BINARY_DIR "/bin/fabric";
  const auto on = [](const std::string& what, const std::string& host, bool ours, std::function<bool(const Inhabitant&)> is) {
    return Victim{.name = what + " of " + host, .node = host, .is_ours = ours, .is = std::move(is)};
  };
  const auto is_listener = [](const Inhabitant& one) { return one.process.name == "sshd" && one.runs("[listener]"); };
  const auto is_session = [](const Inhabitant& one) { return one.process.name == "sshd" && !one.runs("[listener]"); };
  std::vector<Victim> connections, listeners, sessions, answers, keepers, agents, cables;
  for (const std::string host : {"h1", "h2"}) {
    const auto call_of = [host](const char* role) {
      return [host, role](const Inhabitant& one) { return one.line.starts_with("ssh ") && one.runs(role) && one.runs("-- " + host + ' '); };
    };
    connections.push_back(on("connection", host, true, call_of("ControlMaster=yes")));
    connections.back().node = "head";
    listeners.push_back({.name = "sshd of " + host, .node = host, .daemon = true, .is = is_listener});
    sessions.push_back(on("sshd's session", host, false, is_session));
    answers.push_back(on("`fabric host`", host, true, [program](const Inhabitant& one) { return one.runs(program + " host "); }));
    keepers.push_back(on("keeper", host, true, [](const Inhabitant& one) { return one.process.name == "fabric-keeper"; }));
    agents.push_back(on("agent", host, true, [](const Inhabitant& one) { return one.process.name == "fabric-agent"; }));
    cables.push_back({.name = host, .node = host, .cable = true});
  }
  const Victim controller{.name = "the controller", .node = "head", .is = [program](const Inhabitant& one) {
                            return one.line.starts_with(program + " apply");
                          }};
  return {{"controller", {controller}},
          {"connection", connections},
          {"sshd", listeners},
          {"session", sessions},
          {"answers", answers},
          {"keeper", keepers},
          {"agent", agents},
          {"rank", {rank_victim(0, "h1"), rank_victim(1, "h1"), rank_victim(2, "h2"), rank_victim(3, "h2")}},
          {"cable", cables}};
}

// The table above.
bool ends_by_itself(const Round& round) {
  if (round.any("controller", Deed::stop)) return false;
  if (round.moment == Moment::end || round.any("controller", Deed::kill)) return true;
  if (round.moment == Moment::start) return false;
  for (const char* kind : {"connection", "session", "keeper", "agent", "rank"})
    if (round.any(kind, Deed::kill)) return true;
  if (round.any("connection", Deed::stop) || round.any("agent", Deed::stop)) return true;
  // A sshd that listens is nothing to those who are connected.
  return std::any_of(round.faults.begin(), round.faults.end(),
                     [](const Fault& fault) { return fault.done && fault.out > lease + 1000 && !fault.victim.daemon; });
}

std::set<int> codes_of(const Round& round) {
  std::set<int> codes;
  for (const Fault& fault : round.faults) {
    if (!fault.done) continue;
    codes.insert(fault.kind == "rank" && fault.deed == Deed::kill ? 137 : 125);
  }
  return codes;
}

Scene scene_of_two_hosts() {
  Scene scene;
  scene.cast = cast_of_two_hosts();
  scene.job =
      "fabric: 1\nname: storm\naccelerator: cpu\nbackend: ssh\ndevices: 2\nstop: {grace: 1s}\nssh: {hosts: [h1, h2], lease: 3s}\nprogram: [" FABRIC_BINARY_DIR
      "/tests/rank_program";
  for (const std::string& actions : test::misbehaviour()) scene.job += ", \"" + actions + '"';
  scene.job += "]\n";
  scene.bystanders_node = "h2";
  scene.escapes = kills_keeper_and_agent;
  scene.ends_by_itself = ends_by_itself;
  scene.codes = codes_of;
  scene.daemons = {"sshd"};
  return scene;
}

}  // namespace

BOOST_AUTO_TEST_CASE(storm) {
  const SshHosts::Options options{.hosts = 2, .lines = {"KexAlgorithms curve25519-sha256"}};
  if (left_out(SshHosts::missing(options))) return;
  const Scene scene = scene_of_two_hosts();
  test::rage({.share = 3,
              .describe =
                  [&scene](unsigned seed) {
                    std::ostringstream text;
                    text << round_of(seed, scene);
                    return text.str();
                  },
              .begin =
                  [&] {
                    const auto hosts = std::make_shared<SshHosts>(options);
                    return [hosts, &scene](unsigned seed, std::ostream& complaints) {
                      return weather(round_of(seed, scene), scene, *hosts, complaints);
                    };
                  }});
}
