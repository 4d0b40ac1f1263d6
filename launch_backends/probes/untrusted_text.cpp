#include "launch_backends/probes/untrusted_text.hpp"

#include <algorithm>

namespace fabric {
namespace {

unsigned char byte(char c) { return static_cast<unsigned char>(c); }

// The length of the well-formed sequence at the start of text, or 0 (the Unicode standard, table 3-7).
std::size_t well_formed(std::string_view text) {
  const unsigned char lead = byte(text[0]);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  const unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;  // no overlong forms
  const unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;   // no surrogates, nothing beyond U+10FFFF
  if (byte(text[1]) < least || byte(text[1]) > most) return 0;
  const bool continued = std::all_of(text.begin() + 2, text.begin() + static_cast<std::ptrdiff_t>(length),
                                     [](char c) { return (byte(c) & 0xc0) == 0x80; });
  return continued ? length : 0;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = well_formed(text);
    out += length > 0 ? text.substr(0, length) : std::string_view("\xef\xbf\xbd");
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return out;
}

}  // namespace fabric
