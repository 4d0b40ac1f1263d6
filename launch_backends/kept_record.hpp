// What a file of a run keeps as one JSON value, read back as the type that was written.
#pragma once

#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "schema/binding.hpp"
#include "schema/json.hpp"

namespace fabric {

// Absent if there is no such file, it cannot be read, or it has another shape, as one that another version has written.
template <class T>
std::optional<T> kept_record(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::optional<Value> value = read_json(text);
  if (!value) return std::nullopt;
  try {
    return from_value<T>(*value);
  } catch (const BindingError&) {
    return std::nullopt;
  }
}

}  // namespace fabric
