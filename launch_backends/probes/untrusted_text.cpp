#include "launch_backends/probes/untrusted_text.hpp"

#include "schema/utf8.hpp"

namespace fabric {

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    out += length > 0 ? text.substr(at, length) : replacement_character;
    at += length > 0 ? length : 1;
  }
  return out;
}

}  // namespace fabric
