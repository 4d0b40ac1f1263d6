// A place where ranks can run. A backend looks at its machines, says what it would do, and does it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/backend_rules.hpp"
#include "schema/diagnostic.hpp"
#include "schema/event.hpp"
#include "schema/hardware.hpp"
#include "schema/plan.hpp"

namespace fabric {

// What submit will do, complete: the files that it writes first and the commands that it starts.
struct Submission {
  struct File {
    // A line of it, counted from 0, and the field of the job that it comes from.
    struct Cause {
      std::size_t line = 0;
      std::string field;
    };
    std::string path;  // below the run directory
    std::string content;
    std::vector<Cause> causes;
  };
  std::vector<File> files;
  std::vector<std::vector<std::string>> commands;
  std::vector<Question> questions;          // that the place has to answer, beside those of the plan
  std::vector<std::string> cannot_promise;  // what the job would have otherwise, a sentence each
  bool hands_over = false;                  // to a scheduler, whose job then carries the run out; not this process
};

// Told what happens while a run goes on, in the thread that called submit. A line is a piece of a rank's output without its
// newline. Nothing here may block for long.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void on_event(const Event& event) = 0;
  virtual void on_line(std::int64_t node, std::int64_t rank, std::string_view line) = 0;
  // The line that a rank has not ended yet, as it stands now. redraws: with carriage returns, as progress is shown.
  virtual void on_unfinished(std::int64_t node, std::int64_t rank, std::string_view text, bool redraws) = 0;
  // Some time has passed, half a second at the most.
  virtual void on_tick() = 0;
};

// How a run ended. exit_code is that of `fabric apply`: 0, the culprit's own (128 + n for a signal), 128 + n for a stop by the
// signal n (130 for Ctrl-C), 125 for what fabric itself refused or lost.
struct Outcome {
  int exit_code = 0;
  std::string verdict;                  // one word: finished, failed, stopped, lost, refused
  bool asked_for = false;               // somebody had told it to end before
  bool asked_at_agents = false;         // and not its controller, as a scheduler does that ends a job
  std::string message;                  // what died first, by which rule it is the culprit; empty when finished
  std::optional<std::int64_t> culprit;  // global rank
  std::string log;                      // the culprit's log file
  std::int64_t log_begin = 0;           // bytes of it that earlier attempts have printed
  std::vector<std::string> last_lines;  // behind them
  static constexpr std::size_t most_lines = 20;
};

// What is known of one node, where nodes are machines that differ.
struct NodeOptions {
  std::string host;                              // its name, for people
  std::vector<std::int64_t> device_ids;          // its GPUs, where the plan leaves them open
  std::optional<std::string> network_interface;  // by which it reaches the others
  bool own_disk = false;                         // it does not see the folder of the run, and keeps one of its own at the same path
};

// Why a run is to end that somebody else has taken from its controller.
struct Overruling {
  std::string why;
  enum class Grace { of_job, short_one, none } grace = Grace::of_job;  // of its ranks: as after Ctrl-C, a failure, a second Ctrl-C
};

struct RunOptions {
  std::string run_directory;  // exists, holds plan.json
  std::int64_t attempt = 0;
  std::optional<std::string> resume_path;  // a checkpoint
  // The GPUs of each node, where the plan leaves them open; empty: the backend takes idle ones.
  std::vector<std::int64_t> device_ids;
  std::vector<std::string> variables;       // NAME=value, which ranks inherit as if their node had them
  std::vector<NodeOptions> nodes;           // one a node; empty: nothing is known of them
  std::optional<std::string> main_address;  // of node 0, as the others reach it, where the plan names none; absent: the loopback address
  double lease = 0;  // seconds without a word after which an agent takes the controller for lost; 0: only the end of its stdin
  std::optional<double> time_left;  // seconds after which the run is stopped in order, whatever the job says; absent: the job's time_limit
  std::string time_words;           // whose time that is, if it is not the job's own: the end of ...
  int time_signal = 0;              // which says that it is time for that; 0: none
  std::vector<Text> wrapper;        // words in front of each rank's program: of a container
  std::optional<double> asked;      // when the user asked for the run, seconds since the epoch
  bool passes_lines = true;         // what ranks print, to the observer; it is in their log files anyway
  // Asked about once a second.
  std::function<std::optional<Overruling>()> overruled;
  // Told how the run has ended before that is written down. Where it is to go on by another start, as by a scheduler that has its job back
  // in the queue, returns the detail of the event `requeued`, with `why`; it may also add to the message.
  std::function<std::optional<Value>(Outcome&)> put_back;
  // Of a plan for several nodes, the one whose ranks are started here; the others are started by hand too. Absent: all of them.
  std::optional<std::int64_t> node_rank;
  // A rank that has a terminal of its own, for a debugger: the path of the terminal, of this machine. Then no time-out of the run counts
  // and nothing is started again. What it prints goes to the terminal; whoever has its other end writes the log.
  std::optional<std::int64_t> debug_rank;
  std::string debug_terminal;
};

// Where a rank of a plan runs.
struct RankSeat {
  const NodeGroup& group;
  std::int64_t node = 0;
  std::int64_t local_rank = 0;
};

// nullopt for a rank that the plan has not.
inline std::optional<RankSeat> seat_of(const Plan& plan, std::int64_t rank) {
  for (const NodeGroup& group : plan.groups) {
    const std::int64_t offset = rank - group.first_rank;
    if (offset >= 0 && offset < group.nodes * group.ranks_per_node)
      return RankSeat{group, group.first_node + offset / group.ranks_per_node, offset % group.ranks_per_node};
  }
  return std::nullopt;
}

// The ranks that one fabric starts, `count` from `first` on: all of the plan, or those of the node whose part it is.
struct RanksStarted {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

inline RanksStarted ranks_started(const Plan& plan, const std::optional<std::int64_t>& node_rank) {
  if (!node_rank) return {0, plan.world_size};
  for (const NodeGroup& group : plan.groups)
    if (*node_rank >= group.first_node && *node_rank < group.first_node + group.nodes)
      return {group.first_rank + (*node_rank - group.first_node) * group.ranks_per_node, group.ranks_per_node};
  return {};
}

// What is known of a run before it is made.
struct RunIntent {
  std::string runs;     // the folder that is to hold it, absolute
  bool detach = false;  // whoever asks for it does not wait for its end
};

class LaunchBackend {
 public:
  virtual ~LaunchBackend() = default;
  // What the job will run on; of a cluster, what its scheduler says of the nodes that the job may get.
  virtual Hardware probe(const JobSpec& job, Diagnostics& diagnostics) = 0;
  // What of a job it decides itself, before the job is resolved.
  virtual BackendRules rules(const JobSpec&) const { return {}; }
  // What of recorded hardware the job would run on.
  virtual Hardware for_job(const JobSpec&, Hardware hardware) const { return hardware; }
  // Why each question's answer is no: one message each, empty for yes.
  virtual std::vector<std::string> answer(const std::vector<Question>& questions) = 0;
  // Pure. Refuses, with reasons, what this backend cannot do. node_rank: as in RunOptions.
  virtual Submission render(const Plan& plan, std::optional<std::int64_t> node_rank, Diagnostics& diagnostics) const = 0;
  // Looks at the machines once more, just before a run of the plan: what would keep it from starting, or hinder it.
  virtual void inspect(const Plan&, const RunIntent&, Diagnostics&) {}
  // Where a run starts and what was done to the machines for it, as far as the plan does not say it, a sentence each.
  virtual std::vector<std::string> remarks() const { return {}; }
  // Runs the plan to its end; or, as the submission says, hands it over: then nothing is returned, unless that failed.
  virtual std::optional<Outcome> submit(const Plan& plan, const Submission& submission, const RunOptions& options,
                                        RunObserver& observer) = 0;
};

}  // namespace fabric
