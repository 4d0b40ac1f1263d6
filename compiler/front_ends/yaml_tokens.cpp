#include "compiler/front_ends/yaml_tokens.hpp"

#include <algorithm>

namespace fabric {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_break(char c) { return c == '\n' || c == '\r'; }
bool is_white(char c) { return is_blank(c) || is_break(c); }
bool is_flow_sign(char c) { return c == ',' || c == '[' || c == ']' || c == '{' || c == '}'; }

std::uint32_t size_of(std::string_view text) { return static_cast<std::uint32_t>(text.size()); }

std::uint32_t indent_of(std::string_view text, std::uint32_t begin) {
  std::uint32_t at = begin;
  while (at < text.size() && text[at] == ' ') ++at;
  return at - begin;
}

std::uint32_t next_line(std::string_view text, std::uint32_t at) {
  const std::size_t newline = text.find('\n', at);
  return newline == std::string_view::npos ? size_of(text) : static_cast<std::uint32_t>(newline + 1);
}

int hex_digits_of(char escape) { return escape == 'x' ? 2 : escape == 'u' ? 4 : escape == 'U' ? 8 : 0; }

// The escape that begins with the backslash at `at`: its length, and whether YAML knows it (1.2, 5.7).
struct Escape {
  std::uint32_t length = 2;
  bool good = true;
};
Escape read_escape(std::string_view text, std::uint32_t at) {
  if (at + 1 >= text.size()) return {1, false};
  const char c = text[at + 1];
  if (c == '\r' && at + 2 < text.size() && text[at + 2] == '\n') return {3, true};
  const int digits = hex_digits_of(c);
  if (digits == 0) return {2, std::string_view("0abt\tnvfre \"/\\N_LP\n").find(c) != std::string_view::npos};
  std::uint32_t value = 0;
  for (int i = 0; i < digits; ++i) {
    const std::uint32_t place = at + 2 + static_cast<std::uint32_t>(i);
    const char d = place < text.size() ? text[place] : '\0';
    const int digit = d >= '0' && d <= '9' ? d - '0' : d >= 'a' && d <= 'f' ? d - 'a' + 10 : d >= 'A' && d <= 'F' ? d - 'A' + 10 : -1;
    if (digit < 0) return {2 + static_cast<std::uint32_t>(i), false};
    value = (value << 4) | static_cast<std::uint32_t>(digit);
  }
  const bool character = value <= 0x10FFFF && !(value >= 0xD800 && value <= 0xDFFF);
  return {2 + static_cast<std::uint32_t>(digits), character};
}

}  // namespace

std::uint32_t line_begin(std::string_view text, std::uint32_t at) {
  if (at == 0) return 0;
  const std::size_t newline = text.rfind('\n', at - 1);
  return newline == std::string_view::npos ? 0 : static_cast<std::uint32_t>(newline + 1);
}

std::uint32_t line_end(std::string_view text, std::uint32_t at) {
  const std::size_t newline = text.find('\n', at);
  if (newline == std::string_view::npos) return size_of(text);
  return static_cast<std::uint32_t>(newline > at && text[newline - 1] == '\r' ? newline - 1 : newline);
}

bool same_line(std::string_view text, std::uint32_t a, std::uint32_t b) {
  if (a > b) std::swap(a, b);
  return text.substr(a, b - a).find('\n') == std::string_view::npos;
}

ByteRange line_content(std::string_view text, std::uint32_t at) {
  const std::uint32_t end_of_line = line_end(text, at);
  std::uint32_t begin = line_begin(text, at);
  while (begin < end_of_line && is_blank(text[begin])) ++begin;
  std::uint32_t end = begin;
  for (std::uint32_t i = begin; i < end_of_line; ++i) {
    if (text[i] == '#' && (i == begin || is_blank(text[i - 1]))) break;
    if (!is_blank(text[i])) end = i + 1;
  }
  return {begin, end};
}

std::optional<ByteRange> tab_indent(std::string_view text, std::uint32_t at) {
  const std::uint32_t begin = line_begin(text, at);
  std::uint32_t end = begin;
  while (end < text.size() && is_blank(text[end])) ++end;
  if (end == text.size() || is_break(text[end]) || text[end] == '#') return std::nullopt;
  if (text.substr(begin, end - begin).find('\t') == std::string_view::npos) return std::nullopt;
  return ByteRange{begin, end};
}

std::uint32_t skip_blank(std::string_view text, std::uint32_t at) {
  for (; at < text.size(); ++at) {
    if (text[at] == '#' && (at == 0 || is_white(text[at - 1]))) at = line_end(text, at);
    if (at == text.size() || !is_white(text[at])) break;
  }
  return at;
}

std::uint32_t word_end(std::string_view text, std::uint32_t at) {
  while (at < text.size() && !is_white(text[at]) && !is_flow_sign(text[at])) {
    if (text[at] == ':' && (at + 1 == text.size() || is_white(text[at + 1]))) break;
    ++at;
  }
  return at;
}

Properties read_properties(std::string_view text, std::uint32_t at) {
  Properties properties{.content = at, .tag = std::nullopt, .end = at};
  while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
    const std::size_t verbatim = text.substr(at).starts_with("!<") ? text.find('>', at) : std::string_view::npos;
    const std::uint32_t end = verbatim == std::string_view::npos ? word_end(text, at) : static_cast<std::uint32_t>(verbatim + 1);
    if (text[at] == '!') properties.tag = ByteRange{at, end};
    properties.end = end;
    at = skip_blank(text, end);
  }
  properties.content = at;
  if (properties.end == 0) properties.end = at;
  return properties;
}

QuotedText read_quoted(std::string_view text, std::uint32_t at) {
  QuotedText quoted;
  const char quote = text[at];
  for (std::uint32_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == quote) {
      if (quote == '\'' && i + 1 < text.size() && text[i + 1] == quote) {
        ++i;
        continue;
      }
      quoted.end = i + 1;
      return quoted;
    }
    if (quote == '\'' || text[i] != '\\') continue;
    const Escape escape = read_escape(text, i);
    if (!escape.good && !quoted.bad_escape) quoted.bad_escape = ByteRange{i, std::min(i + escape.length, size_of(text))};
    i += escape.length - 1;
  }
  quoted.end = size_of(text);
  quoted.closed = false;
  return quoted;
}

std::uint32_t block_scalar_end(std::string_view text, std::uint32_t at, int parent_indent) {
  const std::uint32_t header_end = line_end(text, at);
  std::uint32_t needed = 0;
  for (const char c : text.substr(at + 1, 2))
    if (c >= '1' && c <= '9') needed = static_cast<std::uint32_t>(std::max(parent_indent, 0) + (c - '0'));
  std::uint32_t end = header_end;
  for (std::uint32_t line = next_line(text, header_end); line < text.size(); line = next_line(text, line)) {
    const std::uint32_t indent = indent_of(text, line);
    const std::uint32_t stop = line_end(text, line);
    if (line + indent == stop) continue;
    if (needed == 0) {
      if (static_cast<int>(indent) <= parent_indent) break;
      needed = indent;
    }
    if (indent < needed) break;
    // Only at the root can a text stand at column 0, where these end the document.
    if (indent == 0 && (text.substr(line).starts_with("---") || text.substr(line).starts_with("..."))) break;
    end = stop;
  }
  return end;
}

std::uint32_t plain_scalar_end(std::string_view text, std::uint32_t at, std::string_view value) {
  if (text.substr(at).starts_with(value)) return at + size_of(value);
  std::uint32_t end = at;
  for (const char c : value) {
    if (is_white(c)) continue;
    while (at < text.size() && is_white(text[at])) ++at;
    if (at == text.size() || text[at] != c) break;
    end = ++at;
  }
  return end;
}

Gap read_gap(std::string_view text, std::uint32_t begin, std::uint32_t end) {
  Gap gap;
  for (std::uint32_t i = begin; i < end; ++i) {
    const char c = text[i];
    if (c == '#') {
      if (i > 0 && !is_white(text[i - 1]) && !gap.glued_comment) gap.glued_comment = i;
      i = line_end(text, i);
    } else if (c == ':') {
      gap.colon = ByteRange{i, i + 1};
    } else if (c == ',') {
      ++gap.commas;
      gap.last_comma = i;
    } else if (c == '-' && !gap.dash && !text.substr(i).starts_with("---")) {
      gap.dash = i;
    } else if (text.substr(i).starts_with("---")) {
      i += 2;
    } else if (c == '%' && (i == 0 || is_break(text[i - 1]))) {
      if (!gap.directive) gap.directive = i;
      i = line_end(text, i);
    }
  }
  return gap;
}

std::optional<ByteRange> colon_after(std::string_view text, std::uint32_t at) {
  at = skip_blank(text, at);
  if (at < text.size() && text[at] == ':') return ByteRange{at, at + 1};
  return std::nullopt;
}

std::optional<std::string> with_colon(std::string_view written) {
  const std::size_t colon = written.find(':');
  const std::size_t space = written.find(' ');
  const std::size_t end = std::min(colon, space);
  if (end == 0 || end == std::string_view::npos || written.find_first_of(": ", end + 1) != std::string_view::npos) return std::nullopt;
  // `http://host` is no key.
  if (end + 1 == written.size() || written[end + 1] == '/') return std::nullopt;
  return std::string(written.substr(0, end)) + ": " + std::string(written.substr(end + 1));
}

namespace {

// Calls see(i, depth before i) for every byte of a flow collection that is neither blank nor in a comment or quotes, until see says stop.
template <class See>
void scan_flow(std::string_view text, std::uint32_t begin, See&& see) {
  std::size_t depth = 0;
  char before = '\n';  // the last byte that is not blank
  for (std::uint32_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (is_blank(c) || c == '\r') continue;
    const bool begins = std::string_view("\n:-?[{,").find(before) != std::string_view::npos;
    if (c == '#' && i > 0 && is_white(text[i - 1])) {
      i = line_end(text, i) - 1;
      continue;
    }
    const bool opens = (c == '[' || c == '{') && (depth > 0 || begins);
    const bool closes = (c == ']' || c == '}') && depth > 0;
    if ((c == '"' || c == '\'') && begins) i = read_quoted(text, i).end - 1;
    else if (opens) ++depth;
    else if (closes) --depth;
    if (!see(i, depth, opens, closes)) return;
    before = c;
  }
}

}  // namespace

std::optional<FlowExcess> find_flow_excess(std::string_view text, std::uint32_t begin, std::size_t depth_limit, std::size_t item_limit) {
  std::size_t items = 0;
  std::optional<FlowExcess> found;
  scan_flow(text, begin, [&](std::uint32_t at, std::size_t depth, bool opens, bool) {
    if (opens && depth > depth_limit) found = FlowExcess{at, true};
    else if ((opens || (text[at] == ',' && depth > 0)) && ++items > item_limit) found = FlowExcess{at, false};
    return !found;
  });
  return found;
}

bool bracket_closes(std::string_view text, std::uint32_t at) {
  bool closed = false;
  scan_flow(text, at, [&](std::uint32_t, std::size_t depth, bool, bool closes) { return !(closed = closes && depth == 0); });
  return closed;
}

}  // namespace fabric
