#include "schema/json_number.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "schema/json_write.hpp"

namespace fabric {
namespace {

std::optional<JsonNumberError> malformed(std::string_view token) {
  const auto error = [](const char* message, const char* help) { return JsonNumberError{"FAB0312", message, help}; };
  std::size_t i = token.starts_with('-') ? 1 : 0;
  const auto is = [&](char c) { return i < token.size() && (token[i] | 32) == (c | 32); };
  const auto digits = [&] {
    const std::size_t first = i;
    while (i < token.size() && token[i] >= '0' && token[i] <= '9') ++i;
    return i - first;
  };
  const bool zero = is('0');
  const std::size_t whole = digits();
  if (whole == 0) return error("digits are missing after the minus", "write a number or remove the minus");
  if (is('x')) return error("JSON has no hexadecimal numbers", "write it as a decimal number");
  if (zero && whole > 1) return error("a number does not begin with 0", "remove the zero in front");
  if (i < token.size() && token[i] == '.') {
    ++i;
    if (digits() == 0) return error("digits are missing after the point", "write at least one, such as 1.0");
  }
  if (is('e')) {
    ++i;
    if (i < token.size() && (token[i] == '+' || token[i] == '-')) ++i;
    if (digits() == 0) return error("digits are missing in the exponent", "write at least one, such as 1e0");
  }
  if (i == token.size()) return std::nullopt;
  return error("this is not a number", token[i] == '_' ? "remove the underscores" : "is a comma missing, or quotes around a string?");
}

// Whether a well-formed number that no double holds is too large, and not too small: the place of its first digit other than 0,
// moved by the exponent, tells.
bool is_too_large(std::string_view token) {
  const std::size_t e = std::min(token.find_first_of("eE"), token.size());
  const std::size_t point = std::min(token.find('.'), e);
  const std::size_t first = token.find_first_of("123456789");
  std::int64_t exponent = 0;
  if (e < token.size()) {
    const bool minus = token[e + 1] == '-';
    const std::size_t digits = e + 1 + (minus || token[e + 1] == '+');
    if (std::from_chars(token.data() + digits, token.data() + token.size(), exponent).ec != std::errc{}) return !minus;
    if (minus) exponent = -exponent;
  }
  return static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first) + exponent > 0;
}

}  // namespace

std::variant<Value, JsonNumberError> read_json_number(std::string_view token, LargeIntegers large) {
  if (const auto error = malformed(token)) return *error;
  const char *begin = token.data(), *end = begin + token.size();
  const bool whole = token.find_first_of(".eE") == std::string_view::npos;
  if (std::int64_t integer = 0; whole && std::from_chars(begin, end, integer).ec == std::errc{}) return Value(integer);

  double real = 0;
  const bool fits = std::from_chars(begin, end, real).ec == std::errc{};
  const bool taken = large == LargeIntegers::doubles || (large == LargeIntegers::canonical && fits && canonical_json(Value(real)) == token);
  if (whole && !taken)
    return JsonNumberError{"FAB0313", "the integer does not fit into 64 bits", "write it as a string, or as a real number with `.0`"};
  if (fits) return Value(real);
  if (is_too_large(token)) return JsonNumberError{"FAB0314", "the number is beyond the range of a double", "the largest is about 1.8e308"};
  // Too small is zero to every reader of doubles.
  return Value(token.starts_with('-') ? -0.0 : 0.0);
}

}  // namespace fabric
