// The agents of an attempt and the commands that carry them, as the controller sees them. What is said goes through a carrier, to all
// agents behind it at once: with thousands of them nothing may be said to each.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/frame_pipe.hpp"
#include "launch_backends/messages.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/wardens.hpp"

namespace fabric {

// An agent whose carrier was started before anybody needed it, with the nonce that it was given.
struct StandingAgent {
  pid_t pid = 0;  // of the carrier
  FileDescriptor process;
  DescriptorPair pipes;  // first: what it says; second: what is said to it
  std::string nonce;
};

// How agents are reached: a command whose stdin and stdout are theirs. To its end are added --node K --generation G --nonce TEXT.
struct Carrier {
  std::vector<std::string> argv;
  // How many agents there are behind it, of nodes K, K + 1, ...: each hears what is said to any of them, and what they say comes line by
  // line. Which of them it is an agent reads from node_variable, counted from 0.
  std::int64_t nodes = 1;
  std::string node_variable;
  std::vector<std::string> sets;  // what the names of variables begin with that the command gives its agents
  bool by_shell = false;  // the command joins its words and gives them to a shell elsewhere, as ssh does
  std::string errors;     // the file that its stderr goes to; empty: where ours goes
  int at_our_end = 0;     // the signal that the kernel sends it when the controller ends; 0: none
  // Gives an agent that stands by already, instead of which the command would be started. Absent, or none: there is no such agent (any
  // more).
  std::function<std::optional<StandingAgent>()> standing_by;
  // What an end of the command means that its agents have not announced, in words. Absent: nothing more than its status.
  std::function<std::string(const ExitStatus&)> explain;
};

// A carrier, started.
struct CarrierLink {
  using Clock = std::chrono::steady_clock;

  pid_t pid = 0;
  FileDescriptor process;
  std::unique_ptr<FramePipe> pipe;
  std::string name;  // of its program
  std::vector<std::string> sets;  // as of its Carrier
  std::function<std::string(const ExitStatus&)> explain;
  std::optional<ExitStatus> exit;

  std::size_t first = 0;         // of its agents, among all
  std::int64_t agents = 1;       // behind it
  std::int64_t greeted = 0;      // of them
  std::int64_t dismissed = 0;    // of them
  Clock::time_point farewell{};  // when the last of them was
  bool nudged = false;
  Clock::time_point pinged = Clock::now();

  bool has_no_more_to_say() const { return dismissed == agents; }
  bool shared() const { return agents > 1; }
  bool ended() const { return exit.has_value() && pipe->ended(); }
};

// One agent.
struct AgentLink {
  using Clock = std::chrono::steady_clock;

  std::int64_t node = 0;
  CarrierLink* carrier = nullptr;
  bool greeted = false;
  bool ready = false;
  bool done = false;
  bool dismissed = false;  // it is waited for no more
  std::optional<messages::Lost> lost;
  double clock_offset = 0;       // what to take from the agent's clock to have ours, seconds
  double clock_uncertainty = 0;  // seconds to either side

  pid_t agent_pid = 0;
  Wardens wardens;
  Clock::time_point heard = Clock::now();  // from the agent, last
  bool silence_told = false;

  bool ended() const { return carrier->ended(); }
  // One of keeper and agent is gone, and the other has not said so yet.
  bool halved() const { return !ended() && (carrier->exit.has_value() || wardens.agent_ended()); }
};

}  // namespace fabric
