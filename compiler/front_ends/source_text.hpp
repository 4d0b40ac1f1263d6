// What must hold of the bytes of any source before a parser sees them: parsers pass over control characters, broken UTF-8 and
// invisible reordering in silence, and then what a reviewer reads is not what runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "schema/diagnostic.hpp"
#include "schema/source_map.hpp"

namespace fabric {

constexpr std::size_t source_size_limit = std::size_t{8} << 20;  // bytes

// Checks sources[source].text from byte `begin` on: at most 8 MiB, valid UTF-8, no NUL or other control character but tab, line
// feed and CR LF, no bidirectional override, no byte order mark but one at the start. Answers whether it is sound (FAB0116 to FAB0118,
// FAB0121).
bool check_source_text(const Sources& sources, std::uint32_t source, std::uint32_t begin, Diagnostics& diagnostics);

// The length of a UTF-8 byte order mark at the start of text: 3 or 0.
std::size_t byte_order_mark(std::string_view text);

}  // namespace fabric
