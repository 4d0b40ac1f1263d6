#include <algorithm>
#include <cstdlib>
#include <set>

#include "compiler/front_ends/jsonnet_parts.hpp"

namespace fabric {
namespace {

using Tokens = std::vector<JsonnetToken>;

bool is_sign(const JsonnetToken& t, char c) { return t.kind == JsonnetToken::Kind::sign && t.text[0] == c; }
bool is_word(const JsonnetToken& t, std::string_view word) { return t.kind == JsonnetToken::Kind::word && t.text == word; }
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

  // tokens [begin, end) are an expression that gave value at path. key: where its name stands. True if it is an object and each of its
  // members is written out here.
  bool expression(std::size_t begin, std::size_t end, const Value& value, const Path& path, std::optional<Span> key) {
    if (end == begin + 1 && says_otherwise(tokens_[begin], value)) return false;
    set(path, Origin{key, Span{source_, tokens_[begin].begin, tokens_[end - 1].end}, false});
    if (value.is_array() && is_sign(tokens_[begin], '[') && after_group(tokens_, begin) == end) items(begin + 1, end - 1, value, path);
    return value.is_object() && merged(begin, end, value, path);
  }

 private:
  // A sum of objects is read from the right: what was found first wins, and a member that stands alone for its value hides all that
  // operands further left say of it.
  void set(const Path& path, const Origin& origin) {
    if (origins_.find(path)) return;
    for (Path at = path; !at.empty(); at = at.parent())
      if (closed_.contains(at)) return;
    origins_.set(path, origin);
  }

  // Behind the `local ...;` and `assert ...;` that an expression begins with. The value of a local may begin with locals of its own.
  std::size_t after_locals(std::size_t begin, std::size_t end) const {
    int open = 0;
    for (std::size_t at = begin; at < end; at = opens(tokens_[at]) ? after_group(tokens_, at) : at + 1) {
      if (is_word(tokens_[at], "local") || is_word(tokens_[at], "assert")) {
        ++open;
      } else if (open == 0) {
        return at;
      } else if (is_sign(tokens_[at], ';')) {
        --open;
      }
    }
    return end;
  }

  // An expression that gave an object: {...}, base {...}, base + {...}, and these in brackets or behind local and assert. From the
  // right, as far as objects are written out: what a name or an import stands for may say anything. True if nothing else stands there.
  bool merged(std::size_t begin, std::size_t end, const Value& object, const Path& path) {
    begin = after_locals(begin, end);
    for (std::size_t at = begin; at < end; at = opens(tokens_[at]) ? after_group(tokens_, at) : at + 1) {
      const JsonnetToken& token = tokens_[at];
      if (is_sign(token, ';') || is_word(token, "if") || is_word(token, "function") || is_word(token, "error")) return false;
    }
    while (begin < end) {
      std::size_t last = begin;  // the operand or bracket that ends the expression
      for (std::size_t at = begin; at < end; at = opens(tokens_[at]) ? after_group(tokens_, at) : at + 1) last = at;
      if (last == begin && is_sign(tokens_[last], '(')) return merged(last + 1, end - 1, object, path);
      if (!is_sign(tokens_[last], '{') || !members(last + 1, end - 1, object, path)) return false;
      end = last > begin && is_sign(tokens_[last - 1], '+') ? last - 1 : last;
    }
    return true;
  }

  // False if it has a name that is not written plainly, which may be that of any field.
  bool members(std::size_t at, std::size_t end, const Value& object, const Path& path) {
    bool written = true;
    while (at < end) {
      const std::size_t stop = next_comma(at, end);
      const JsonnetToken& name = tokens_[at];
      const bool quoted = name.kind == JsonnetToken::Kind::string;
      if (is_sign(name, '[') || (quoted && !name.plain)) written = false;
      const bool named = (quoted && name.plain) ||
                         (name.kind == JsonnetToken::Kind::word && name.text != "local" && name.text != "assert" && name.text != "for");
      // name : value, with no parameters in between. With a + the value is a sum, of which only an object's members have their places.
      const bool adds = named && at + 1 < stop && is_sign(tokens_[at + 1], '+');
      const std::size_t colon = at + (adds ? 2 : 1);
      if (named && colon < stop && is_sign(tokens_[colon], ':')) {
        std::size_t first = colon + 1;
        while (first < stop && is_sign(tokens_[first], ':')) ++first;
        const Path at_name = path / name.text;
        const Value* member = object.find(name.text);
        const bool read = member && first < stop && (!adds || member->is_object()) &&
                          expression(first, stop, *member, at_name, Span{source_, name.begin, name.end});
        if (!adds || !read) closed_.insert(at_name);
      }
      at = stop + 1;
    }
    return written;
  }

  void items(std::size_t at, std::size_t end, const Value& array, const Path& path) {
    for (std::size_t i = at; i < end; ++i)
      if (is_word(tokens_[i], "for")) return;  // a comprehension
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
  std::set<Path> closed_;
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
