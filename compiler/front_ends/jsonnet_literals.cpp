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
    const Span span{source_, tokens_[begin].begin, tokens_[end - 1].end};
    origins_.set(path, Origin{key, span, false});
    if (opens(tokens_[begin]) && after_group(tokens_, begin) == end) {
      if (is_sign(tokens_[begin], '{') && value.is_object()) members(begin + 1, end - 1, value, path);
      if (is_sign(tokens_[begin], '[') && value.is_array()) items(begin + 1, end - 1, value, path);
    }
  }

 private:
  void members(std::size_t at, std::size_t end, const Value& object, const Path& path) {
    while (at < end) {
      const std::size_t stop = next_comma(at, end);
      const JsonnetToken& name = tokens_[at];
      const bool named = name.kind == JsonnetToken::Kind::string ||
                         (name.kind == JsonnetToken::Kind::word && name.text != "local" && name.text != "assert" && name.text != "for");
      // name : value, with no + and no parameters in between
      if (named && at + 2 < stop + 1 && is_sign(tokens_[at + 1], ':')) {
        std::size_t first = at + 2;
        while (first < stop && is_sign(tokens_[first], ':')) ++first;
        if (const Value* member = object.find(name.text); member && first < stop)
          expression(first, stop, *member, path / name.text, Span{source_, name.begin, name.end});
      }
      at = stop + 1;
    }
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
  // The last expression stands behind the last semicolon that no bracket holds.
  std::size_t begin = 0;
  for (std::size_t at = 0; at < tokens.size(); at = opens(tokens[at]) ? after_group(tokens, at) : at + 1)
    if (is_sign(tokens[at], ';')) begin = at + 1;
  if (begin >= tokens.size() || !is_sign(tokens[begin], '{') || after_group(tokens, begin) != tokens.size()) return;
  SourceMap places;
  Places(tokens, source, places).expression(begin, tokens.size(), value, Path(), std::nullopt);
  for (const auto& [path, origin] : places.all())
    if (!path.empty()) origins.set(path, origin);
}

}  // namespace fabric
