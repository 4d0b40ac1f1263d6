// UTF-8 by its rules (RFC 3629): nothing overlong, no surrogates, nothing beyond U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fabric {

// The length of the sequence that begins at text[at], or 0 if none does. at < text.size().
std::size_t utf8_length(std::string_view text, std::size_t at);

// Whether all of it is.
bool is_utf8(std::string_view text);

// code_point is at most U+10FFFF and no surrogate.
void append_utf8(std::string& out, std::uint32_t code_point);

// Code points of well-formed text.
std::size_t count_code_points(std::string_view text);

// What stands for bytes that are no UTF-8: U+FFFD.
constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

}  // namespace fabric
