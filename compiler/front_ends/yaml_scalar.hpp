// What a plain (unquoted) YAML scalar means: the core schema of YAML 1.2, restricted, and with an error for each spelling that
// YAML 1.1 and 1.2 read differently. Every scalar of a job is typed here and nowhere else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schema/value.hpp"

namespace fabric {

struct TypedScalar {
  Value value;  // of a refused scalar: its text
  // Of a refused scalar: why, and a spelling that is not in doubt.
  std::string code;  // FAB01xx; empty if it is taken
  std::string message;
  std::string help;
  std::optional<std::string> replacement;
};

// true false; null ~ and nothing; decimal, 0x and 0o integers of 64 bits; decimal floats; all else is a string. Refused: yes no
// on off y n, True, 010, 1_000, 1e400, .inf and integers beyond 64 bits.
TypedScalar type_plain_scalar(std::string_view text);

bool is_null_word(std::string_view text);  // ~ null Null NULL

// text as a double-quoted scalar, which is also a JSON string.
std::string quoted_scalar(std::string_view text);

}  // namespace fabric
