// What an event tells beside its kind, by name; nothing where it tells no such thing, or of another kind than is asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schema/value.hpp"

namespace fabric {

inline std::optional<std::int64_t> integer_in(const Value& detail, std::string_view name) {
  const Value* v = detail.find(name);
  return v && v->is_integer() ? std::optional(v->as_integer()) : std::nullopt;
}

inline std::optional<double> real_in(const Value& detail, std::string_view name) {
  const Value* v = detail.find(name);
  return v && v->is_number() ? std::optional(v->as_real()) : std::nullopt;
}

// Empty where there is none.
inline std::string text_in(const Value& detail, std::string_view name) {
  const Value* v = detail.find(name);
  return v && v->is_string() ? v->as_string() : "";
}

}  // namespace fabric
