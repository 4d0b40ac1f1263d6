// What a watcher of a run sees: on a terminal a block of lines that is drawn over, with a progress bar and where the ranks stand, and the
// ranks' lines above it; plain lines elsewhere; and the numbers that are left at its end.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/background_writer.hpp"
#include "cli/live_block.hpp"
#include "cli/rank_board.hpp"
#include "cli/rank_filter.hpp"
#include "cli/terminal.hpp"
#include "cli/unfinished_lines.hpp"
#include "launch_backends/launch_backend.hpp"

namespace fabric {

class RunView : public RunObserver {
 public:
  using Clock = std::chrono::steady_clock;

  enum class Ranks { program, own_worker };

  // lines: where ranks' lines and epochs go; bar: where the block is drawn, if that is a terminal. Both outlive the view. What fabric's
  // own worker logs at level info is in the log files only: its events say the same.
  // age: for how long the run goes on already, where it is watched from later on.
  RunView(const Terminal& lines, const Terminal& bar, Ranks ranks = Ranks::program, RankFilter filter = {}, Clock::duration age = {});

  void on_event(const Event& event) override;
  void on_line(std::int64_t node, std::int64_t rank, std::string_view line) override;
  void on_unfinished(std::int64_t node, std::int64_t rank, std::string_view text, bool redraws) override;
  void on_tick() override { draw(false); }

  // Text in front of the run, whole lines.
  void head(const std::string& text);
  // Takes the block away and returns when all is written; called before anything else is printed. Until then nobody waits for the
  // terminal or pipe: what finds no room there is in the log files only, and is counted. False if the reader takes longer than limit.
  bool finish(std::optional<std::chrono::milliseconds> limit = std::nullopt);
  // Whether lines and bar go to places of which one can be held up without the other.
  bool apart() const { return &bar_out_ != &lines_out_; }

  struct Epoch {
    std::int64_t epoch = 0;
    std::optional<double> train_loss, test_loss, accuracy, samples_per_s;
  };
  // The table of epochs; empty if there were none.
  std::string epochs_table(const Terminal& terminal) const;
  const std::vector<Epoch>& epochs() const { return epochs_; }
  const std::optional<std::string>& checkpoint() const { return checkpoint_; }
  std::optional<double> first_step_seconds() const { return first_step_seconds_; }  // from the beginning
  // Of the attempt that was bound last, since a run may start again.
  std::optional<std::int64_t> attempt() const { return attempt_; }
  const std::optional<std::string>& resume_path() const { return resume_path_; }
  std::optional<std::int64_t> last_step() const { return step_ ? std::optional(step_->step) : std::nullopt; }
  double seconds() const;
  const std::vector<std::string>& notes() const { return notes_; }  // what went another way than planned

  void expect_ranks(std::size_t ranks) { board_ = RankBoard(ranks); }  // how many there will be
  // Lines that come now were printed some time ago, the last of each rank then.
  void replay(bool on) { replaying_ = on; }
  void heard_at(std::int64_t rank, Clock::time_point when) { board_.heard(rank, when); }
  // That a second Ctrl-C kills is said where it does.
  void without_ctrl_c() { ctrl_c_kills_ = false; }

 private:
  struct Start {
    std::int64_t steps = 0, epochs = 0, resumed_step = 0;
  };
  struct Step {
    std::int64_t step = 0, epoch = 0;
    std::optional<double> loss, samples_per_s;
  };

  void print(const std::string& line);
  void print_line(std::int64_t node, std::int64_t rank, std::string_view line);
  void say_what_failed();
  void clear();
  void draw(bool at_once);
  std::vector<std::string> block() const;
  std::string bar_line(std::size_t width) const;
  void follow_ranks(const Event& event);
  void epoch_ended(const Value& detail);

  const Terminal& lines_;
  const Terminal& bar_;
  const Ranks ranks_;
  const RankFilter filter_;
  BackgroundWriter lines_out_;
  BackgroundWriter bar_alone_;  // if the bar is elsewhere
  BackgroundWriter& bar_out_;
  const Clock::time_point begun_;
  Clock::time_point drawn_{};
  Clock::time_point stepping_since_{};
  LiveBlock block_;
  RankBoard board_;
  UnfinishedLines unfinished_;
  std::int64_t dropped_ = 0;  // lines that found no room since the last one that did
  bool failure_told_ = false;
  bool stopping_ = false;
  bool replaying_ = false;
  bool ctrl_c_kills_ = true;
  std::optional<Start> start_;
  std::optional<Step> step_;
  std::int64_t first_step_ = 0;
  std::vector<Epoch> epochs_;
  std::optional<std::string> checkpoint_;
  std::vector<std::string> notes_;
  std::optional<std::int64_t> attempt_;
  std::optional<std::string> resume_path_;
  std::optional<double> first_step_seconds_;
};

}  // namespace fabric
