// A terminal for one rank of a run: what the user types goes to it as it is, what it prints comes here and into its log, and the window has
// the same size. The user's terminal is as it was afterwards, however this process ends short of being killed.
#pragma once

#include <signal.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/launch_backend.hpp"

namespace fabric {

class RankTerminal {
 public:
  static constexpr char leave = '\x1d';  // Ctrl-], which ends the run as Ctrl-C does elsewhere

  // log: of the rank, which is appended to. Standard input and output are a terminal. Throws std::system_error.
  explicit RankTerminal(const std::string& log);
  ~RankTerminal();
  RankTerminal(const RankTerminal&) = delete;
  RankTerminal& operator=(const RankTerminal&) = delete;

  const std::string& path() const { return path_; }  // for the rank
  void begin();                                      // from here on the user's terminal is the rank's
  void rank_has_started() { own_end_.reset(); }      // when it has gone, that can be seen
  void end();                                        // the user has the terminal back
  bool active() const { return active_; }            // until the rank has gone, or end()
  // Says something of the run on a line of its own.
  void say(const std::string& text);

 private:
  void relay();
  bool pass_on_input();
  bool pass_on_output();
  void follow_size();

  FileDescriptor near_, own_end_, log_, wake_;
  std::string path_;
  std::thread thread_;
  std::atomic<bool> active_{false};
  bool begun_ = false;
  sigset_t mask_{};         // before
  std::string typed_;       // and not taken yet
  std::int64_t size_ = -1;  // rows and columns, told last
};

// Shows nothing of a run while a rank has the terminal, and all of it afterwards.
class DebugView : public RunObserver {
 public:
  DebugView(RunObserver& view, RankTerminal& terminal, std::int64_t rank) : view_(view), terminal_(terminal), rank_(rank) {}
  void on_event(const Event& event) override;
  void on_line(std::int64_t node, std::int64_t rank, std::string_view line) override;
  void on_unfinished(std::int64_t node, std::int64_t rank, std::string_view text, bool redraws) override;
  void on_tick() override;

 private:
  RunObserver& view_;
  RankTerminal& terminal_;
  const std::int64_t rank_;
};

}  // namespace fabric
