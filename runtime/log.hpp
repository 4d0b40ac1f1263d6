// The worker's own log: lines with a time on standard output, which is the rank's log file. The only door to spdlog.
#pragma once

#include <string_view>

namespace fabric {

void log_line(std::string_view text);
void log_warning(std::string_view text);

}  // namespace fabric
