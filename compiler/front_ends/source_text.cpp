#include "compiler/front_ends/source_text.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace fabric {
namespace {

// More of one kind tell the user nothing new: the file is of another making altogether.
constexpr std::size_t reports_of_a_kind = 20;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The code point at the start of text and its length in bytes; length 0 if the bytes are not UTF-8 (Unicode 15, table 3-7).
struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0;
};
CodePoint code_point_at(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  char32_t value = first & (0xFF >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return {};
    value = (value << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  if (overlong || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, length};
}

bool is_bidi_control(char32_t c) { return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); }

std::string hex(char32_t value, int digits) {
  std::string text(static_cast<std::size_t>(digits), '0');
  for (auto it = text.rbegin(); it != text.rend(); ++it, value >>= 4) *it = "0123456789ABCDEF"[value & 15];
  return text;
}

class TextCheck {
 public:
  TextCheck(const Sources& sources, std::uint32_t source, Diagnostics& diagnostics)
      : text_(sources[source].text), source_(source), diagnostics_(diagnostics) {}

  bool run(std::size_t begin) {
    if (text_.size() - begin > source_size_limit) {
      // Like the encoding, a property of the whole file: the first line stands for it.
      report({.code = "FAB0118",
              .message = "the text is " + std::to_string((text_.size() - begin) >> 20) + " MiB long; at most 8 MiB are read",
              .at = span(begin, first_line_end(begin)),
              .help = "a job is a description and not a container of data: put data in a file of its own"});
      return false;
    }
    if (!is_eight_bit(begin)) return false;
    for (std::size_t i = begin; i < text_.size();) {
      const auto c = static_cast<unsigned char>(text_[i]);
      if (c >= 0x20 && c < 0x7F) {
        ++i;
        continue;
      }
      i += c < 0x80 ? check_ascii_control(i) : check_wide(i, begin);
    }
    return sound_;
  }

 private:
  Place span(std::size_t begin, std::size_t end) const {
    return Span{source_, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
  }

  std::size_t first_line_end(std::size_t begin) const {
    // Also bounds what a printer shows of a file that has no lines.
    return std::min({text_.size(), text_.find('\n', begin), begin + 80});
  }

  void report(Diagnostic diagnostic) {
    sound_ = false;
    diagnostics_.add(std::move(diagnostic));
  }

  // Text in UTF-16 or UTF-32 would otherwise drown in complaints about NULs.
  bool is_eight_bit(std::size_t begin) {
    const std::string_view head = text_.substr(begin, 4);
    const bool marked = head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF");
    const bool spaced = head.size() >= 2 && ((head[0] == 0) != (head[1] == 0));
    if (!marked && !spaced) return true;
    report({.code = "FAB0117",
            .message = "the text is in UTF-16 or UTF-32, not in UTF-8",
            .at = span(begin, std::min(text_.size(), begin + 2)),
            .label = "the first bytes say so",
            .help = "save it as UTF-8; `iconv -f UTF-16 -t UTF-8` converts it"});
    return false;
  }

  std::size_t check_ascii_control(std::size_t i) {
    const auto c = static_cast<unsigned char>(text_[i]);
    if (c == '\t' || c == '\n') return 1;
    if (c == '\r') {
      if (i + 1 < text_.size() && text_[i + 1] == '\n') return 2;
      if (lone_returns_++ < reports_of_a_kind)
        report({.code = "FAB0121",
                .message = "a carriage return that no line feed follows",
                .at = span(i, i + 1),
                .help = "end lines with LF or CR LF: parsers disagree whether this one ends a line",
                .fix = Fix{span(i, i + 1), "\n"}});
      return 1;
    }
    report_control(i, 1, c);
    return 1;
  }

  void report_control(std::size_t i, std::size_t length, char32_t c) {
    if (controls_++ >= reports_of_a_kind) return;
    report({.code = "FAB0116",
            .message = "control character U+" + hex(c, 4) + " in the text",
            .at = span(i, i + length),
            .help = "remove it; if a value needs it, write \\x" + hex(c, 2) + " in double quotes (\\u" + hex(c, 4) + " in Jsonnet)",
            .fix = Fix{span(i, i + length), ""}});
  }

  std::size_t check_wide(std::size_t i, std::size_t begin) {
    const CodePoint c = code_point_at(text_.substr(i));
    if (c.length == 0) {
      std::size_t end = i + 1;
      while (end < text_.size() && end < i + 4 && is_continuation(text_[end])) ++end;
      if (broken_++ < reports_of_a_kind)
        report({.code = "FAB0117",
                .message = "byte 0x" + hex(static_cast<unsigned char>(text_[i]), 2) + " is not part of any UTF-8 character",
                .at = span(i, end),
                .help = "save the file as UTF-8; `iconv -f LATIN1 -t UTF-8` converts an older one"});
      return end - i;
    }
    if (c.value >= 0x80 && c.value <= 0x9F) report_control(i, c.length, c.value);
    if (is_bidi_control(c.value) && bidi_++ < reports_of_a_kind)
      report({.code = "FAB0121",
              .message = "invisible character U+" + hex(c.value, 4) + " changes the order in which text is shown",
              .at = span(i, i + c.length),
              .help = "remove it; if a value needs it, write \\u" + hex(c.value, 4) + " in double quotes",
              .fix = Fix{span(i, i + c.length), ""}});
    if (c.value == 0xFEFF && i != begin && marks_++ < reports_of_a_kind)
      report({.code = "FAB0121",
              .message = "an invisible byte order mark inside the text",
              .at = span(i, i + c.length),
              .help = "remove it: it often comes from files that were joined",
              .fix = Fix{span(i, i + c.length), ""}});
    return c.length;
  }

  std::string_view text_;
  std::uint32_t source_;
  Diagnostics& diagnostics_;
  bool sound_ = true;
  std::size_t lone_returns_ = 0, controls_ = 0, broken_ = 0, bidi_ = 0, marks_ = 0;
};

}  // namespace

bool check_source_text(const Sources& sources, std::uint32_t source, std::uint32_t begin, Diagnostics& diagnostics) {
  return TextCheck(sources, source, diagnostics).run(begin);
}

std::size_t byte_order_mark(std::string_view text) { return text.starts_with("\xEF\xBB\xBF") ? 3 : 0; }

}  // namespace fabric
