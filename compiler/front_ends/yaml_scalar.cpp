#include "compiler/front_ends/yaml_scalar.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace fabric {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

TypedScalar doubtful(std::string_view text, const char* code, std::string message, std::string help, std::optional<std::string> replacement) {
  return {Value(text), code, std::move(message), std::move(help), std::move(replacement)};
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

// [-+]?digits(.digits)?([eE][-+]?digits)? with at least a point or an exponent; digits may be missing on one side of the point.
bool looks_real(std::string_view text) {
  std::size_t i = 0, digits = 0;
  bool point = false, exponent = false;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  for (; i < text.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(text[i]))) {
      ++digits;
    } else if (text[i] == '.' && !point) {
      point = true;
    } else {
      break;
    }
  }
  if (digits == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    exponent = true;
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (!all_digits(text.substr(i))) return false;
    i = text.size();
  }
  return i == text.size() && (point || exponent);
}

}  // namespace

TypedScalar type_plain_scalar(std::string_view text) {
  if (text.empty() || text == "~" || text == "null") return {Value(), {}, {}, {}, {}};
  if (text == "true") return {Value(true), {}, {}, {}, {}};
  if (text == "false") return {Value(false), {}, {}, {}, {}};

  const std::string folded = lower(text);
  for (const auto& [word, means] : {std::pair{"yes", "true"}, {"no", "false"}, {"on", "true"}, {"off", "false"}, {"y", "true"}, {"n", "false"},
                                    {"true", "true"}, {"false", "false"}}) {
    if (folded == word)
      return doubtful(text, "FAB0111", "`" + std::string(text) + "` is a boolean to some readers of YAML and text to others",
                      std::string("write `") + means + "` for the boolean, or \"" + std::string(text) + "\" for the text", quoted(text));
  }
  if (folded == "null")
    return doubtful(text, "FAB0111", "`" + std::string(text) + "` is null to some readers of YAML and text to others",
                    "write `null` for no value, or put the text in quotes", quoted(text));

  std::string_view digits = text;
  const bool sign = digits.front() == '-' || digits.front() == '+';
  if (sign) digits.remove_prefix(1);
  const bool negative = text.front() == '-';
  const auto integer = [&](std::string_view body, int base) -> TypedScalar {
    std::int64_t value = 0;
    const std::string signed_text = (negative ? "-" : "") + std::string(body);
    const auto [stop, error] = std::from_chars(signed_text.data(), signed_text.data() + signed_text.size(), value, base);
    if (error == std::errc::result_out_of_range)
      return doubtful(text, "FAB0114", "the integer `" + std::string(text) + "` does not fit into 64 bits", "put it in quotes if it is text",
                      quoted(text));
    if (error != std::errc{} || stop != signed_text.data() + signed_text.size()) return {Value(text), {}, {}, {}, {}};
    return {Value(value), {}, {}, {}, {}};
  };
  if (all_digits(digits)) {
    if (digits.size() > 1 && digits.front() == '0') {
      const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
      const std::string decimal = (negative ? "-" : "") + std::string(digits.substr(first));
      return doubtful(text, "FAB0112", "`" + std::string(text) + "` is decimal to some readers of YAML and octal to others",
                      "write " + decimal + ", 0o" + std::string(digits.substr(first)) + " or \"" + std::string(text) + "\"", decimal);
    }
    return integer(digits, 10);
  }
  if (digits.starts_with("0x")) return integer(digits.substr(2), 16);
  if (digits.starts_with("0o")) return integer(digits.substr(2), 8);
  if (std::isdigit(static_cast<unsigned char>(digits.front())) && digits.find('_') != std::string_view::npos) {
    std::string plain;
    std::copy_if(digits.begin(), digits.end(), std::back_inserter(plain), [](char c) { return c != '_'; });
    if (all_digits(plain) || looks_real(plain))
      return doubtful(text, "FAB0113", "`" + std::string(text) + "` is a number to some readers of YAML and text to others",
                      "write the number without `_`, or put the text in quotes", (negative ? "-" : "") + plain);
  }
  if (looks_real(text)) {
    std::string_view body = text;
    if (body.front() == '+') body.remove_prefix(1);
    std::string padded(body);
    // from_chars wants a digit in front of the point.
    if (const std::size_t point = padded.find('.'); point != std::string::npos && (point == 0 || padded[point - 1] == '-')) padded.insert(point, "0");
    double value = 0;
    if (std::from_chars(padded.data(), padded.data() + padded.size(), value).ec == std::errc::result_out_of_range && folded.find("e-") == std::string::npos)
      return doubtful(text, "FAB0115", "the number `" + std::string(text) + "` is beyond the range of a double", "the largest is about 1.8e308", {});
    return {Value(value), {}, {}, {}, {}};
  }
  if (folded == ".nan" || folded == ".inf" || folded == "-.inf" || folded == "+.inf")
    return doubtful(text, "FAB0115", "`" + std::string(text) + "` is no number that a job can use", "write a finite number", {});
  return {Value(text), {}, {}, {}, {}};
}

}  // namespace fabric
