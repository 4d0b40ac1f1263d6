#include "launch_backends/bash_word.hpp"

#include <algorithm>
#include <cstdio>

namespace fabric {
namespace {

// Never special to bash, wherever in a word.
bool is_bare(char c) {
  constexpr std::string_view bare = "_-./:=,@%+";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || bare.find(c) != std::string_view::npos;
}

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

}  // namespace

std::string bash_word(std::string_view text) {
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_bare)) return std::string(text);
  if (std::all_of(text.begin(), text.end(), is_printable)) {
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + '\'';
  }
  // On one line, and of ASCII alone: what else is in the script cannot change how it is read.
  std::string quoted = "$'";
  for (const char c : text) {
    if (c == '\n') quoted += "\\n";
    else if (c == '\t') quoted += "\\t";
    else if (c == '\'' || c == '\\') quoted += std::string("\\") + c;
    else if (is_printable(c)) quoted += c;
    else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      quoted += escape;
    }
  }
  return quoted + '\'';
}

}  // namespace fabric
