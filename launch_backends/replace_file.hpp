// A file that is there whole or not at all.
#pragma once

#include <string>
#include <string_view>

namespace fabric {

// A reader sees the old text or the new one, whole. Not flushed to the disk: that costs more than starting a rank, and what a power
// failure could take is of the last seconds. Throws std::system_error with the path in its text; then nothing has changed.
void replace_file(const std::string& path, std::string_view text);

}  // namespace fabric
