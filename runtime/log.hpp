// The worker's own log: lines of a time, a level and a text (2026-11-26T10:50:27.616 info: finished) on standard output, which is the
// rank's log file. What a log_line says, an event says too, so that who watches a run is shown the events. The only door to spdlog.
#pragma once

#include <string_view>

namespace fabric {

void log_line(std::string_view text);
void log_warning(std::string_view text);

}  // namespace fabric
