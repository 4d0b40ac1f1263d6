// The agent proper: one thread that waits for the controller, its ranks and its keeper at once, and never blocks on any of them.
// It ends when all its ranks have ended, and everything that they started with them; if the controller or the keeper is gone, it
// ends them itself.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/file_watch.hpp"
#include "launch_backends/frame_pipe.hpp"
#include "launch_backends/log_times.hpp"
#include "launch_backends/messages.hpp"
#include "launch_backends/out_of_memory.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/rank_output.hpp"
#include "launch_backends/reserve_port.hpp"
#include "launch_backends/stall.hpp"
#include "schema/env_file.hpp"

namespace fabric {

struct AgentIdentity {
  std::int64_t node = 0;
  std::int64_t generation = 0;
  std::string nonce;
  pid_t keeper = 0;
  double lease = 0;  // as in messages::Prepare, until that has come
};

class NodeAgent {
 public:
  NodeAgent(AgentIdentity identity, FileDescriptor in, FileDescriptor out, FileDescriptor keeper);
  // To the end of its work. Returns the exit code of the process: 0 if all was said that was to be said.
  int run();

 private:
  using Clock = std::chrono::steady_clock;

  enum class Phase {
    waiting,   // for what to run
    locking,   // until processes of an earlier attempt are gone from this node
    prepared,  // for the word to start
    running,   // until the last rank has ended
    clearing,  // what ranks have left behind is being ended
    done,      // the last words are on their way
  };

  struct Rank {
    std::int64_t number = 0;
    pid_t pid = 0;         // 0 once reaped
    pid_t last_group = 0;  // its process group, where that lives on in a stop
    LogTail log;
    EventTail events;
    LogTimes times;
    messages::RankExited exit{};
    bool ended = false;
    std::int64_t log_end = 0;  // sizes of its files when it ended; its children may go on to write
    std::int64_t events_end = 0;
    bool told = false;  // its end was passed on, after all that it said
    bool malformed_named = false;
    bool spoke = false;          // it has written something, and that was told
    std::int64_t log_begin = 0;  // bytes of its log that earlier attempts wrote
    std::int64_t events_begin = 0;
    std::int64_t heard_bytes = 0;  // of its files, when the last were seen
    std::optional<std::int64_t> step{};
    pid_t sampled = 0;             // its program, behind what it is started through
    ProcessSample sample{};        // of that, when a silence was long enough
    std::string cwd{};             // in which it was started
    std::string memory_counter{};  // of the control group that it was seen in last
  };

  void wait();
  int wait_milliseconds() const;
  void hear_signals();
  void hear_controller();
  void obey(const Message& message);
  void prepare(messages::Prepare order);
  void take_node();
  void start(const messages::Start& order);
  void start_rank(std::int64_t local_rank, std::int64_t main_port);
  void stop(const std::string& signal, double grace);
  void kill_ranks();
  void close(Rank& rank);
  void close_ended();
  void signal_ranks(int signal);
  void reap();
  void follow_ranks();
  void follow(Rank& rank);
  void watch_meeting();
  void watch_silence();
  void watch_groups();
  void explain_exit(Rank& rank);
  void tell(const char* kind, std::optional<std::int64_t> rank, Value detail = Value::object());
  void note(std::optional<std::int64_t> rank, const std::string& message);
  void keep_time();
  void clear();
  void finish();
  void fail(const std::string& message);
  void lose_keeper();
  void lose_controller();
  std::string loss() const;
  bool all_told() const;
  double lease() const { return phase_ == Phase::waiting ? identity_.lease : job_.lease; }
  bool binds_port() const { return identity_.node == 0; }
  std::int64_t meeting_port() const { return binds_port() ? port_.port : job_.main_port.value_or(0); }
  std::string node_file(const std::string& name) const;

  AgentIdentity identity_;
  FramePipe pipe_;
  FileDescriptor keeper_;
  FileDescriptor signals_;
  FileDescriptor node_lock_;
  Clock::time_point locking_since_{};
  bool locking_named_ = false;
  std::vector<std::string> environment_;           // this process's own, as ranks may inherit it
  std::vector<EnvFile::Variable> file_variables_;  // of the job's file of variables
  bool holds_node_ = false;                        // its lock, and so the right to write into its folder
  Phase phase_ = Phase::waiting;
  messages::Prepare job_;
  std::string host_;
  ReservedPort port_;
  std::vector<Rank> ranks_;
  std::uint64_t open_files_ = 0;  // that a rank may have, as the user has set it
  bool watching_ = false;
  FileWatch watch_;                             // of their files
  Clock::time_point written_at_{};              // to one of them, as it was heard last
  Clock::time_point last_sign_ = Clock::now();  // the last byte, event or end of any rank
  std::optional<Clock::time_point> sampled_at_;
  bool met_ = false;     // somebody was seen at the port of the ranks
  bool missed_ = false;  // and that nobody was has been said
  Clock::time_point meeting_looked_at_{};
  OutOfMemoryCounters memory_kills_;
  Clock::time_point running_since_{};
  Clock::time_point groups_looked_at_{};
  int stop_signal_ = 0;  // once it was sent to all ranks
  bool killing_ = false;
  bool failed_ = false;
  std::optional<Clock::time_point> kill_at_;
  std::optional<Clock::time_point> clear_by_;
  Clock::time_point heard_ = Clock::now();   // from the controller, last
  Clock::time_point turned_ = Clock::now();  // to keeping time, last
  bool keeper_lost_ = false;
  bool controller_lost_ = false;
};

}  // namespace fabric
