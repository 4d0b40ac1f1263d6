// One attempt of a run: starts its agents, tells them what to run, hears what happens and writes it down, and ends what is to end. Another
// attempt may follow; controller.hpp has the run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "launch_backends/agent_link.hpp"
#include "launch_backends/launch_backend.hpp"
#include "launch_backends/messages.hpp"
#include "launch_backends/restart_policy.hpp"
#include "launch_backends/root_cause.hpp"
#include "launch_backends/run_record.hpp"
#include "launch_backends/surroundings.hpp"

namespace fabric {

constexpr int time_is_up = 124;  // the exit code, as timeout(1) has it

// What a run is said to have reached when its time is over.
std::string time_limit_in_words(const Plan& plan, const RunOptions& options);

// One attempt of a run, from its first agent to its last.
class Attempt {
 public:
  using Clock = std::chrono::steady_clock;

  Attempt(const Plan& plan, const RunOptions& options, const std::vector<Carrier>& carriers, RunRecord& record, Surroundings& surroundings,
          std::optional<Clock::time_point> deadline)
      : plan_(plan), options_(options), carriers_(carriers), record_(record), surroundings_(surroundings), deadline_(deadline) {
    if (options.main_address) main_address_ = *options.main_address;
    if (plan.job.main_address) main_address_ = *plan.job.main_address;
    main_port_ = plan.job.main_port.value_or(0);
    ranks_ = ranks_started(plan, options.node_rank).count;
  }

  // Writes the end of the run neither into its status nor into its events: another attempt may follow.
  Outcome run();
  const std::optional<ExitStatus>& culprit() const { return culprit_; }
  const Progress& progress() const { return progress_; }
  // The signal that came while the attempt was being stopped already, 0 if none did.
  int interrupted() const { return interrupted_; }

 private:
  const NodeGroup& group_of(std::int64_t node) const {
    for (const NodeGroup& group : plan_.groups)
      if (node >= group.first_node && node < group.first_node + group.nodes) return group;
    return plan_.groups.front();
  }
  // What is known of a node alone; nullptr: nothing.
  const NodeOptions* own_options_of(std::int64_t node) const {
    return static_cast<std::size_t>(node) < options_.nodes.size() ? &options_.nodes[static_cast<std::size_t>(node)] : nullptr;
  }
  const std::vector<std::int64_t>& devices_of(std::int64_t node) const {
    const std::vector<std::int64_t>& written = group_of(node).device_ids;
    const NodeOptions* own = own_options_of(node);
    return !written.empty() ? written : own && !own->device_ids.empty() ? own->device_ids : options_.device_ids;
  }
  // node 2; where its machine has a name, node 2 (gpu3)
  std::string name_of_node(std::int64_t node) const;
  std::string described_on_node(const RankEnd& end) const;

  void start_agents();
  void start_carrier(const Carrier& carrier, std::int64_t first_node);
  StandingAgent start_command(const Carrier& carrier, std::int64_t first_node) const;
  void wait();
  int wait_milliseconds() const;
  void hear_signals();
  void hear(CarrierLink& carrier);
  AgentLink& sender_of(const Message& message);
  void dismiss(AgentLink& link);
  void obey(AgentLink& link, const Message& message);
  void greeted(AgentLink& link, const messages::Hello& hello);
  messages::Prepare order_for(const AgentLink& link) const;
  void nudge(CarrierLink& carrier) const;
  void begin();
  void rank_exited(AgentLink& link, const messages::RankExited& exit);
  void keep_time();
  void stop_all(const std::string& signal, double grace, const std::string& why);
  void fail(const std::string& message);
  bool all_ended() const {
    return std::all_of(carrier_links_.begin(), carrier_links_.end(), [](const auto& carrier) { return carrier->ended(); });
  }
  void judge_lost(AgentLink& link);
  void give_up(AgentLink& link, double silent);
  void let_go(CarrierLink& carrier);
  void look_overruled(Clock::time_point now);
  void sweep();
  void follow_progress(const Event& event);
  void ping(CarrierLink& carrier, Clock::time_point now);
  void look_after(const CarrierLink& carrier);
  void watch_agent(AgentLink& link, Clock::time_point now);
  Outcome outcome();

  const Plan& plan_;
  const RunOptions& options_;
  const std::vector<Carrier>& carriers_;
  RunRecord& record_;
  Surroundings& surroundings_;
  const std::optional<Clock::time_point> deadline_;                                             // of the whole run
  const std::optional<Duration> stall_ = options_.debug_rank ? std::nullopt : plan_.job.stall;  // nobody waits for a debugger in vain
  const std::string nonce_ = make_nonce();
  std::string main_address_ = "127.0.0.1";
  std::int64_t main_port_ = 0;
  std::vector<std::string> scrubbed_told_;
  Inherited inherited_;  // by the ranks of node 0
  std::vector<std::unique_ptr<CarrierLink>> carrier_links_;
  std::vector<AgentLink> links_;  // of all nodes, in their order
  std::vector<AgentLink*> here_;  // those on this machine
  std::size_t greeted_ = 0, ready_ = 0;
  Clock::time_point agents_looked_at_{};
  const Clock::time_point started_ = Clock::now();
  std::vector<RankEnd> ends_;
  std::map<std::int64_t, std::int64_t> log_begins_;  // rank -> size of its log when this attempt began
  std::int64_t ranks_ = 0;                           // that are started here
  std::size_t ranks_started_ = 0;
  bool begun_ = false;       // the agents were told to start their ranks
  int asked_by_signal_ = 0;  // the user's, the first
  bool asked_at_agents_ = false;
  bool agents_told_ = false;  // it came to the agents, and to nobody here yet
  bool stopping_ = false;
  int interrupted_ = 0;
  bool hurried_ = false;  // by a signal while stopping
  std::optional<Clock::time_point> give_up_at_;
  std::string failure_;    // of fabric itself, the first
  bool given_up_ = false;  // an agent of which nothing was heard
  std::string loss_;       // of an agent or keeper, the first
  std::set<std::string> left_behind_;
  bool out_of_time_ = false;
  std::optional<Overruling> overruled_;
  Clock::time_point turned_ = Clock::now();  // to keeping time, last
  Clock::time_point overruled_looked_at_ = Clock::now();
  std::optional<ExitStatus> culprit_;
  Progress progress_;
};

}  // namespace fabric
