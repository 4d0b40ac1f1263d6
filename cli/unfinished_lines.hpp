// The lines that ranks have not ended yet, progress bars most of all. On a terminal one of them is drawn, as it changes; elsewhere a
// line that is redrawn shows its state now and then, and its last state when it ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace fabric {

class UnfinishedLines {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds apart{10};  // states of one line where nothing can be drawn over
  static constexpr std::chrono::seconds fresh{10};  // for so long a state is drawn

  struct Line {
    std::int64_t node = 0;
    std::string text;
    Clock::time_point changed{};
    Clock::time_point printed{};  // or begun
  };

  // The line of this rank as it stands now. True if it has been redrawn for so long that its state should be printed.
  bool set(std::int64_t node, std::int64_t rank, std::string_view text, bool redraws, Clock::time_point now);
  void end(std::int64_t rank) { lines_.erase(rank); }
  void clear() { lines_.clear(); }
  // What to draw: the line of the lowest rank that has changed of late, which is rank 0's where all ranks do the same. Null if none has.
  const std::pair<const std::int64_t, Line>* drawn(Clock::time_point now) const;

 private:
  std::map<std::int64_t, Line> lines_;  // rank -> its line
};

}  // namespace fabric
