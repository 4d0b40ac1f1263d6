// Which rank's end explains the others. The first failure wins; where the clocks cannot tell which was first, its kind decides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch_backends/process.hpp"

namespace fabric {

// Kinds of ends, the likeliest cause first.
enum class EndClass {
  own,            // a signal that nobody here sent, out of memory, or an exit code of the program's own
  exception,      // an ordinary exception: the worker said so, or exit code 1, that of an uncaught one
  communication,  // a peer was gone
  by_us,          // it was told to end
};

struct RankEnd {
  std::int64_t rank = 0;
  double time = 0;         // seconds, by the controller's clock
  double uncertainty = 0;  // seconds to either side
  ExitStatus status;
  bool out_of_memory = false;
  std::string core;  // where its memory was dumped, in words; empty: it was not
  bool by_us = false;
  std::string error_class;  // what the rank said of itself: communication, data, checkpoint ...
  std::string error_message;
};

EndClass end_class(const RankEnd& end);

struct RootCause {
  RankEnd end;
  std::string rule;  // why this one, in words; empty if it was plainly the first
};

// nullopt if no rank failed.
//
// Of the failures that may have been the first by their times, that of the likeliest kind, and of these the earliest. A failure of
// communication gives way to a likelier one within peer_window: peers notice a death before the kernel has taken the dead apart.
std::optional<RootCause> root_cause(const std::vector<RankEnd>& ends);

constexpr double peer_window = 2;  // seconds

// rank 1 exited with code 3 / rank 1 was killed by signal 9 (KILL), out of memory / rank 1 on gpu2 exited with code 3
std::string describe(const RankEnd& end, const std::string& host = "");

}  // namespace fabric
