// When a rank printed what: an index beside its log, a line at most a second, TIME BYTES: all before that byte was there at that time. What
// is printed carries no time of its own, and nobody stands between a rank and its file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launch_backends/descriptor.hpp"

namespace fabric {

class LogTimes {
 public:
  static constexpr double apart = 1;  // seconds between two lines, and so how exact it is

  // Goes on with the file, or makes it. One that cannot be written is done without.
  explicit LogTimes(const std::string& path);

  // So many bytes of the log are there now, in seconds since the epoch; called again and again. last: for the last time.
  void seen(std::int64_t bytes, double now, bool last = false);

  // Where to begin to read, not to miss what was printed at that time or later: at most `apart` too early. nullopt if the file is not
  // there.
  static std::optional<std::int64_t> offset_at(const std::string& path, double time);

 private:
  FileDescriptor file_;
  std::int64_t bytes_ = 0;  // told last
  double told_ = 0;
};

}  // namespace fabric
