// What a plain YAML scalar means here: YAML 1.2's core schema without the traps of 1.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schema/value.hpp"

namespace fabric {

struct TypedScalar {
  Value value;
  // Set when the text means different things to different readers, or nothing at all.
  std::string code;
  std::string message;
  std::string help;
  std::optional<std::string> replacement;  // a spelling that is not in doubt
};

// Booleans are true and false; integers decimal, 0x and 0o; null is null, ~ or nothing; everything else is a string. `yes`, 010,
// 1_000, 1e400 and integers beyond 64 bits are refused.
TypedScalar type_plain_scalar(std::string_view text);

}  // namespace fabric
