// Names that machines and other users chose may be any bytes; Hardware holds text.
#pragma once

#include <string>
#include <string_view>

namespace fabric {

// text with each byte that does not belong to valid UTF-8 (RFC 3629) replaced by U+FFFD. Nothing else is changed: control characters
// stay, and whoever prints to a terminal makes them harmless.
std::string valid_utf8(std::string_view text);

}  // namespace fabric
