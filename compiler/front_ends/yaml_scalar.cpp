#include "compiler/front_ends/yaml_scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace fabric {
namespace {

template <std::size_t N>
bool one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

constexpr std::array<std::string_view, 8> yes_words{"yes", "Yes", "YES", "y", "Y", "on", "On", "ON"};
constexpr std::array<std::string_view, 8> no_words{"no", "No", "NO", "n", "N", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 4> capital_booleans{"True", "TRUE", "False", "FALSE"};
constexpr std::array<std::string_view, 3> infinity_words{".inf", ".Inf", ".INF"};
constexpr std::array<std::string_view, 3> nan_words{".nan", ".NaN", ".NAN"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t digits_at(std::string_view text, std::size_t i) {
  const std::size_t begin = i;
  while (i < text.size() && is_digit(text[i])) ++i;
  return i - begin;
}

std::string_view without_sign(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text;
}

bool is_decimal_integer(std::string_view text) {
  text = without_sign(text);
  return !text.empty() && digits_at(text, 0) == text.size();
}

// (\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? after an optional sign: YAML 1.2, 10.3.2.
bool is_decimal_float(std::string_view text) {
  text = without_sign(text);
  std::size_t i = digits_at(text, 0);
  const bool whole = i > 0;
  if (i < text.size() && text[i] == '.') {
    const std::size_t fraction = digits_at(text, ++i);
    if (!whole && fraction == 0) return false;
    i += fraction;
  } else if (!whole) {
    return false;
  }
  if (i == text.size()) return true;
  if (text[i] != 'e' && text[i] != 'E') return false;
  if (++i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  const std::size_t exponent = digits_at(text, i);
  return exponent > 0 && i + exponent == text.size();
}

// 1_000 and its like; grouped receives whether the underscores stand between groups of three, as only numbers have them.
bool is_underscored(std::string_view text, bool& grouped) {
  text = without_sign(text);
  if (text.empty() || !is_digit(text.front()) || text.back() == '_' || text.find('_') == std::string_view::npos) return false;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '_'; })) return false;
  grouped = text.front() != '0';
  for (std::size_t i = digits_at(text, 0); i < text.size() && grouped; i += 4) grouped = text[i] == '_' && digits_at(text, i + 1) == 3;
  return grouped || text.find("__") == std::string_view::npos;
}

TypedScalar refused(std::string_view text, const char* code, std::string message, std::string help, std::string replacement = "") {
  if (replacement.empty()) replacement = quoted_scalar(text);
  return {Value(text), code, std::move(message), std::move(help), std::move(replacement)};
}

TypedScalar taken(Value value) { return {std::move(value), {}, {}, {}, {}}; }

TypedScalar integer(std::string_view text, std::string_view digits, int radix) {
  const bool negative = text[0] == '-';
  std::uint64_t magnitude = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, radix);
  const std::uint64_t limit = std::uint64_t{1} << 63;
  if (error != std::errc{} || magnitude > limit || (magnitude == limit && !negative))
    return refused(text, "FAB0114", "the integer " + std::string(text) + " does not fit into 64 bits",
                   "integers go from -9223372036854775808 to 9223372036854775807; quote it if it is text");
  // Negation in two's complement, so that the smallest integer passes.
  return taken(Value(static_cast<std::int64_t>(negative ? ~magnitude + 1 : magnitude)));
}

TypedScalar real(std::string_view text) {
  const std::string_view digits = text[0] == '+' ? text.substr(1) : text;
  double number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{})
    return refused(text, "FAB0115", "the number " + std::string(text) + " is beyond what 64-bit floating point can hold",
                   "magnitudes go from 5e-324 to 1.8e308; quote it if it is text");
  return taken(Value(number));
}

TypedScalar boolean_of_old(std::string_view text, std::string_view meaning) {
  const std::string shown(text);
  return refused(text, "FAB0111", "`" + shown + "` is a boolean to some readers of YAML and a text to others",
                 "write " + std::string(meaning) + " for the boolean, or \"" + shown + "\" for the text");
}

TypedScalar leading_zero(std::string_view text) {
  const std::string_view digits = without_sign(text);
  const std::string_view significant = digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  const std::string sign = text[0] == '-' ? "-" : "";
  std::string help = "write " + sign + std::string(significant) + " for the number";
  if (sign.empty() && significant.find_first_of("89") == std::string_view::npos) help += ", 0o" + std::string(significant) + " for octal";
  return refused(text, "FAB0112", "the leading zero makes `" + std::string(text) + "` octal to some readers of YAML and decimal to others",
                 help + ", or quote it if it is text");
}

}  // namespace

bool is_null_word(std::string_view text) { return text == "~" || text == "null" || text == "Null" || text == "NULL"; }

TypedScalar type_plain_scalar(std::string_view text) {
  if (text.empty() || is_null_word(text)) return taken(Value());
  if (text == "true" || text == "false") return taken(Value(text == "true"));
  const char first = text[0];
  if (!is_digit(first) && first != '-' && first != '+' && first != '.') {
    if (one_of(text, yes_words)) return boolean_of_old(text, "true");
    if (one_of(text, no_words)) return boolean_of_old(text, "false");
    if (one_of(text, capital_booleans)) {
      const std::string meant = text[0] == 'T' ? "true" : "false";
      return refused(text, "FAB0111", "booleans are written true and false, not `" + std::string(text) + "`",
                     "write " + meant + ", or quote it if it is text", meant);
    }
    return taken(Value(text));
  }
  if (text.starts_with("0x") && text.size() > 2 && text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos)
    return integer(text, text.substr(2), 16);
  if (text.starts_with("0o") && text.size() > 2 && text.find_first_not_of("01234567", 2) == std::string_view::npos)
    return integer(text, text.substr(2), 8);
  if (is_decimal_integer(text)) {
    const std::string_view digits = without_sign(text);
    return digits.size() > 1 && digits[0] == '0' ? leading_zero(text) : integer(text, digits, 10);
  }
  if (is_decimal_float(text)) return real(text);
  if (bool grouped = false; is_underscored(text, grouped)) {
    std::string plain(text);
    std::erase(plain, '_');
    return refused(text, "FAB0113", "`" + std::string(text) + "` is a number to some readers of YAML and a text to others",
                   "write " + plain + " for the number, or quote it if it is text", grouped ? plain : "");
  }
  if (one_of(without_sign(text), infinity_words) || one_of(text, nan_words))
    return refused(text, "FAB0115", "`" + std::string(text) + "` is no number that a job can hold",
                   "give a finite number; quote it if it is text");
  return taken(Value(text));
}

std::string quoted_scalar(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += "\\u00";
      quoted += "0123456789abcdef"[byte >> 4];
      quoted += "0123456789abcdef"[byte & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace fabric
