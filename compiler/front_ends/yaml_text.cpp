#include "compiler/front_ends/yaml_text.hpp"

#include <cstdio>
#include <string>

namespace fabric {
namespace {

constexpr std::size_t size_limit = std::size_t{8} << 20;

// The code point at text[at] and its length, or length 0 where the bytes are no UTF-8 (RFC 3629).
struct CodePoint {
  std::uint32_t value = 0;
  std::uint32_t length = 0;
};

CodePoint decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::uint32_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return {};
  std::uint32_t value = lead & (0xFFu >> (length + 1));
  for (std::uint32_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3F);
  }
  const std::uint32_t smallest = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, length};
}

std::string name_of_code(std::uint32_t c) {
  char text[16];
  std::snprintf(text, sizeof text, "U+%04X", c);
  return text;
}

}  // namespace

bool check_yaml_bytes(const Sources& sources, std::uint32_t source, Diagnostics& diagnostics) {
  const std::string& text = sources[source].text;
  const auto refuse = [&](const char* code, std::string message, std::size_t at, std::size_t length, std::string help) {
    diagnostics.add({.code = code,
                     .message = std::move(message),
                     .at = Span{source, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + length)},
                     .label = "here",
                     .help = std::move(help)});
    return false;
  };
  if (text.size() > size_limit)
    return refuse("FAB0118", "the file has " + std::to_string(text.size()) + " bytes, and a job has at most 8 MiB", 0, 1, "is it the right file?");
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x7F) {
      ++i;
      continue;
    }
    const CodePoint point = decode(text, i);
    if (point.length == 0) return refuse("FAB0117", "the bytes are not UTF-8", i, 1, "save the file as UTF-8");
    const std::uint32_t v = point.value;
    if (v == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'))
      return refuse("FAB0121", "a carriage return stands alone", i, 1, "end lines with a line feed");
    if ((v < 0x20 && v != '\t' && v != '\n' && v != '\r') || (v >= 0x7F && v < 0xA0 && v != 0x85))
      return refuse("FAB0116", "the control character " + name_of_code(v) + " stands in the file", i, point.length,
                    "remove it, or write it as an escape in double quotes");
    if ((v >= 0x202A && v <= 0x202E) || (v >= 0x2066 && v <= 0x2069))
      return refuse("FAB0121", "the character " + name_of_code(v) + " makes the text show otherwise than it reads", i, point.length, "remove it");
    i += point.length;
  }
  return true;
}

}  // namespace fabric
