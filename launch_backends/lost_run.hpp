// The last word about a run whose controller is gone, written by whoever noticed.
#pragma once

#include <cstdint>
#include <string>

namespace fabric {

// Writes nodes/K/lost.json: what was lost, when, and by whose word. Failures are passed over: nobody is left to hear of them.
void note_loss(const std::string& run_directory, std::int64_t node, const std::string& message);

// What stands there; empty: nothing.
std::string noted_loss(const std::string& run_directory, std::int64_t node);

// Completes status.json as `lost` with that message, and events.jsonl, if this attempt is the last and has no end yet. Failures are
// passed over.
void close_lost_run(const std::string& run_directory, std::int64_t attempt, const std::string& message);

}  // namespace fabric
