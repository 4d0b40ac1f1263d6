// A Value as JSON text.
#pragma once

#include <string>

#include "schema/value.hpp"

namespace fabric {

// RFC 8785 (JCS): sorted keys by UTF-16 units, no white space, shortest round-trip numbers in ECMAScript's form. One deviation:
// a 64-bit integer is printed exactly. A real that is NaN or infinite has no JSON form: an assertion.
std::string canonical_json(const Value& value);

// For people: two spaces of indent, keys in their order.
std::string pretty_json(const Value& value);

}  // namespace fabric
