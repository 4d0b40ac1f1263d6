// The log files of a run's ranks, read as lines while they grow and while new ones appear. Each is held open: one that cannot be is a
// std::runtime_error with a way out, and no silence.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/rank_filter.hpp"
#include "launch_backends/descriptor.hpp"
#include "launch_backends/file_watch.hpp"
#include "launch_backends/rank_output.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {

class RankLogs {
 public:
  // filter: only lines that it shows. run outlives this object.
  explicit RankLogs(const RunDirectory& run, RankFilter filter = {});

  using Line = std::function<void(std::int64_t node, std::int64_t rank, std::string_view line)>;

  // From here on only what was printed at that time or later, give or take LogTimes::apart, from the begin of a line on; called first.
  // False if a rank's times are not known: then all of it is read.
  bool begin_at(double time);
  // From here on only the last lines of what a rank has printed so far; called first.
  void begin_with_last(std::size_t lines);

  // What the files have now, rank after rank. last: half a line at the end has no other half to come. state: given the line that a rank
  // is redrawing, as progress is shown, where it stands so. after: called once each rank has been read.
  void read_all(
      bool last, const Line& line, const Line& state, const std::function<void()>& after = [] {});
  // What has come since, as it came. False if there was nothing. last, state: as above; ended: called where a line has ended, shown or not.
  bool read_more(bool last, const Line& line, const Line& state, const std::function<void(std::int64_t rank)>& ended);
  // For how long each rank has printed nothing, of those that have printed something.
  void each_written(const std::function<void(std::int64_t rank, double seconds_ago)>& visit) const;
  // Returns when one of the files was written to, or after a moment; new files are to be looked for now and then. soon: the first is
  // expected any moment.
  void wait(bool soon = false);

 private:
  struct Log {
    std::int64_t node = 0, rank = 0;
    FileDescriptor file;
    LineCutter cutter;
    std::string line_before{};  // what a line that goes on after the begin has in front of it: a line may take several writes
  };

  // New files; unless they must be found, not before twenty times as long has passed as the last look took.
  void find(bool must = true);
  bool read_some(Log& log, const std::function<void(std::string_view)>& line);
  void show_state(const Log& log, const Line& state) const;

  const RunDirectory& run_;
  const RankFilter filter_;
  const std::uint64_t most_files_;  // that this process may have open
  FileWatch watch_;
  std::set<std::int64_t> known_;
  std::vector<Log> logs_;
  std::chrono::steady_clock::time_point look_again_at_{};
};

}  // namespace fabric
