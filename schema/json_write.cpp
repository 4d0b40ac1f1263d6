#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <vector>

#include "schema/json_write.hpp"
#include "schema/utf8.hpp"

namespace fabric {
namespace {

void write_string(std::string& out, std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  const auto is_plain = [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x80 && c != '"' && c != '\\';
  };
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t run = i;
    while (i < text.size() && is_plain(text[i])) ++i;
    out.append(text.substr(run, i - run));
    if (i == text.size()) break;
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      // A Value may hold bytes of the outside world; JSON text is UTF-8 always.
      const std::size_t length = utf8_length(text, i);
      out.append(length ? text.substr(i, length) : replacement_character);
      i += std::max<std::size_t>(length, 1);
      continue;
    }
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out += digits[c >> 4];
        out += digits[c & 15];
    }
    ++i;
  }
  out += '"';
}

// ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20), which RFC 8785 section 3.2.2.3 prescribes. k, n and the digits are the
// standard's: the value is 0.digits x 10^n.
void write_real(std::string& out, double d) {
  assert(std::isfinite(d));
  if (d == 0) {  // both zeros
    out += '0';
    return;
  }
  char buffer[32];
  const auto [stop, error] = std::to_chars(buffer, buffer + sizeof buffer, std::abs(d), std::chars_format::scientific);
  assert(error == std::errc{});
  const std::string_view text(buffer, static_cast<std::size_t>(stop - buffer));  // d.ddde+xx
  const std::size_t e = text.find('e');
  std::string digits(text.substr(0, 1));
  if (e > 1) digits += text.substr(2, e - 2);
  const char* power = text.data() + e + 1;
  int exponent = 0;
  std::from_chars(*power == '+' ? power + 1 : power, stop, exponent);

  const int k = static_cast<int>(digits.size());
  const int n = exponent + 1;
  if (d < 0) out += '-';
  if (k <= n && n <= 21) {
    out += digits;
    out.append(static_cast<std::size_t>(n - k), '0');
  } else if (0 < n && n <= 21) {
    out.append(digits, 0, static_cast<std::size_t>(n)).append(1, '.').append(digits, static_cast<std::size_t>(n));
  } else if (-6 < n && n <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-n), '0').append(digits);
  } else {
    out += digits[0];
    if (k > 1) out.append(1, '.').append(digits, 1);
    out += n > 0 ? "e+" : "e-";
    out += std::to_string(std::abs(n - 1));
  }
}

// By UTF-16 code units. That is the order of bytes but for characters beyond the BMP: their surrogates, and so their UTF-8 leads F0
// to F4, sort below U+E000 to U+FFFF, whose leads are EE and EF.
bool utf16_less(std::string_view a, std::string_view b) {
  const auto rank = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0xEE || byte == 0xEF ? byte + 0x10 : byte;
  };
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) return a.size() < b.size();
  return rank(*x) < rank(*y);
}

void write_scalar(std::string& out, const Value& value) {
  switch (value.kind()) {
    case Value::Kind::null: out += "null"; break;
    case Value::Kind::boolean: out += value.as_bool() ? "true" : "false"; break;
    case Value::Kind::integer: out += std::to_string(value.as_integer()); break;
    case Value::Kind::real: write_real(out, value.as_real()); break;
    case Value::Kind::string: write_string(out, value.as_string()); break;
    case Value::Kind::array: out += "[]"; break;
    case Value::Kind::object: out += "{}"; break;
  }
}

void write_canonical(std::string& out, const Value& value) {
  if (value.is_array() && !value.as_array().empty()) {
    for (char before = '['; const Value& item : value.as_array()) {
      out += std::exchange(before, ',');
      write_canonical(out, item);
    }
    out += ']';
  } else if (value.is_object() && !value.as_object().empty()) {
    std::vector<const Member*> members;
    members.reserve(value.as_object().size());
    for (const Member& m : value.as_object()) members.push_back(&m);
    std::sort(members.begin(), members.end(), [](const Member* a, const Member* b) { return utf16_less(a->key, b->key); });
    for (char before = '{'; const Member* m : members) {
      out += std::exchange(before, ',');
      write_string(out, m->key);
      out += ':';
      write_canonical(out, m->value);
    }
    out += '}';
  } else {
    write_scalar(out, value);
  }
}

void write_pretty(std::string& out, const Value& value, std::size_t indent) {
  const auto line = [&](char before, std::size_t depth) {
    if (before) out += before;
    out += '\n';
    out.append(2 * depth, ' ');
  };
  if (value.is_array() && !value.as_array().empty()) {
    for (char before = '['; const Value& item : value.as_array()) {
      line(std::exchange(before, ','), indent + 1);
      write_pretty(out, item, indent + 1);
    }
    line(0, indent);
    out += ']';
  } else if (value.is_object() && !value.as_object().empty()) {
    for (char before = '{'; const Member& m : value.as_object()) {
      line(std::exchange(before, ','), indent + 1);
      write_string(out, m.key);
      out += ": ";
      write_pretty(out, m.value, indent + 1);
    }
    line(0, indent);
    out += '}';
  } else {
    write_scalar(out, value);
  }
}

}  // namespace

std::string canonical_json(const Value& value) {
  std::string out;
  write_canonical(out, value);
  return out;
}

std::string pretty_json(const Value& value) {
  std::string out;
  write_pretty(out, value, 0);
  return out;
}

}  // namespace fabric
