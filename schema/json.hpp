// JSON text <-> Value. The reader is ours because it keeps positions and refuses what other readers accept in silence:
// duplicate keys, integers beyond 64 bits, numbers beyond a double, nesting deeper than a limit, invalid UTF-8 (RFC 8259).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schema/diagnostic.hpp"
#include "schema/json_number.hpp"
#include "schema/json_write.hpp"
#include "schema/value.hpp"

namespace fabric {

constexpr std::size_t json_depth_limit = 200;

// Reads sources[source].text. The place of each value and of its key is put into map, if given. On errors answers nullopt, leaves map
// alone and adds a diagnostic (FAB03xx) with its exact span for each: reading goes on where it is plain what was meant.
std::optional<Value> read_json(const Sources& sources, std::uint32_t source, SourceMap* map, Diagnostics& diagnostics,
                               LargeIntegers large = LargeIntegers::refused);

// For texts of our own (frames, events, plans between processes): the value, or nullopt and why. It takes every text that
// canonical_json writes: 1e20, which is written without an exponent, comes back as a real.
std::optional<Value> read_json(std::string_view text, std::string* why = nullptr, LargeIntegers large = LargeIntegers::canonical);

}  // namespace fabric
