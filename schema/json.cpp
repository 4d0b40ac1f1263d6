#include "schema/json.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>
#include <variant>
#include <vector>

#include "schema/json_number.hpp"
#include "schema/utf8.hpp"

namespace fabric {
namespace {

// After so many a text is no JSON that somebody meant to write.
constexpr std::size_t error_limit = 100;

struct Bytes {
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct JsonError {
  std::string code;
  std::string message;
  Bytes at;
  std::string help;
  std::string note;  // what stands at note_at, if anything
  Bytes note_at;
};

// Where a value and its key stand, beside the Value: a SourceMap is made from it in one go.
struct Places {
  Bytes key;
  Bytes value;
  std::vector<Places> inside;  // in the order of members or items
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Reader {
 public:
  Reader(std::string_view text, LargeIntegers large) : text_(text), large_(large) {}

  // The value, if there were no errors.
  std::optional<Value> read(Places* places) {
    if (text_.starts_with("\xEF\xBB\xBF")) {
      report("FAB0302", "the text begins with a byte order mark", {0, 3}, "save it as UTF-8 without one");
      at_ = 3;
    }
    Value value;
    if (read_value(value, places)) {
      skip_space();
      if (at_ < text_.size())
        report("FAB0303", "there is text after the value", {at_, trimmed_end()}, "a JSON text holds one value: remove the rest");
    }
    std::stable_sort(errors_.begin(), errors_.end(), [](const JsonError& a, const JsonError& b) { return a.at.begin < b.at.begin; });
    return errors_.empty() ? std::optional(std::move(value)) : std::nullopt;
  }

  const std::vector<JsonError>& errors() const { return errors_; }

 private:
  // Functions that read answer false if what follows cannot be understood any more. After an error that leaves no doubt about
  // what was meant they go on, so that all of a text are shown in one go.
  bool report(std::string code, std::string message, Bytes at, std::string help) {
    errors_.push_back({std::move(code), std::move(message), at, std::move(help), {}, {}});
    return errors_.size() < error_limit;
  }

  bool unexpected(const std::string& wanted) {
    if (at_ >= text_.size()) return ends_too_early(wanted);
    const std::size_t end = token_end();
    const std::string_view token = text_.substr(at_, end - at_);
    const std::string shown(token.substr(0, 40));  // only ASCII can be that long
    const char first = token.front();
    std::string help = "JSON takes objects, arrays, strings in double quotes, numbers, true, false and null";
    if (utf8_length(text_, at_) == 0) return not_utf8();
    if (const std::string_view word = token.substr(first == '-' || first == '+');
        word == "NaN" || word == "nan" || word.starts_with("Inf") || word.starts_with("inf")) {
      help = "JSON has no NaN and no infinity";
    } else if (token == "True" || token == "False" || token == "None" || token == "TRUE" || token == "FALSE" || token == "NULL") {
      help = "JSON writes true, false and null";
    } else if (first == '\'' || token == "\xE2\x80\x9C" || token == "\xE2\x80\x9D" || is_letter(first)) {
      help = "strings and keys stand in double quotes";
    } else if (first == '+') {
      help = "a number has no plus in front";
    } else if (first == '.') {
      help = "a number has a digit before its point";
    } else if (token == "\xC2\xA0") {
      help = "replace the no-break space by a space";
    }
    report("FAB0305", "expected " + wanted + ", found `" + shown + '`', {at_, end}, help);
    return false;
  }

  bool ends_too_early(const std::string& wanted) {
    const std::size_t end = trimmed_end();
    report("FAB0304", end == 0 ? "the text is empty" : "the text ends where " + wanted + " is expected", {end, end},
           open_.empty() ? "write a value" : "close what is open; was the file cut off?");
    if (!open_.empty()) {
      errors_.back().note = "this is still open";
      errors_.back().note_at = {open_.back(), open_.back() + 1};
    }
    return false;
  }

  bool not_utf8() {
    const bool utf16 = text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF");
    report("FAB0311", "the bytes are not UTF-8", {at_, at_ + 1},
           utf16 ? "this looks like UTF-16: save it as UTF-8" : "save the file as UTF-8");
    return false;
  }

  // What is shown as one thing: a word, a number, or one character.
  std::size_t token_end() const {
    std::size_t end = at_;
    while (end < text_.size() &&
           (is_letter(text_[end]) || is_digit(text_[end]) || text_[end] == '-' || text_[end] == '+' || text_[end] == '.'))
      ++end;
    return end > at_ ? end : at_ + std::max<std::size_t>(1, utf8_length(text_, at_));
  }

  std::size_t trimmed_end() const { return text_.find_last_not_of(" \t\r\n") + 1; }

  void skip_space() {
    while (true) {
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
      const bool block = text_.substr(at_, 2) == "/*";
      if (!block && text_.substr(at_, 2) != "//" && text_.substr(at_, 1) != "#") return;
      const std::size_t begin = at_;
      const std::size_t end = block ? text_.find("*/", at_ + 2) : text_.find_first_of("\r\n", at_);
      at_ = end == std::string_view::npos ? text_.size() : block ? end + 2 : end;
      if (!std::exchange(comment_reported_, true))
        report("FAB0305", "JSON has no comments", {begin, at_}, "remove it, or write the job in YAML or Jsonnet");
    }
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool begins_value() const {
    return at_ < text_.size() && (is_digit(text_[at_]) || std::string_view("{[\"-tfn").find(text_[at_]) != std::string_view::npos);
  }

  // Recursion is bounded by json_depth_limit.
  bool read_value(Value& value, Places* places) {
    skip_space();
    if (at_ >= text_.size()) return unexpected("a value");
    const std::size_t begin = at_;
    bool understood = false;
    switch (text_[at_]) {
      case '{': understood = read_object(value, places); break;
      case '[': understood = read_array(value, places); break;
      case '"': {
        std::string text;
        understood = read_string(text);
        value = Value(std::move(text));
        break;
      }
      case 't': understood = read_word("true", true, value); break;
      case 'f': understood = read_word("false", false, value); break;
      case 'n': understood = read_word("null", Value(), value); break;
      default: understood = is_digit(text_[at_]) || text_[at_] == '-' ? read_number(value) : unexpected("a value");
    }
    if (places) places->value = {begin, at_};
    return understood;
  }

  bool read_word(std::string_view word, Value meaning, Value& value) {
    if (text_.substr(at_, token_end() - at_) != word) return unexpected("a value");
    at_ += word.size();
    value = std::move(meaning);
    return true;
  }

  bool open() {
    if (open_.size() < json_depth_limit) {
      open_.push_back(at_++);
      return true;
    }
    report("FAB0306", "nested deeper than " + std::to_string(json_depth_limit) + " levels", {at_, at_ + 1},
           "no job needs that: flatten it");
    return false;
  }

  enum class Next { item, end, lost };

  // What follows a member or an item; begins tells whether another one could begin right here.
  Next after_item(char close, bool begins) {
    if (take(close)) return Next::end;
    const std::size_t comma = at_;
    if (!take(',')) {
      if (!begins) unexpected(std::string("`,` or `") + close + '`');
      return begins && report("FAB0305", "a comma is missing", {at_, token_end()}, "put a comma in front") ? Next::item : Next::lost;
    }
    skip_space();
    if (at_ >= text_.size() || text_[at_] != close) return Next::item;
    const bool go_on =
        report("FAB0305", std::string("a comma stands before the closing `") + close + '`', {comma, comma + 1}, "remove the comma");
    return go_on && take(close) ? Next::end : Next::lost;
  }

  bool read_object(Value& value, Places* places) {
    if (!open()) return false;
    Value::Object members;
    std::vector<Bytes> keys;
    skip_space();
    for (Next next = take('}') ? Next::end : Next::item; next != Next::end;) {
      if (at_ >= text_.size() || text_[at_] != '"') return unexpected("a key in double quotes");
      Member& member = members.emplace_back();
      keys.push_back({at_, at_});
      if (!read_string(member.key)) return false;
      keys.back().end = at_;
      skip_space();
      if (!take(':')) return unexpected("`:` after the key");
      Places* place = places ? &places->inside.emplace_back() : nullptr;
      if (place) place->key = keys.back();
      if (!read_value(member.value, place)) return false;
      skip_space();
      next = after_item('}', at_ < text_.size() && text_[at_] == '"');
      if (next == Next::lost) return false;
    }
    open_.pop_back();
    const bool go_on = refuse_duplicates(members, keys);
    value = Value(std::move(members));
    return go_on;
  }

  bool read_array(Value& value, Places* places) {
    if (!open()) return false;
    Value::Array items;
    skip_space();
    for (Next next = take(']') ? Next::end : Next::item; next != Next::end;) {
      if (!read_value(items.emplace_back(), places ? &places->inside.emplace_back() : nullptr)) return false;
      skip_space();
      next = after_item(']', begins_value());
      if (next == Next::lost) return false;
    }
    open_.pop_back();
    value = Value(std::move(items));
    return true;
  }

  bool refuse_duplicates(const Value::Object& members, const std::vector<Bytes>& keys) {
    constexpr std::size_t few = 12;                          // so many are compared pair by pair
    std::vector<std::pair<std::size_t, std::size_t>> twice;  // the first, the other
    if (members.size() <= few) {
      for (std::size_t i = 1; i < members.size(); ++i)
        for (std::size_t first = 0; first < i; ++first)
          if (members[first].key == members[i].key) {
            twice.emplace_back(first, i);
            break;
          }
    } else {
      std::vector<std::size_t> order(members.size());
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        const int sign = members[a].key.compare(members[b].key);
        return sign < 0 || (sign == 0 && a < b);
      });
      for (std::size_t i = 1, first = 0; i < order.size(); ++i) {
        if (members[order[first]].key == members[order[i]].key) twice.emplace_back(order[first], order[i]);
        else first = i;
      }
    }
    for (const auto& [first, other] : twice) {
      const bool go_on =
          report("FAB0307", "the key `" + members[other].key + "` stands twice in one object", keys[other], "remove one of the two");
      errors_.back().note = "the first one is here";
      errors_.back().note_at = keys[first];
      if (!go_on) return false;
    }
    return true;
  }

  bool read_string(std::string& out) {
    const std::size_t begin = at_++;
    bool bytes_reported = false, control_reported = false;
    while (true) {
      // The run of plain characters up to the next one that needs a look.
      const std::size_t run = at_;
      while (at_ < text_.size()) {
        const auto c = static_cast<unsigned char>(text_[at_]);
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
        ++at_;
      }
      out.append(text_, run, at_ - run);
      if (at_ >= text_.size() || text_[at_] == '\n' || text_[at_] == '\r') {
        report("FAB0309", at_ >= text_.size() ? "the string is not ended" : "the string is not ended on its line", {begin, at_},
               "close it with a double quote; a line break inside is written \\n");
        return false;
      }
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\') {
        if (!read_escape(out)) return false;
      } else if (c < 0x20) {
        if (!std::exchange(control_reported, true) && !report("FAB0310", "a control character stands in a string", {at_, at_ + 1},
                                                              c == '\t' ? "write \\t for a tab" : "write it as an escape, such as \\u001b"))
          return false;
        ++at_;
      } else if (const std::size_t length = utf8_length(text_, at_)) {
        out.append(text_, at_, length);
        at_ += length;
      } else {
        const std::size_t bad = at_;
        while (at_ < text_.size() && utf8_length(text_, at_) == 0) ++at_;
        if (!std::exchange(bytes_reported, true) && !report("FAB0311", "the bytes are not UTF-8", {bad, at_}, "save the file as UTF-8"))
          return false;
      }
    }
  }

  bool read_escape(std::string& out) {
    const std::size_t escape = at_++;
    if (at_ >= text_.size()) return true;  // the string is not ended
    const char c = text_[at_];
    constexpr std::string_view escapes = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    if (const std::size_t i = escapes.find(c); i != std::string_view::npos) {
      out += meanings[i];
      ++at_;
      return true;
    }
    if (c != 'u') {
      if (c != '\n' && c != '\r') at_ += std::max<std::size_t>(1, utf8_length(text_, at_));
      return report("FAB0308", "unknown escape in a string", {escape, at_},
                    "a backslash itself is written \\\\; the escapes are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
    }
    ++at_;
    const std::optional<std::uint32_t> unit = read_hex4();
    if (!unit) return report("FAB0308", "\\u is followed by four hexadecimal digits", {escape, at_}, "write all four, such as \\u00e9");
    std::uint32_t code_point = *unit;
    if (code_point >= 0xD800 && code_point <= 0xDFFF) {
      const std::size_t half = at_;
      std::optional<std::uint32_t> low;
      if (code_point <= 0xDBFF && text_.substr(at_, 2) == "\\u") {
        at_ += 2;
        low = read_hex4();
      }
      if (!low || *low < 0xDC00 || *low > 0xDFFF) {
        at_ = half;
        return report("FAB0308", "half of a surrogate pair stands alone", {escape, at_}, "write the character itself, or both halves");
      }
      code_point = 0x10000 + ((code_point - 0xD800) << 10) + (*low - 0xDC00);
    }
    append_utf8(out, code_point);
    return true;
  }

  std::optional<std::uint32_t> read_hex4() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      if (is_digit(c)) code = code * 16 + static_cast<std::uint32_t>(c - '0');
      else if ((c | 32) >= 'a' && (c | 32) <= 'f') code = code * 16 + static_cast<std::uint32_t>((c | 32) - 'a' + 10);
      else return std::nullopt;
    }
    return code;
  }

  bool read_number(Value& value) {
    const Bytes place{at_, token_end()};
    const std::string_view token = text_.substr(place.begin, place.end - place.begin);
    if (token.size() > 1 && token[0] == '-' && is_letter(token[1])) return unexpected("a value");
    at_ = place.end;
    std::variant<Value, JsonNumberError> number = read_json_number(token, large_);
    if (const JsonNumberError* error = std::get_if<JsonNumberError>(&number))
      return report(error->code, error->message, place, error->help);
    value = std::get<Value>(std::move(number));
    return true;
  }

  std::string_view text_;
  LargeIntegers large_;
  std::size_t at_ = 0;
  std::vector<std::size_t> open_;  // where the brackets stand that are open
  std::vector<JsonError> errors_;
  bool comment_reported_ = false;
};

// Puts places into map in the order of paths, in which each insertion costs no search.
void put_places(SourceMap& map, std::uint32_t source, const Path& path, const Value& value, const Places& places) {
  const auto span = [&](Bytes b) { return Span{source, static_cast<std::uint32_t>(b.begin), static_cast<std::uint32_t>(b.end)}; };
  map.set(path, Origin{places.key.end ? std::optional(span(places.key)) : std::nullopt, span(places.value), false});
  if (value.is_array()) {
    for (std::size_t i = 0; i < places.inside.size(); ++i) put_places(map, source, path / i, value.as_array()[i], places.inside[i]);
  } else if (value.is_object()) {
    const Value::Object& members = value.as_object();
    std::vector<std::size_t> order(members.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return members[a].key < members[b].key; });
    for (const std::size_t i : order) put_places(map, source, path / members[i].key, members[i].value, places.inside[i]);
  }
}

}  // namespace

std::optional<Value> read_json(const Sources& sources, std::uint32_t source, SourceMap* map, Diagnostics& diagnostics,
                               LargeIntegers large) {
  const std::string& text = sources[source].text;
  assert(text.size() <= std::numeric_limits<std::uint32_t>::max());
  Reader reader(text, large);
  Places places;
  std::optional<Value> value = reader.read(map ? &places : nullptr);
  const auto span = [&](Bytes b) { return Span{source, static_cast<std::uint32_t>(b.begin), static_cast<std::uint32_t>(b.end)}; };
  for (const JsonError& error : reader.errors()) {
    Diagnostic d{.code = error.code, .message = error.message, .at = span(error.at), .help = error.help};
    if (!error.note.empty()) d.notes.push_back({error.note, span(error.note_at)});
    diagnostics.add(std::move(d));
  }
  if (value && map) put_places(*map, source, Path(), *value, places);
  return value;
}

std::optional<Value> read_json(std::string_view text, std::string* why, LargeIntegers large) {
  Reader reader(text, large);
  std::optional<Value> value = reader.read(nullptr);
  if (!value && why) *why = reader.errors().front().message + " (byte " + std::to_string(reader.errors().front().at.begin) + ')';
  return value;
}

}  // namespace fabric
