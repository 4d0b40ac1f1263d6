// The numbers of a JSON text (RFC 8259, section 6): integers of 64 bits and doubles, and what is wrong with anything else.
#pragma once

#include <string_view>
#include <variant>

#include "schema/value.hpp"

namespace fabric {

// What becomes of an integer beyond 64 bits.
enum class LargeIntegers {
  refused,    // in what a user writes, where digits would be lost in silence
  canonical,  // a double, if it is just what canonical_json writes for that double: ECMAScript's form has no exponent below 1e21
  doubles,    // a double: whoever wrote the text has no other numbers
};

struct JsonNumberError {
  const char* code;
  const char* message;
  const char* help;
};

// token is all that stands together, and begins with a digit or a minus.
std::variant<Value, JsonNumberError> read_json_number(std::string_view token, LargeIntegers large);

}  // namespace fabric
