// The raw text of a YAML file, read again. yaml-cpp tells where a node begins, not where it ends, and passes over what stands
// between nodes; these functions find both. All positions are bytes of the text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fabric {

struct ByteRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

std::uint32_t line_begin(std::string_view text, std::uint32_t at);
std::uint32_t line_end(std::string_view text, std::uint32_t at);  // before LF or CR LF
bool same_line(std::string_view text, std::uint32_t a, std::uint32_t b);
// The bytes of the line of `at`, without indentation, comment and trailing blanks.
ByteRange line_content(std::string_view text, std::uint32_t at);
// The white space at the start of the line of `at`, if there is a tab in it and something after it.
std::optional<ByteRange> tab_indent(std::string_view text, std::uint32_t at);
// The first byte at or after `at` that is neither white space nor in a comment, or the end of the text.
std::uint32_t skip_blank(std::string_view text, std::uint32_t at);
// The end of a word: of *name, &name, !tag, null.
std::uint32_t word_end(std::string_view text, std::uint32_t at);

// &anchor and !tag in front of a node.
struct Properties {
  std::uint32_t content = 0;  // where the node itself begins; of an empty node, the next token
  std::optional<ByteRange> tag;
  std::uint32_t end = 0;  // of the last property; content if there is none
};
Properties read_properties(std::string_view text, std::uint32_t at);

// A scalar in single or double quotes that begins at `at`.
struct QuotedText {
  std::uint32_t end = 0;  // past the closing quote
  bool closed = true;
  std::optional<ByteRange> bad_escape;
};
QuotedText read_quoted(std::string_view text, std::uint32_t at);

// The end of a | or > scalar in a block collection at column parent_indent; -1 at the root.
std::uint32_t block_scalar_end(std::string_view text, std::uint32_t at, int parent_indent);

// The end of a plain scalar whose value is known. Folding changes white space only, so the other bytes are found in order.
std::uint32_t plain_scalar_end(std::string_view text, std::uint32_t at, std::string_view value);

// What stands between two nodes.
struct Gap {
  std::optional<ByteRange> colon;     // the last
  std::optional<std::uint32_t> dash;  // the first
  std::uint32_t commas = 0;
  std::uint32_t last_comma = 0;
  std::optional<std::uint32_t> glued_comment;  // a # with no white space before it
  std::optional<std::uint32_t> directive;
};
Gap read_gap(std::string_view text, std::uint32_t begin, std::uint32_t end);

// The colon of a key that ends at `at`, if there is one.
std::optional<ByteRange> colon_after(std::string_view text, std::uint32_t at);

// The key and value that `devices 2` or `devices:2` was meant to be, where that can be told.
std::optional<std::string> with_colon(std::string_view written);

// yaml-cpp reads a flow collection to its end before it tells of its beginning, so what is too much must be found before it
// starts: the bracket that opens level depth_limit + 1, or the item beyond item_limit.
struct FlowExcess {
  std::uint32_t at = 0;
  bool too_deep = false;
};
std::optional<FlowExcess> find_flow_excess(std::string_view text, std::uint32_t begin, std::size_t depth_limit, std::size_t item_limit);

// Whether the bracket at `at` is closed before the text ends.
bool bracket_closes(std::string_view text, std::uint32_t at);

}  // namespace fabric
