// What the agent makes of its ranks beside what they write: whether they meet, which of them a silence comes from, why one has failed.
#include <unistd.h>

#include <chrono>
#include <utility>

#include "launch_backends/node_agent.hpp"
#include "launch_backends/port_watch.hpp"
#include "launch_backends/process_tree.hpp"
#include "launch_backends/rank_error.hpp"
#include "launch_backends/rank_output.hpp"
#include "launch_backends/stall.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;

constexpr auto meeting_patience = 15s;  // with node 0, before it is said that nobody has come
constexpr double sample_apart = 0.5;    // seconds between two looks at silent ranks

}  // namespace

// A script that never joins the others, as one for Lightning's Fabric without launch(), trains once in each rank and ends well.
void NodeAgent::watch_meeting() {
  meeting_looked_at_ = Clock::now();
  if (!job_.expects_meeting || met_) return;
  if (port_is_used(meeting_port())) {
    met_ = true;
    tell("met", std::nullopt);
    return;
  }
  if (binds_port() || phase_ != Phase::running || meeting_looked_at_ - running_since_ < meeting_patience || std::exchange(missed_, true))
    return;
  const std::string port = std::to_string(meeting_port());
  note(std::nullopt, "no rank of this node has reached " + job_.main_address + ':' + port +
                         " yet: is node 0 started there, by --node-rank 0 and with main_port " + port +
                         ", and does nothing between the machines hold it up?");
}

// Two samples of what each rank does, some time apart, tell who computes.
void NodeAgent::watch_silence() {
  const Clock::time_point now = Clock::now();
  for (Rank& rank : ranks_) {
    const std::int64_t bytes = rank.log.size() + rank.events.size();
    if (std::exchange(rank.heard_bytes, bytes) != bytes) last_sign_ = now;
  }
  if (kill_at_ || now - last_sign_ < std::chrono::duration<double>(job_.stall)) {
    sampled_at_.reset();
    return;
  }
  if (!sampled_at_) {
    sampled_at_ = now;
    const std::vector<ProcessEntry> living = living_descendants(getpid());
    for (Rank& rank : ranks_) {
      rank.sampled = program_behind(rank.pid, living);
      rank.sample = sample_process(rank.sampled);
    }
    return;
  }
  const double apart = std::chrono::duration<double>(now - *sampled_at_).count();
  if (apart < sample_apart) return;
  std::vector<RankActivity> activities;
  std::vector<std::int64_t> ended;
  for (const Rank& rank : ranks_) {
    if (rank.ended) {
      ended.push_back(rank.number);
      continue;
    }
    const ProcessSample sample = sample_process(rank.sampled);
    // One that has gone since, as the commands of a shell do, was at work.
    if (sample.state == '?') activities.push_back({rank.number, rank.pid, 'R', 1, -1, rank.step});
    else
      activities.push_back(
          {rank.number, rank.sampled, sample.state, cpus_between(rank.sample, sample, apart), sample.system_call, rank.step});
  }
  const double silent = std::chrono::duration<double>(now - last_sign_).count();
  const std::optional<Suspect> suspect = find_suspect(activities, job_.group.accelerator);
  Value detail = Value::object();
  detail.set("seconds", silent);
  detail.set("message", stall_message(silent, activities, ended, job_.group.accelerator));
  detail.set("suspect", suspect ? Value(suspect->rank) : Value());
  tell("stalled", std::nullopt, std::move(detail));
  // Said again after as much silence once more.
  last_sign_ = now;
}

// What a failed rank left behind says more than its exit code.
void NodeAgent::explain_exit(Rank& rank) {
  messages::RankExited& exit = rank.exit;
  if (!exit.code || *exit.code == 0 || !exit.error_message.empty()) return;
  const std::string name = "rank-" + std::to_string(rank.number);
  std::optional<RankError> error = read_error_file(node_file(name + ".error.json"));
  // 1 is what an uncaught exception gives; one that was caught explains no other.
  if (!error && *exit.code == 1) error = find_traceback(last_lines(node_file(name + ".log"), 200, rank.log_begin));
  if (!error) return;
  exit.error_class = error->error_class;
  exit.error_message = error->message;
}

}  // namespace fabric
