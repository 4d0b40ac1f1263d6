// What the hosts of a job are asked before anything is started on them, and what follows: the facts from which it is planned, what keeps it
// from starting, all of it at once, and what each node has to know.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "launch_backends/launch_backend.hpp"
#include "launch_backends/ssh_fleet.hpp"

namespace fabric {

// What is to be said of hosts: those of which the same is true in one line.
class HostTable {
 public:
  void add(const std::string& host, const std::string& what);
  bool empty() const { return lines_.empty(); }
  std::size_t hosts() const;  // of which something is said
  // gpu1, gpu2: no route to host
  std::vector<Note> notes() const;

 private:
  std::vector<std::pair<std::string, std::vector<std::string>>> lines_;  // what -> of whom
};

// FAB5301 with those hosts that cannot be asked, at the place of the job that names the hosts. told: of whom that was said before, one a
// host.
void tell_who_cannot_be_asked(const SshFleet& fleet, const std::string& place, std::vector<bool>& told, Diagnostics& diagnostics);

// The facts of the hosts in their order, those that follow each other and are alike together. Where not all answer the rest is
// partly_seen_hardware.
Hardware hardware_of(SshFleet& fleet, const std::string& place, std::vector<bool>& told, Diagnostics& diagnostics);

// Why each question's answer is no, with the hosts that say so; empty where all say yes, or cannot be asked.
std::vector<std::string> answers_of(SshFleet& fleet, const std::vector<Question>& questions);

struct SshStart {
  std::string main_address;  // empty: that of the loopback
  std::vector<NodeOptions> nodes;
};

// Errors FAB5303, FAB5305, FAB5307 and FAB5308, a warning FAB5304. runs: the folder that is to hold the run, which is made where it is
// missing. moved: the first host conducts the run, and looks itself at what the others share with it. Hosts that cannot be asked are passed
// over: that was told before.
SshStart look_before_start(SshFleet& fleet, const Plan& plan, const std::string& runs, const std::string& place, bool moved,
                           Diagnostics& diagnostics);

}  // namespace fabric
