#include <algorithm>
#include <cstdlib>

#include "compiler/front_ends/jsonnet_parts.hpp"

namespace fabric {
namespace {

using Tokens = std::vector<JsonnetToken>;

bool is_sign(const JsonnetToken& t, char c) { return t.kind == JsonnetToken::Kind::sign && t.text[0] == c; }
bool opens(const JsonnetToken& t) { return is_sign(t, '{') || is_sign(t, '[') || is_sign(t, '('); }
bool closes(const JsonnetToken& t) { return is_sign(t, '}') || is_sign(t, ']') || is_sign(t, ')'); }

// The token behind the bracket that tokens[at] opens, or tokens.size().
std::size_t after_group(const Tokens& tokens, std::size_t at) {
  int depth = 0;
  for (; at < tokens.size(); ++at) {
    if (opens(tokens[at])) ++depth;
    if (closes(tokens[at]) && --depth == 0) return at + 1;
  }
  return at;
}

// Whether a lone token is a literal of another value. A string with an escape or a block is not compared.
bool says_otherwise(const JsonnetToken& token, const Value& value) {
  switch (token.kind) {
    case JsonnetToken::Kind::number: {
      const double number = std::strtod(token.text.c_str(), nullptr);
      return value.is_integer() ? static_cast<double>(value.as_integer()) != number : !value.is_real() || value.as_real() != number;
    }
    case JsonnetToken::Kind::word:
      if (token.text == "true" || token.text == "false") return !value.is_bool() || value.as_bool() != (token.text == "true");
      return token.text == "null" && !value.is_null();
    case JsonnetToken::Kind::string: return !value.is_string() || (token.plain && value.as_string() != token.text);
    case JsonnetToken::Kind::sign:
    case JsonnetToken::Kind::end: break;
  }
  return false;
}

class Places {
 public:
  Places(const Tokens& tokens, std::uint32_t source, SourceMap& origins) : tokens_(tokens), source_(source), origins_(origins) {}

  // tokens [begin, end) are an expression that gave value at path. key: where its name stands.
  void expression(std::size_t begin, std::size_t end, const Value& value, const Path& path, std::optional<Span> key) {
    if (end == begin + 1 && says_otherwise(tokens_[begin], value)) return;
    set(path, Origin{key, Span{source_, tokens_[begin].begin, tokens_[end - 1].end}, false});
    if (value.is_object()) merged(begin, end, value, path);
    if (value.is_array() && is_sign(tokens_[begin], '[') && after_group(tokens_, begin) == end) items(begin + 1, end - 1, value, path);
  }

 private:
  // What stands further right in a sum of objects was found first, and wins.
  void set(const Path& path, const Origin& origin) {
    if (!origins_.find(path)) origins_.set(path, origin);
  }

  // An expression that gave an object: {...}, base {...}, base + {...}, and these in brackets or behind local and assert. From the
  // right, as far as objects are written out: what a name or an import stands for may say anything.
  void merged(std::size_t begin, std::size_t end, const Value& object, const Path& path) {
    for (std::size_t at = begin; at < end; at = opens(tokens_[at]) ? after_group(tokens_, at) : at + 1) {
      const JsonnetToken& token = tokens_[at];
      if (is_sign(token, ';')) begin = at + 1;
      if (token.kind == JsonnetToken::Kind::word && (token.text == "if" || token.text == "function" || token.text == "error")) return;
    }
    while (begin < end) {
      std::size_t last = begin;  // the operand or bracket that ends the expression
      for (std::size_t at = begin; at < end; at = opens(tokens_[at]) ? after_group(tokens_, at) : at + 1) last = at;
      if (last == begin && is_sign(tokens_[last], '(')) return merged(last + 1, end - 1, object, path);
      if (!is_sign(tokens_[last], '{') || !members(last + 1, end - 1, object, path)) return;
      end = last > begin && is_sign(tokens_[last - 1], '+') ? last - 1 : last;
    }
  }

  // False if it has a computed name, which may be that of any field.
  bool members(std::size_t at, std::size_t end, const Value& object, const Path& path) {
    bool written = true;
    while (at < end) {
      const std::size_t stop = next_comma(at, end);
      if (is_sign(tokens_[at], '[')) written = false;
      const JsonnetToken& name = tokens_[at];
      const bool named = name.kind == JsonnetToken::Kind::string ||
                         (name.kind == JsonnetToken::Kind::word && name.text != "local" && name.text != "assert" && name.text != "for");
      // name : value, with no parameters in between. With a + the value is a sum, of which only an object's members have their places.
      const bool adds = named && at + 1 < stop && is_sign(tokens_[at + 1], '+');
      const std::size_t colon = at + (adds ? 2 : 1);
      if (named && colon < stop && is_sign(tokens_[colon], ':')) {
        std::size_t first = colon + 1;
        while (first < stop && is_sign(tokens_[first], ':')) ++first;
        if (const Value* member = object.find(name.text); member && first < stop && (!adds || member->is_object()))
          expression(first, stop, *member, path / name.text, Span{source_, name.begin, name.end});
      }
      at = stop + 1;
    }
    return written;
  }

  void items(std::size_t at, std::size_t end, const Value& array, const Path& path) {
    for (std::size_t i = at; i < end; ++i)
      if (tokens_[i].text == "for" && tokens_[i].kind == JsonnetToken::Kind::word) return;  // a comprehension
    for (std::size_t i = 0; at < end && i < array.as_array().size(); ++i) {
      const std::size_t stop = next_comma(at, end);
      expression(at, stop, array.as_array()[i], path / i, std::nullopt);
      at = stop + 1;
    }
  }

  std::size_t next_comma(std::size_t at, std::size_t end) const {
    while (at < end && !is_sign(tokens_[at], ',')) at = opens(tokens_[at]) ? after_group(tokens_, at) : at + 1;
    return std::min(at, end);
  }

  const Tokens& tokens_;
  std::uint32_t source_;
  SourceMap& origins_;
};

}  // namespace

void find_jsonnet_literals(std::string_view text, std::uint32_t source, const Value& value, SourceMap& origins) {
  const Tokens tokens = tokenize_jsonnet(text);
  origins.set(Path(), Origin{std::nullopt, Span{source, 0, static_cast<std::uint32_t>(text.size())}, true});
  if (tokens.empty() || !value.is_object()) return;
  SourceMap places;
  Places(tokens, source, places).expression(0, tokens.size(), value, Path(), std::nullopt);
  for (const auto& [path, origin] : places.all())
    if (!path.empty()) origins.set(path, origin);
}

}  // namespace fabric
