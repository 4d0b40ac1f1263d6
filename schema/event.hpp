// What happens in a run, as written to events.jsonl, one JSON object a line, and as told to whoever watches. Also what a rank
// may append to the file that FABRIC_EVENTS names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "schema/binding.hpp"

namespace fabric {

// Kinds written by the controller: run_started, node_ready, bound, rank_started, rank_exited, stopping,
// restarting, stalled, first_output, met, note, run_finished.
// Kinds written by fabric's own worker: start, first_step, step, epoch, checkpoint, error, finished. A program may write these and
// any other but the controller's; docs/run-directory.md says what each holds.
struct Event {
  std::string kind;
  double time = 0;  // seconds since the epoch, of the machine where it happened
  std::optional<std::int64_t> node;
  std::optional<std::int64_t> rank;
  Value detail;  // a map, by kind

  static constexpr auto fields() {
    return listed(field("kind", &Event::kind), field("time", &Event::time), field("node", &Event::node), field("rank", &Event::rank),
                  field("detail", &Event::detail));
  }
  friend bool operator==(const Event&, const Event&) = default;
};

// Compiled once, in bindings.cpp.
extern template Event from_value<Event>(const Value&, const Path&);
extern template Value to_value<Event>(const Event&);

}  // namespace fabric
