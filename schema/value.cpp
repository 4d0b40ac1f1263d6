#include "schema/value.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fabric {

Value::Value(Object o) : data_(std::move(o)) {}

std::optional<std::int64_t> Value::whole() const {
  if (is_integer()) return as_integer();
  constexpr double two_63 = 9223372036854775808.0;
  if (!is_real() || !(as_real() >= -two_63 && as_real() < two_63) || std::trunc(as_real()) != as_real()) return std::nullopt;
  return static_cast<std::int64_t>(as_real());
}

const Value* Value::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const Member& m : as_object())
    if (m.key == key) return &m.value;
  return nullptr;
}

Value* Value::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

Value& Value::set(std::string_view key, Value value) {
  if (Value* existing = find(key)) return *existing = std::move(value);
  as_object().push_back({std::string(key), std::move(value)});
  return as_object().back().value;
}

bool Value::erase(std::string_view key) {
  if (!is_object()) return false;
  return std::erase_if(as_object(), [&](const Member& m) { return m.key == key; }) > 0;
}

bool operator==(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (!a.is_object()) return a.data_ == b.data_;
  const auto& left = a.as_object();
  if (left.size() != b.as_object().size()) return false;
  return std::all_of(left.begin(), left.end(), [&](const Member& m) {
    const Value* other = b.find(m.key);
    return other && m.value == *other;
  });
}

std::string_view kind_name(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::null: return "null";
    case Value::Kind::boolean: return "a boolean";
    case Value::Kind::integer: return "an integer";
    case Value::Kind::real: return "a number";
    case Value::Kind::string: return "a string";
    case Value::Kind::array: return "a list";
    case Value::Kind::object: return "a map";
  }
  return "a value";
}

}  // namespace fabric
