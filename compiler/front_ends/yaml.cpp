#include "compiler/front_ends/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <sstream>

#include "compiler/front_ends/yaml_scalar.hpp"
#include "compiler/front_ends/yaml_text.hpp"

namespace fabric {
namespace {

constexpr std::size_t depth_limit = 200;
constexpr std::size_t node_limit = 1000000;

struct Stop {};  // an error after which the rest makes no sense; it is in the diagnostics

// Builds the tree from yaml-cpp's events. Marks give where a node begins; where it ends is read off the text again.
class Builder : public YAML::EventHandler {
 public:
  // The text of the source from `base` on was handed to the parser; the root has the path `root`.
  Builder(const Sources& sources, std::uint32_t source, std::uint32_t base, Path root, SourceMap& origins, Diagnostics& diagnostics)
      : text_(sources[source].text), source_(source), base_(base), root_(std::move(root)), origins_(origins), diagnostics_(diagnostics) {}

  std::optional<Value> result;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    // A missing value is reported at the next token; what the user sees is the key.
    const Span span = stack_.empty() || !stack_.back().key ? point(mark) : stack_.back().key_span;
    if (!stack_.empty() && stack_.back().value.is_object() && stack_.back().key) check_colon(stack_.back().key_span);
    if (!stack_.empty() && stack_.back().value.is_object() && !stack_.back().key) {
      add("FAB0119", "a key is missing", point(mark), "not a key", "write `name: value`");
      throw Stop{};
    }
    finish(Value(), span, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const std::uint32_t begin = offset(mark);
    const Span span{source_, begin, word_end(begin + 1)};
    if (stack_.size() && stack_.back().value.is_object() && !stack_.back().key) {
      add("FAB0119", "an alias cannot be a key", span, "here", "write the key out");
      throw Stop{};
    }
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) {
      add("FAB0108", "the alias `" + slice(span) + "` refers to a value that contains it", span, "goes round in a circle", "write the value out");
      throw Stop{};
    }
    nodes_ += it->second.nodes;
    if (nodes_ > node_limit) {
      add("FAB0109", "the aliases of this file grow it beyond " + std::to_string(node_limit) + " values", span, "expanded here",
          "write fewer aliases of aliases");
      throw Stop{};
    }
    const Value copy = it->second.value;
    const Path path = next_path();
    finish(copy, span, 0, it->second.nodes);
    set_below(copy, path, span);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    const std::uint32_t begin = skip_properties(offset(mark));
    const Span span = scalar_span(begin, value);
    check_tag(tag, span);
    const bool quoted = tag == "!";
    if (!stack_.empty() && stack_.back().value.is_object() && !stack_.back().key) return key(value, quoted, span);
    if (quoted) return finish(Value(value), span, anchor);
    TypedScalar typed = type_plain_scalar(value);
    if (!typed.code.empty()) {
      Diagnostic d{.code = typed.code, .message = typed.message, .at = span, .label = "in doubt", .help = typed.help};
      if (typed.replacement) d.fix = Fix{span, *typed.replacement};
      diagnostics_.add(std::move(d));
    }
    finish(std::move(typed.value), span, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(Value::array(), mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(Value::object(), mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Value value;
    Path path;
    Span span;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key;  // of a map: the key whose value comes next
    Span key_span;
    bool skip = false;  // the key stood before: its value is read and dropped
    std::size_t nodes = 1;
    std::optional<Span> own_key;
    std::map<std::string, Span> keys;
  };
  struct Anchored {
    Value value;
    std::size_t nodes;
  };

  void add(const char* code, std::string message, Span span, std::string label, std::string help) {
    diagnostics_.add({.code = code, .message = std::move(message), .at = span, .label = std::move(label), .help = std::move(help)});
  }

  std::uint32_t offset(const YAML::Mark& mark) const {
    return std::min(base_ + static_cast<std::uint32_t>(std::max(mark.pos, 0)), static_cast<std::uint32_t>(text_.size()));
  }
  Span point(const YAML::Mark& mark) const {
    const std::uint32_t at = offset(mark);
    return {source_, at, std::min(at + 1, static_cast<std::uint32_t>(text_.size()))};
  }
  std::string slice(const Span& span) const { return text_.substr(span.begin, span.end - span.begin); }

  std::uint32_t word_end(std::uint32_t at) const {
    while (at < text_.size() && !std::isspace(static_cast<unsigned char>(text_[at])) && !std::strchr(",[]{}", text_[at])) ++at;
    return at;
  }

  // The mark of a node with an anchor or a tag is that of the property.
  std::uint32_t skip_properties(std::uint32_t at) const {
    while (at < text_.size() && (text_[at] == '&' || text_[at] == '!')) {
      at = word_end(at);
      while (at < text_.size() && std::isspace(static_cast<unsigned char>(text_[at]))) ++at;
    }
    return at;
  }

  Span scalar_span(std::uint32_t begin, const std::string& value) {
    const auto size = static_cast<std::uint32_t>(text_.size());
    std::uint32_t end = begin;
    if (begin < size && (text_[begin] == '"' || text_[begin] == '\'')) {
      const char quote = text_[begin];
      for (end = begin + 1; end < size && text_[end] != quote; ++end) {
        if (quote == '"' && text_[end] == '\\') ++end;
      }
      while (quote == '\'' && end + 1 < size && text_[end + 1] == '\'') {  // '' is a quote within
        for (end += 2; end < size && text_[end] != quote;) ++end;
      }
      if (end >= size) {
        add("FAB0106", "the string is not ended", {source_, begin, line_end(begin)}, "begins here", std::string("close it with ") + quote);
        throw Stop{};
      }
      ++end;
    } else if (begin < size && (text_[begin] == '|' || text_[begin] == '>')) {
      end = line_end(begin);
    } else if (text_.compare(begin, value.size(), value) == 0) {
      end = begin + static_cast<std::uint32_t>(value.size());
    } else {
      end = line_end(begin);
    }
    return {source_, begin, std::max(end, begin)};
  }

  std::uint32_t line_end(std::uint32_t at) const {
    const std::size_t newline = text_.find('\n', at);
    return static_cast<std::uint32_t>(newline == std::string::npos ? text_.size() : newline);
  }

  void check_tag(const std::string& tag, const Span& span) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    add("FAB0103", "tags such as `" + tag + "` have no meaning in a job", span, "has a tag", "remove the tag; quotes make a string");
  }

  // `devices 2` at the end of a map is taken for a key by the parser.
  void check_colon(const Span& key) {
    std::uint32_t at = key.end;
    while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
    if (at < text_.size() && text_[at] == ':') return;
    // Within [a, b] or {a, b} a bare word is its own error.
    add("FAB0107", "`" + slice(key) + "` is followed by no colon", key, "neither key nor value", "write `name: value`");
    throw Stop{};
  }

  void key(const std::string& name, bool quoted, const Span& span) {
    Open& map = stack_.back();
    if (!quoted && name == "<<") {
      add("FAB0104", "merge keys are not taken", span, "merges a map", "write the fields out, or use `profiles`");
    }
    map.key = name;
    map.key_span = span;
    const auto [it, fresh] = map.keys.emplace(name, span);
    map.skip = !fresh || (!quoted && name == "<<");
    if (fresh) return;
    Diagnostic d{.code = "FAB0102", .message = "the key `" + name + "` stands twice in one map", .at = span, .label = "the second one",
                 .help = "remove one of the two"};
    d.notes.push_back({"the first one is here", it->second});
    diagnostics_.add(std::move(d));
  }

  Path next_path() const {
    if (stack_.empty()) return root_;
    const Open& parent = stack_.back();
    return parent.value.is_object() ? parent.path / *parent.key : parent.path / parent.value.as_array().size();
  }

  void open(Value empty, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    const std::uint32_t begin = skip_properties(offset(mark));
    const Span span{source_, begin, std::min(begin + 1, static_cast<std::uint32_t>(text_.size()))};
    check_tag(tag, span);
    if (!stack_.empty() && stack_.back().value.is_object() && !stack_.back().key) {
      add("FAB0119", "a key is a single word, not a list or a map", span, "used as a key", "is a quote or a bracket missing?");
      throw Stop{};
    }
    if (stack_.size() >= depth_limit) {
      add("FAB0110", "nested deeper than " + std::to_string(depth_limit) + " levels", span, "too deep", "no job needs that; flatten it");
      throw Stop{};
    }
    Open next{.value = std::move(empty), .path = next_path(), .span = span, .anchor = anchor};
    if (!stack_.empty() && stack_.back().key) next.own_key = stack_.back().key_span;
    stack_.push_back(std::move(next));
  }

  void close() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    // A flow collection ends at its bracket; a block collection is shown by its first sign.
    Span span = done.span;
    if (span.begin < text_.size() && (text_[span.begin] == '[' || text_[span.begin] == '{')) span.end = flow_end(span.begin);
    else span.end = line_end(span.begin);
    finish(std::move(done.value), span, done.anchor, done.nodes);
  }

  std::uint32_t flow_end(std::uint32_t at) const {
    int depth = 0;
    for (; at < text_.size(); ++at) {
      const char c = text_[at];
      if (c == '"' || c == '\'') {
        const char quote = c;
        for (++at; at < text_.size() && text_[at] != quote; ++at)
          if (quote == '"' && text_[at] == '\\') ++at;
      }
      if (c == '[' || c == '{') ++depth;
      if ((c == ']' || c == '}') && --depth == 0) return at + 1;
    }
    return static_cast<std::uint32_t>(text_.size());
  }

  void finish(Value value, const Span& span, YAML::anchor_t anchor, std::size_t nodes = 1) {
    if (++nodes_ > node_limit) {
      add("FAB0109", "the file holds more than " + std::to_string(node_limit) + " values", span, "too many", "is it the right file?");
      throw Stop{};
    }
    if (anchor) anchors_[anchor] = {value, nodes};
    if (stack_.empty()) {
      origins_.set(root_, Origin{std::nullopt, span, false});
      result = std::move(value);
      return;
    }
    const Path path = next_path();
    Open& parent = stack_.back();
    parent.nodes += nodes;
    if (parent.value.is_array()) {
      origins_.set(path, Origin{std::nullopt, span, false});
      parent.value.as_array().push_back(std::move(value));
      return;
    }
    if (!parent.skip) {
      origins_.set(path, Origin{parent.key_span, span, false});
      parent.value.as_object().push_back({*parent.key, std::move(value)});
    }
    parent.key.reset();
    parent.skip = false;
  }

  // What an alias brought in stands, for the user, where the alias stands.
  void set_below(const Value& value, const Path& path, const Span& span) {
    if (value.is_array())
      for (std::size_t i = 0; i < value.as_array().size(); ++i) {
        origins_.set(path / i, Origin{std::nullopt, span, false});
        set_below(value.as_array()[i], path / i, span);
      }
    if (value.is_object())
      for (const Member& m : value.as_object()) {
        origins_.set(path / m.key, Origin{span, span, false});
        set_below(m.value, path / m.key, span);
      }
  }

  const std::string& text_;
  std::uint32_t source_;
  std::uint32_t base_;
  Path root_;
  SourceMap& origins_;
  Diagnostics& diagnostics_;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
};

// yaml-cpp's sentence in ours, with a way out.
std::pair<std::string, std::string> translated(const std::string& message) {
  struct Row {
    const char* part;
    const char* ours;
    const char* help;
  };
  static constexpr Row rows[] = {
      {"illegal tab", "a tab stands where the indent is", "indent with spaces"},
      {"end of map flow not found", "the `{` is not closed", "close it with `}`"},
      {"end of sequence flow not found", "the `[` is not closed", "close it with `]`"},
      {"end of map not found", "the line does not fit the indent of the map above it", "give the fields of a map the same indent"},
      {"end of sequence not found", "the line does not fit the indent of the list above it", "give the items of a list the same indent"},
      {"illegal map value", "a `:` stands where no key can be", "put a text with `: ` in quotes, or look for a missing line break"},
      {"illegal block entry", "a `-` stands where no list can begin", "put each `- item` on a line of its own"},
      {"illegal map key", "a `?` stands where no key can be", "put the text in quotes"},
      {"unknown escape character", "unknown escape in double quotes", "write \\\\ for a backslash, or use single quotes"},
      {"bad file", "nested too deeply", "no job needs that; flatten it"},
      {"unknown anchor", "the alias refers to no anchor above it", "write `&name` before the value that `*name` repeats"},
      {"the referenced anchor is not defined", "the alias refers to no anchor above it", "write `&name` before the value that `*name` repeats"},
      {"unknown token", "a sign stands here that begins nothing", "put the text in quotes"},
      {"illegal EOF in scalar", "the string is not ended", "close it with its quote"},
      {"illegal character in scalar", "a sign stands here that begins nothing", "put the text in quotes"},
      {"alias not found after", "`*` is followed by no name", "put the text in quotes"},
      {"anchor not found after", "`&` is followed by no name", "put the text in quotes"},
      {"illegal flow end", "a bracket is closed that was not opened", "remove it, or put the text in quotes"},
      {"invalid alias", "the alias refers to no anchor above it", "write `&name` before the value that `*name` repeats"},
  };
  for (const Row& row : rows)
    if (message.find(row.part) != std::string::npos) return {row.ours, row.help};
  return {"the text is no YAML here: " + message, "look at the indent, quotes and brackets of this line and the one above"};
}

std::optional<Value> parse(const std::string& text, Builder& builder, const Sources& sources, std::uint32_t source, std::uint32_t base,
                           Diagnostics& diagnostics) {
  std::istringstream in(text);
  const auto clip = [&](std::size_t at) { return static_cast<std::uint32_t>(std::min(at, sources[source].text.size())); };
  try {
    YAML::Parser parser(in);
    if (!parser.HandleNextDocument(builder)) {
      diagnostics.add({.code = "FAB0122",
                       .message = "the file is empty",
                       .at = Span{source, clip(base), clip(base + 1)},
                       .label = "nothing here",
                       .help = "begin with `fabric: 1`; `fabric explain` lists the fields"});
      return std::nullopt;
    }
    // Whatever follows is another document.
    struct Second : YAML::EventHandler {
      YAML::Mark at = YAML::Mark::null_mark();
      void OnDocumentStart(const YAML::Mark& mark) override { at = mark; }
      void OnDocumentEnd() override {}
      void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
      void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
      void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
      void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
      void OnSequenceEnd() override {}
      void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
      void OnMapEnd() override {}
    } second;
    if (parser.HandleNextDocument(second)) {
      const std::size_t begin = base + static_cast<std::size_t>(std::max(second.at.pos, 0));
      diagnostics.add({.code = "FAB0105",
                       .message = "a second document begins here, and a job is one",
                       .at = Span{source, clip(begin), clip(begin + 3)},
                       .label = "second document",
                       .help = "put it into a file of its own, or look for a line that lost its indent"});
      return std::nullopt;
    }
  } catch (const Stop&) {
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    const auto [message, help] = translated(error.msg);
    std::size_t at = base + static_cast<std::size_t>(std::max(error.mark.pos, 0));
    const std::string& whole = sources[source].text;
    // At the end of the text the last sign that is there is what the user can look at.
    while (at > base && (at >= whole.size() || whole[at] == '\n' || whole[at] == '\r')) --at;
    diagnostics.add({.code = "FAB0101", .message = message, .at = Span{source, clip(at), clip(at + 1)}, .label = "here", .help = help});
    return std::nullopt;
  }
  return std::move(builder.result);
}

}  // namespace

std::optional<Value> read_yaml(const Sources& sources, std::uint32_t source, SourceMap& origins, Diagnostics& diagnostics) {
  if (!check_yaml_bytes(sources, source, diagnostics)) return std::nullopt;
  Builder builder(sources, source, 0, Path(), origins, diagnostics);
  std::optional<Value> value = parse(sources[source].text, builder, sources, source, 0, diagnostics);
  if (value && value->is_null()) {
    diagnostics.add({.code = "FAB0122", .message = "the file is empty", .at = Span{source, 0, 0}, .label = "nothing here",
                     .help = "begin with `fabric: 1`; `fabric explain` lists the fields"});
    return std::nullopt;
  }
  return value;
}

std::optional<Value> read_yaml_flow(const Sources& sources, std::uint32_t source, std::uint32_t begin, const Path& path, SourceMap& origins,
                                    Diagnostics& diagnostics) {
  const std::string text = sources[source].text.substr(begin);
  const Span span{source, begin, static_cast<std::uint32_t>(sources[source].text.size())};
  if (!text.empty() && std::string_view("[{\"'").find(text[0]) != std::string_view::npos) {
    Builder builder(sources, source, begin, path, origins, diagnostics);
    return parse(text, builder, sources, source, begin, diagnostics);
  }
  // On a command line a bare text is a text, whatever signs are in it.
  TypedScalar typed = type_plain_scalar(text);
  origins.set(path, Origin{std::nullopt, span, false});
  if (typed.code.empty()) return std::move(typed.value);
  diagnostics.add({.code = typed.code, .message = typed.message, .at = span, .label = "in doubt", .help = typed.help});
  return std::nullopt;
}

}  // namespace fabric
