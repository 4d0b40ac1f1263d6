// Builds a Value with places from the events of a YAML parser, and judges what the parser lets pass: duplicate keys, tags, merge
// keys, aliases that explode or go round, keys without a colon, ambiguous scalars. Knows nothing of yaml-cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "compiler/front_ends/yaml_tokens.hpp"
#include "schema/diagnostic.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

constexpr std::size_t yaml_depth_limit = 200;
constexpr std::size_t yaml_node_limit = 1000000;
constexpr std::size_t yaml_alias_node_limit = 100000;  // nodes that aliases may add

class YamlTree {
 public:
  // Thrown after an error behind which the rest of the text makes no sense. The error is in the diagnostics.
  struct GaveUp {};

  // Events speak of bytes of sources[source].text from `begin` on. The root is at path `root`.
  YamlTree(const Sources& sources, std::uint32_t source, std::uint32_t begin, Path root, SourceMap& origins, Diagnostics& diagnostics);

  // `at` is where the parser says that the node begins: at its properties, or for an empty node at the next token. anchor is a
  // number of the parser's, 0 for none; a tag of "?" or "!" is none.
  void null(std::uint32_t at, std::size_t anchor);
  void alias(std::uint32_t at, std::size_t anchor);
  void scalar(std::uint32_t at, std::size_t anchor, const std::string& tag, const std::string& value);
  void begin_list(std::uint32_t at, std::size_t anchor, const std::string& tag, bool flow) { open(Value::array(), at, anchor, tag, flow); }
  void begin_map(std::uint32_t at, std::size_t anchor, const std::string& tag, bool flow) { open(Value::object(), at, anchor, tag, flow); }
  void end_collection();
  void end_text();

  // nullopt before the root is complete. An empty text has none, or a null that nobody wrote.
  std::optional<Value>& result() { return result_; }
  bool wrote_nothing() const { return !result_ || empty_root_; }

  // How far the events have come: what an explanation of a syntax error goes by.
  struct Collection {
    std::uint32_t begin = 0;
    std::uint32_t column = 0;
    bool is_map = false;
    bool flow = false;
    bool bracketed = false;
  };
  struct Progress {
    std::uint32_t cursor = 0;  // the end of the last token that was understood
    Span last_scalar;
    enum class Style { none, plain, quoted, block } last_style = Style::none;
    std::vector<Collection> open;
  };
  Progress progress() const;

 private:
  struct Open {
    Value value;
    Path path;
    Collection shape;
    std::size_t anchor = 0;
    bool muted = false;  // below a key that stood before: read and judged, but dropped
    bool has_key = false;
    bool key_absent = false;  // an empty entry of a flow map: a value follows all the same
    bool key_dropped = false;
    bool started = false;  // it has an item, maybe a dropped one
    std::string key;
    Span key_span;
    std::size_t nodes = 1;
    std::unordered_map<std::string, Span> keys;
  };
  struct Anchored {
    Value value;
    Path path;
    std::size_t nodes = 1;
    bool placed = false;
  };
  Span span(std::uint32_t begin, std::uint32_t end) const { return {source_, begin, end}; }
  Span span(ByteRange range) const { return {source_, range.begin, range.end}; }
  std::string slice(Span s) const { return std::string(text_.substr(s.begin, s.end - s.begin)); }
  void add(const char* code, std::string message, Span at, std::string label, std::string help,
           std::optional<std::string> replacement = {});
  [[noreturn]] void fail(const char* code, std::string message, Span at, std::string label, std::string help);

  bool expects_key() const { return !stack_.empty() && stack_.back().value.is_object() && !stack_.back().has_key; }
  bool next_is_muted() const { return !stack_.empty() && (stack_.back().muted || stack_.back().key_dropped); }
  Path next_path() const;
  int block_column() const;
  bool belongs_here(std::uint32_t content, std::uint32_t after) const;
  void pass_gap(std::uint32_t at);
  [[noreturn]] void refuse_tabs(std::uint32_t at);
  void null_key(std::uint32_t at);
  Span scalar_span(std::uint32_t begin, const std::string& value);
  void take_key(const std::string& name, Span at, bool plain);
  Value typed(const std::string& value, Span at, bool plain, const std::string& tag, const std::optional<ByteRange>& written);
  void refuse_tag(ByteRange written);
  void open(Value empty, std::uint32_t at, std::size_t anchor, const std::string& tag, bool flow);
  void finish(Value value, Span at, std::size_t anchor, std::size_t nodes = 1);
  void copy_origins(const Path& from, const Path& to);

  std::string_view text_;
  std::uint32_t source_;
  Path root_;
  SourceMap& origins_;
  Diagnostics& diagnostics_;
  std::optional<Value> result_;
  bool empty_root_ = false;
  std::uint32_t cursor_;
  Span last_scalar_;
  Progress::Style last_style_ = Progress::Style::none;
  std::vector<Open> stack_;
  std::map<std::size_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
  std::size_t alias_nodes_ = 0;
};

}  // namespace fabric
