// The numbers of a JSON text (RFC 8259, section 6): integers of 64 bits and doubles, and what is wrong with anything else.
#pragma once

#include <string_view>
#include <variant>

#include "schema/value.hpp"

namespace fabric {

struct JsonNumberError {
  const char* code;
  const char* message;
  const char* help;
};

// token is all that stands together, and begins with a digit or a minus. With canonical, an integer beyond 64 bits is taken if it is
// what canonical_json writes for a double: ECMAScript's form has no exponent below 1e21.
std::variant<Value, JsonNumberError> read_json_number(std::string_view token, bool canonical);

}  // namespace fabric
