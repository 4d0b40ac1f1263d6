// Follows the two files of a rank while it writes them: its log, of which a view is passed on, and its events. A file is its own
// buffer: what is not passed on yet stays there, and nothing that a reader does can hold the rank up.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launch_backends/descriptor.hpp"
#include "schema/event.hpp"

namespace fabric {

// Cuts what a program prints into lines for people. A line that is redrawn with \r, as a progress bar is, counts once for all its
// redrawings, shown in its last state; of a very long line the beginning is shown, and how much follows.
class LineCutter {
 public:
  explicit LineCutter(std::size_t longest = 4096) : longest_(longest) {}  // bytes of a line that are shown

  // Whole lines of bytes and what was kept before are given to line, without their ends.
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& line);
  // What the line that has not ended yet shows; empty if there is none.
  std::string unfinished() const { return head_.empty() ? redrawn_ : shown(); }
  bool redraws() const { return return_seen_; }  // that line
  // What is left at the end of the output.
  void finish(const std::function<void(std::string_view)>& line);

 private:
  void take(std::string_view bytes);
  std::string shown() const;
  void begin_line();

  std::size_t longest_;
  std::string head_;          // of the line that has not ended yet, after its last \r
  std::uint64_t beyond_ = 0;  // bytes of it behind its head
  std::string redrawn_;       // what stood before that \r
  bool return_seen_ = false;
};

// The view of a log file that grows.
class LogTail {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t most_behind = 256 << 10;  // bytes; what lies further back is passed over

  // Starts at the present end of the file. Throws std::system_error.
  explicit LogTail(const std::string& path);

  struct Unfinished {
    std::string text;
    bool redraws = false;
  };
  struct Lines {
    std::int64_t dropped = 0;  // lines passed over before these
    std::vector<std::string> lines;
    std::optional<Unfinished> unfinished;  // the line behind them, if it has changed; some times a second
  };
  // What has come since, at most `most` bytes. last: the program has ended, and what is there now is all.
  Lines read(std::size_t most, bool last);
  std::int64_t size() const;                       // bytes of the file
  std::int64_t offset() const { return offset_; }  // bytes read or passed over

 private:
  void pass_over(std::int64_t end, const std::function<void(std::string_view)>& line);

  FileDescriptor file_;
  std::int64_t offset_ = 0;
  LineCutter cutter_;
  std::int64_t dropped_ = 0;  // lines passed over and not told of yet
  std::string unfinished_;
  Clock::time_point unfinished_told_{};
};

// The file that FABRIC_EVENTS names. Its lines are maps with "kind"; "time" may be given; what else they hold is the detail, or
// stands in "detail".
class EventTail {
 public:
  static constexpr std::size_t longest = 64 << 10;  // bytes of a line

  // Makes the file if there is none, and starts at its present end. Throws std::system_error.
  explicit EventTail(const std::string& path);

  // Events that have come since, from at most `most` bytes, without node and rank. last: the program has ended, and what is there now
  // is all, whether or not its last line has an end.
  std::vector<Event> read(std::size_t most, bool last);
  std::int64_t size() const;
  std::int64_t offset() const { return offset_; }
  // Lines that were no events since the last call. cut_short: the program was ended, so that half a line at the end is no mistake.
  std::int64_t take_malformed(bool cut_short);

 private:
  void line(std::string_view text, std::vector<Event>& events);

  FileDescriptor file_;
  std::int64_t offset_ = 0;
  std::string pending_;
  bool skipping_ = false;  // inside a line that is too long
  std::int64_t malformed_ = 0;
  bool half_ = false;  // the last line has no end and is no event
};

// The event that a line stands for, or nullopt.
std::optional<Event> read_event_line(std::string_view line, double now);

// The last lines of a file, at most `count`, oldest first; from its last 64 KiB.
std::vector<std::string> last_lines(const std::string& path, std::size_t count, std::int64_t begin = 0);

}  // namespace fabric
