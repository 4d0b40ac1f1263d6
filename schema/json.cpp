#include "schema/json.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <unordered_map>
#include <vector>

namespace fabric {
namespace {

struct JsonError {
  std::string code;
  std::string message;
  std::size_t begin;
  std::size_t end;
  std::string help;
  std::optional<std::size_t> note_begin;  // where the first of two equal keys stands
  std::size_t note_end = 0;
};

// The length of the UTF-8 sequence at text[at], or 0 if it is not one (RFC 3629: no surrogates, nothing overlong).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  const unsigned lead = byte(0);
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
    return 4;
  }
  return 0;
}

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

class Reader {
 public:
  Reader(std::string_view text, std::uint32_t source, SourceMap* map) : text_(text), source_(source), map_(map) {}

  Value read() {
    if (text_.starts_with("\xEF\xBB\xBF")) fail("FAB0302", "the text begins with a byte order mark", 0, 3, "save it as UTF-8 without one");
    Value value = read_value(Path(), std::nullopt, 0);
    skip_space();
    if (at_ < text_.size()) fail("FAB0303", "there is text after the value", at_, text_.size(), "a JSON text holds one value: remove the rest");
    return value;
  }

 private:
  [[noreturn]] void fail(std::string code, std::string message, std::size_t begin, std::size_t end, std::string help = {}) const {
    throw JsonError{std::move(code), std::move(message), begin, std::max(end, begin + 1), std::move(help), std::nullopt};
  }

  [[noreturn]] void unexpected(const std::string& wanted) const {
    if (at_ >= text_.size()) fail("FAB0304", "the text ends where " + wanted + " is expected", at_, at_ + 1, "is the file cut off?");
    std::size_t end = at_;
    while (end < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '_')) ++end;
    std::string help = "JSON takes objects, arrays, strings in double quotes, numbers, true, false and null";
    if (text_[at_] == '\'') help = "strings stand in double quotes";
    if (text_[at_] == '/' || text_[at_] == '#') help = "JSON has no comments";
    fail("FAB0305", "expected " + wanted, at_, std::max(end, at_ + 1), help);
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Span span(std::size_t begin) const { return {source_, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(at_)}; }

  Value read_value(const Path& path, std::optional<Span> key, std::size_t depth) {
    skip_space();
    const std::size_t begin = at_;
    if (at_ < text_.size() && (text_[at_] == '{' || text_[at_] == '[') && depth >= json_depth_limit)
      fail("FAB0306", "nested deeper than " + std::to_string(json_depth_limit) + " levels", at_, at_ + 1, "no job needs that; flatten it");
    Value value;
    if (at_ >= text_.size()) unexpected("a value");
    switch (text_[at_]) {
      case '{': value = read_object(path, depth); break;
      case '[': value = read_array(path, depth); break;
      case '"': value = read_string(); break;
      case 't': value = word("true", true); break;
      case 'f': value = word("false", false); break;
      case 'n': value = word("null", Value()); break;
      default: value = read_number();
    }
    if (map_) map_->set(path, Origin{key, span(begin), false});
    return value;
  }

  Value word(std::string_view text, Value value) {
    if (text_.substr(at_, text.size()) != text) unexpected("a value");
    const std::size_t end = at_ + text.size();
    if (end < text_.size() && std::isalnum(static_cast<unsigned char>(text_[end]))) unexpected("a value");
    at_ = end;
    return value;
  }

  Value read_object(const Path& path, std::size_t depth) {
    Value::Object members;
    std::unordered_map<std::string, std::pair<std::size_t, std::size_t>> seen;
    ++at_;
    skip_space();
    if (take('}')) return Value(std::move(members));
    while (true) {
      skip_space();
      if (at_ >= text_.size() || text_[at_] != '"') unexpected("a key in double quotes");
      const std::size_t begin = at_;
      std::string key = read_string();
      const Span key_span = span(begin);
      if (const auto [it, fresh] = seen.emplace(key, std::pair(begin, at_)); !fresh) {
        JsonError error{"FAB0307", "the key `" + key + "` stands twice in one object", begin, at_, "remove one of the two", it->second.first};
        error.note_end = it->second.second;
        throw error;
      }
      skip_space();
      if (!take(':')) unexpected("`:` after the key");
      Value value = read_value(map_ ? path / key : path, key_span, depth + 1);
      members.push_back({std::move(key), std::move(value)});
      skip_space();
      if (take('}')) return Value(std::move(members));
      if (!take(',')) unexpected("`,` or `}`");
      skip_space();
      if (at_ < text_.size() && text_[at_] == '}') fail("FAB0305", "a comma stands before the end of the object", at_, at_ + 1, "remove the comma");
    }
  }

  Value read_array(const Path& path, std::size_t depth) {
    Value::Array items;
    ++at_;
    skip_space();
    if (take(']')) return Value(std::move(items));
    while (true) {
      items.push_back(read_value(map_ ? path / items.size() : path, std::nullopt, depth + 1));
      skip_space();
      if (take(']')) return Value(std::move(items));
      if (!take(',')) unexpected("`,` or `]`");
      skip_space();
      if (at_ < text_.size() && text_[at_] == ']') fail("FAB0305", "a comma stands before the end of the array", at_, at_ + 1, "remove the comma");
    }
  }

  std::uint32_t read_hex4(std::size_t escape) {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      if (!std::isxdigit(static_cast<unsigned char>(c))) fail("FAB0308", "\\u is followed by four hexadecimal digits", escape, at_ + 1);
      code = code * 16 + static_cast<std::uint32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return code;
  }

  std::string read_string() {
    const std::size_t begin = at_++;
    std::string out;
    while (true) {
      // The run of plain characters up to the next one that needs a look.
      const std::size_t run = at_;
      while (at_ < text_.size()) {
        const auto c = static_cast<unsigned char>(text_[at_]);
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
        ++at_;
      }
      out.append(text_.substr(run, at_ - run));
      if (at_ >= text_.size()) fail("FAB0309", "the string is not ended", begin, at_, "close it with a double quote");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c < 0x20)
        fail(c == '\n' ? "FAB0309" : "FAB0310", c == '\n' ? "the string is not ended on its line" : "a control character stands in a string", at_,
             at_ + 1, "write it as an escape, such as \\n");
      if (c >= 0x80) {
        const std::size_t length = utf8_length(text_, at_);
        if (length == 0) fail("FAB0311", "the bytes are not UTF-8", at_, at_ + 1, "save the file as UTF-8");
        out.append(text_.substr(at_, length));
        at_ += length;
        continue;
      }
      const std::size_t escape = at_++;
      const char e = at_ < text_.size() ? text_[at_] : '\0';
      ++at_;
      switch (e) {
        case '"': out += '"'; break;
        case '\\': out += '\\'; break;
        case '/': out += '/'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'n': out += '\n'; break;
        case 'r': out += '\r'; break;
        case 't': out += '\t'; break;
        case 'u': {
          std::uint32_t code = read_hex4(escape);
          if (code >= 0xDC00 && code <= 0xDFFF) fail("FAB0308", "a low surrogate stands alone", escape, at_, "write the character itself");
          if (code >= 0xD800 && code <= 0xDBFF) {
            if (text_.substr(at_, 2) != "\\u") fail("FAB0308", "a high surrogate stands alone", escape, at_, "write the character itself");
            at_ += 2;
            const std::uint32_t low = read_hex4(escape);
            if (low < 0xDC00 || low > 0xDFFF) fail("FAB0308", "a high surrogate stands alone", escape, at_, "write the character itself");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
          }
          append_utf8(out, code);
          break;
        }
        default: fail("FAB0308", "unknown escape in a string", escape, std::min(at_, text_.size()), "the escapes are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
      }
    }
  }

  Value read_number() {
    const std::size_t begin = at_;
    const auto digits = [&] {
      const std::size_t first = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      return at_ - first;
    };
    take('-');
    const bool zero = at_ < text_.size() && text_[at_] == '0';
    const std::size_t whole = digits();
    if (whole == 0) {
      at_ = begin;
      unexpected("a value");
    }
    if (zero && whole > 1) fail("FAB0312", "a number does not begin with 0", begin, at_, "remove the zero in front");
    bool real = false;
    if (take('.')) {
      real = true;
      if (digits() == 0) fail("FAB0312", "digits are missing after the point", begin, at_);
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      real = true;
      ++at_;
      if (!take('+')) take('-');
      if (digits() == 0) fail("FAB0312", "digits are missing in the exponent", begin, at_);
    }
    const std::string_view token = text_.substr(begin, at_ - begin);
    if (!real) {
      std::int64_t integer = 0;
      if (std::from_chars(token.data(), token.data() + token.size(), integer).ec != std::errc{})
        fail("FAB0313", "the integer does not fit into 64 bits", begin, at_, "write it as a string, or as a real number with `.0`");
      return integer;
    }
    double number = 0;
    const auto [stop, error] = std::from_chars(token.data(), token.data() + token.size(), number);
    // Too small is zero to every reader of doubles; too large has no value.
    if (error == std::errc::result_out_of_range) {
      const bool tiny = token.find("e-") != std::string_view::npos || token.find("E-") != std::string_view::npos;
      if (!tiny) fail("FAB0314", "the number is beyond the range of a double", begin, at_, "the largest is about 1.8e308");
      number = token.front() == '-' ? -0.0 : 0.0;
    }
    return number;
  }

  std::string_view text_;
  std::uint32_t source_;
  SourceMap* map_;
  std::size_t at_ = 0;
};

// --- writing

void write_string(std::string& out, std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      // A Value may hold bytes of the outside world; JSON text is UTF-8 always.
      const std::size_t length = utf8_length(text, i);
      if (length == 0) {
        out += "\xEF\xBF\xBD";
        ++i;
      } else {
        out.append(text.substr(i, length));
        i += length;
      }
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
        if (c < 0x20) {
          out += "\\u00";
          out += digits[c >> 4];
          out += digits[c & 15];
        } else {
          out += static_cast<char>(c);
        }
    }
    ++i;
  }
  out += '"';
}

// ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20), which RFC 8785 section 3.2.2.3 prescribes.
void write_real(std::string& out, double d) {
  assert(std::isfinite(d));
  if (d == 0) {
    out += '0';
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  int exponent = 0;
  const std::string_view power = text.substr(e + 1);
  std::from_chars(power.data() + (power.front() == '+' ? 1 : 0), power.data() + power.size(), exponent);
  std::string digits(1, text[0]);
  if (e > 2) digits.append(text.substr(2, e - 2));
  const int k = static_cast<int>(digits.size());
  const int n = exponent + 1;  // the value is 0.digits x 10^n
  if (k <= n && n <= 21) {
    out += digits + std::string(static_cast<std::size_t>(n - k), '0');
  } else if (0 < n && n <= 21) {
    out += digits.substr(0, static_cast<std::size_t>(n)) + '.' + digits.substr(static_cast<std::size_t>(n));
  } else if (-6 < n && n <= 0) {
    out += "0." + std::string(static_cast<std::size_t>(-n), '0') + digits;
  } else {
    out += digits.substr(0, 1);
    if (k > 1) out += '.' + digits.substr(1);
    out += 'e';
    out += n - 1 < 0 ? '-' : '+';
    out += std::to_string(std::abs(n - 1));
  }
}

// Order of UTF-16 code units. It differs from the order of bytes only where one side is beyond the BMP: those are written with
// surrogates, which sort below U+E000 to U+FFFF.
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) return x == a.end() && y != b.end();
  const auto left = static_cast<unsigned char>(*x), right = static_cast<unsigned char>(*y);
  const auto rank = [](unsigned char lead) { return lead >= 0xF0 ? 0xED80u : unsigned{lead} << 8; };
  if ((left >= 0xEE && right >= 0xF0) || (left >= 0xF0 && right >= 0xEE)) {
    if ((left >= 0xF0) != (right >= 0xF0)) return rank(left) < rank(right);
  }
  return left < right;
}

void write_canonical(std::string& out, const Value& value) {
  switch (value.kind()) {
    case Value::Kind::null: out += "null"; break;
    case Value::Kind::boolean: out += value.as_bool() ? "true" : "false"; break;
    case Value::Kind::integer: out += std::to_string(value.as_integer()); break;
    case Value::Kind::real: write_real(out, value.as_real()); break;
    case Value::Kind::string: write_string(out, value.as_string()); break;
    case Value::Kind::array: {
      out += '[';
      bool first = true;
      for (const Value& item : value.as_array()) {
        if (!first) out += ',';
        first = false;
        write_canonical(out, item);
      }
      out += ']';
      break;
    }
    case Value::Kind::object: {
      std::vector<const Member*> members;
      for (const Member& m : value.as_object()) members.push_back(&m);
      std::sort(members.begin(), members.end(), [](const Member* a, const Member* b) { return utf16_less(a->key, b->key); });
      out += '{';
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (i) out += ',';
        write_string(out, members[i]->key);
        out += ':';
        write_canonical(out, members[i]->value);
      }
      out += '}';
      break;
    }
  }
}

void write_pretty(std::string& out, const Value& value, std::size_t indent) {
  const auto line = [&](std::size_t depth) {
    out += '\n';
    out.append(2 * depth, ' ');
  };
  if (value.is_array() && !value.as_array().empty()) {
    out += '[';
    for (std::size_t i = 0; i < value.as_array().size(); ++i) {
      if (i) out += ',';
      line(indent + 1);
      write_pretty(out, value.as_array()[i], indent + 1);
    }
    line(indent);
    out += ']';
  } else if (value.is_object() && !value.as_object().empty()) {
    out += '{';
    for (std::size_t i = 0; i < value.as_object().size(); ++i) {
      if (i) out += ',';
      line(indent + 1);
      write_string(out, value.as_object()[i].key);
      out += ": ";
      write_pretty(out, value.as_object()[i].value, indent + 1);
    }
    line(indent);
    out += '}';
  } else {
    write_canonical(out, value);
  }
}

}  // namespace

std::optional<Value> read_json(const Sources& sources, std::uint32_t source, SourceMap* map, Diagnostics& diagnostics) {
  const std::string& text = sources[source].text;
  try {
    return Reader(text, source, map).read();
  } catch (const JsonError& error) {
    const auto clip = [&](std::size_t at) { return static_cast<std::uint32_t>(std::min(at, text.size())); };
    Diagnostic d{.code = error.code,
                 .message = error.message,
                 .at = Span{source, clip(error.begin), clip(error.end)},
                 .label = "here",
                 .help = error.help.empty() ? "see RFC 8259 for what JSON allows" : error.help};
    if (error.note_begin) d.notes.push_back({"the first one is here", Span{source, clip(*error.note_begin), clip(error.note_end)}});
    diagnostics.add(std::move(d));
    return std::nullopt;
  }
}

std::optional<Value> read_json(std::string_view text, std::string* why) {
  try {
    return Reader(text, 0, nullptr).read();
  } catch (const JsonError& error) {
    if (why) *why = error.message + " (byte " + std::to_string(error.begin) + ')';
    return std::nullopt;
  }
}

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
