#include "compiler/front_ends/yaml_error.hpp"

#include <algorithm>
#include <cctype>

#include "compiler/front_ends/yaml_scalar.hpp"

namespace fabric {
namespace {

using Style = YamlTree::Progress::Style;

class Explanation {
 public:
  Explanation(const std::string& message, std::string_view text, std::uint32_t source, std::uint32_t at, const YamlTree::Progress& progress)
      : message_(message), text_(text), source_(source), at_(std::min(at, static_cast<std::uint32_t>(text.size()))), progress_(progress) {
    // The token that the parser was reading: behind white space, comments and the signs between tokens.
    pending_ = skip_blank(text_, progress_.cursor);
    while (pending_ < text_.size() && text_.find_first_of(":,-?", pending_) == pending_ && pending_ + 1 < text_.size() &&
           std::string_view(" \t\r\n").find(text_[pending_ + 1]) != std::string_view::npos)
      pending_ = skip_blank(text_, pending_ + 1);
  }

  Diagnostic find() const {
    if (says("illegal tab")) return tab();
    if (says("illegal EOF") || says("illegal document indicator")) return open_quote(pending_);
    if (says("unknown escape") || says("hex number") || says("invalid unicode")) return escape();
    if (says("anchor is not defined")) return unknown_alias();
    if (says("flow not found")) return open_bracket();
    if (says("illegal map value")) return colon();
    if (says("end of map") || says("end of sequence")) return stray_text();
    if (says("illegal block entry")) return dash();
    if (says("illegal flow end"))
      return make("FAB0126", "`" + std::string(1, byte_at(at_)) + "` closes a bracket that is not open", {at_, at_ + 1}, "nothing to close",
                  "remove it, or quote the text that it belongs to");
    if (says("unknown token")) return reserved_sign();
    if (says("not found after") || says("while scanning alias") || says("while scanning anchor")) return nameless_alias();
    if (says("cannot assign multiple") || says("aliases can't"))
      return make("FAB0137", "one value has two anchors, or an alias has content of its own", word(at_), "one too many",
                  "keep one of them");
    if (says("block scalar"))
      return make("FAB0138", "the text block begins with signs that mean nothing", rest_of_line(pending_), "only | or >, a digit, + or -",
                  "begin the text on the next line, indented under its key");
    if (says("tag")) return make("FAB0103", "the tag cannot be read", word(at_), "here", "remove the tag; quotes make a text of a value");
    if (says("directive") || says("YAML version"))
      return make("FAB0136", "directives such as %YAML and %TAG have no meaning in a job", rest_of_line(line_begin(text_, at_)),
                  "this line", "remove the line");
    if (says("bad file")) return make("FAB0110", "nested too deeply", here(), "too deep", "no job needs that; flatten it");
    return make("FAB0101", "the text cannot be read as YAML from here on (" + message_ + ")", here(), "here",
                "look at the indentation, quotes and brackets of this line and the one above");
  }

 private:
  bool says(std::string_view part) const { return message_.find(part) != std::string::npos; }
  char byte_at(std::uint32_t i) const { return i < text_.size() ? text_[i] : '\n'; }
  std::string slice(ByteRange r) const { return std::string(text_.substr(r.begin, r.end - r.begin)); }
  Span span(ByteRange r) const { return {source_, r.begin, std::min(r.end, static_cast<std::uint32_t>(text_.size()))}; }

  Diagnostic make(const char* code, std::string message, ByteRange at, std::string label, std::string help) const {
    return {.code = code, .message = std::move(message), .at = span(at), .label = std::move(label), .help = std::move(help)};
  }

  // At the end of the text, the last sign that is there: a caret behind it would show an empty line.
  ByteRange here() const {
    std::uint32_t at = at_;
    while (at > 0 && (at >= text_.size() || text_[at] == '\n' || text_[at] == '\r')) --at;
    return {at, at + 1};
  }
  ByteRange word(std::uint32_t at) const {
    const std::uint32_t end = word_end(text_, at);
    return end > at ? ByteRange{at, end} : here();
  }
  ByteRange rest_of_line(std::uint32_t at) const {
    return {at, std::max(line_content(text_, at).end, std::min(at + 1, line_end(text_, at)))};
  }
  // The rest of a value: inside of brackets, up to what ends it there.
  ByteRange rest_of_value(std::uint32_t at) const {
    ByteRange rest = rest_of_line(at);
    const std::string_view before = text_.substr(line_begin(text_, at), at - line_begin(text_, at));
    if (innermost_bracket() || before.find_first_of("[{") != std::string_view::npos)
      rest.end = static_cast<std::uint32_t>(std::min<std::size_t>(rest.end, text_.find_first_of(",]}", at + 1)));
    return rest;
  }
  bool first_on_line(std::uint32_t at) const { return line_content(text_, at).begin >= at; }

  Diagnostic quoting(const char* code, std::string message, ByteRange at, std::string label) const {
    const std::string mended = quoted_scalar(slice(at));
    Diagnostic d = make(code, std::move(message), at, std::move(label), "quote it if it is text: " + mended);
    d.fix = Fix{span(at), mended};
    return d;
  }

  Diagnostic tab() const {
    const std::optional<ByteRange> tabs = tab_indent(text_, at_);
    if (!tabs) return make("FAB0123", "a tab stands where YAML wants spaces", here(), "a tab", "use spaces");
    std::string spaces;
    for (const char c : slice(*tabs)) spaces += c == '\t' ? "  " : " ";
    Diagnostic d = make("FAB0123", "the line is indented by a tab", *tabs, "a tab", "indent with spaces: YAML gives a tab no width");
    d.fix = Fix{span(*tabs), spaces};
    return d;
  }

  Diagnostic open_quote(std::uint32_t begin) const {
    const std::string quote(1, byte_at(begin));
    return make("FAB0106", "the quote is never closed", {begin, line_end(text_, begin)}, "opened here", "close it with " + quote);
  }

  Diagnostic escape() const {
    // yaml-cpp tells of no item of a flow collection before it has seen the end, so the quote may stand far behind what was read.
    for (std::uint32_t at = pending_; at < text_.size() && at <= at_; ++at) {
      const bool begins = at == pending_ || std::string_view(" \t\r\n,[{:").find(byte_at(at - 1)) != std::string_view::npos;
      if (!begins || (byte_at(at) != '"' && byte_at(at) != '\'')) continue;
      const QuotedText quoted = read_quoted(text_, at);
      if (quoted.bad_escape) {
        const std::string written = slice(*quoted.bad_escape);
        Diagnostic d = make("FAB0128", "`" + written + "` is no escape that YAML knows", *quoted.bad_escape,
                            "in double quotes a \\ begins an escape", "write \\\\ for a backslash, or put the text in single quotes");
        d.fix = Fix{span(*quoted.bad_escape), "\\" + written};
        return d;
      }
      at = quoted.end - 1;
    }
    return make("FAB0128", "an escape that YAML does not know", here(), "here",
                "write \\\\ for a backslash, or put the text in single quotes");
  }

  Diagnostic unknown_alias() const {
    const ByteRange name = word(at_);
    Diagnostic d = quoting("FAB0130", "no value above this line is named `&" + slice(name).substr(1) + "`", name, "an alias of nothing");
    d.help = "write &name before the value that *name repeats; quote it if it is text: " + d.fix->replacement;
    return d;
  }

  Diagnostic nameless_alias() const {
    const ByteRange line = rest_of_value(pending_);
    return quoting("FAB0137",
                   "`" + std::string(1, byte_at(pending_)) + "` begins an " + (byte_at(pending_) == '*' ? "alias" : "anchor") +
                       ", and no name follows it",
                   line, "here");
  }

  Diagnostic reserved_sign() const {
    const char sign = byte_at(at_);
    if (sign == '\t') return tab();
    return quoting("FAB0129", std::string("no plain text can begin with ") + sign, rest_of_value(at_),
                   "begins with " + std::string(1, sign));
  }

  Diagnostic dash() const {
    if (const YamlTree::Collection* bracket = innermost_bracket())
      return make("FAB0125", "a list of dashes cannot stand inside brackets", {at_, at_ + 1}, "here",
                  "close the bracket, or separate the items by commas", bracket->begin);
    return make("FAB0135", "a list of dashes begins on a line of its own", {at_, at_ + 1}, "on the line of its key",
                "put each `- item` on a line of its own under the key, or write [item, item]");
  }

  Diagnostic make(const char* code, std::string message, ByteRange at, std::string label, std::string help, std::uint32_t bracket) const {
    Diagnostic d = make(code, std::move(message), at, std::move(label), std::move(help));
    d.notes.push_back({"the bracket is opened here", span({bracket, bracket + 1})});
    return d;
  }

  const YamlTree::Collection* innermost_bracket() const {
    const YamlTree::Collection* found = nullptr;
    for (const YamlTree::Collection& open : progress_.open)
      if (open.bracketed) found = &open;
    return found;
  }

  Diagnostic open_bracket() const {
    const YamlTree::Collection* bracket = innermost_bracket();
    if (!bracket) return make("FAB0125", "a bracket is never closed", here(), "here", "close it with ] or }");
    const std::string closing = text_[bracket->begin] == '[' ? "]" : "}";
    // What spilled over from an earlier line shows that the bracket was to end there.
    const bool goes_on = at_ < text_.size() && skip_blank(text_, at_) == at_ && same_line(text_, progress_.last_scalar.begin, at_) &&
                         progress_.last_scalar.begin > bracket->begin;
    if (goes_on && progress_.last_style == Style::quoted && progress_.last_scalar.end <= at_)
      return make("FAB0127", "text follows the closing quote", rest_of_line(at_), "not inside the quotes", "is a comma missing?",
                  bracket->begin);
    if (goes_on && byte_at(at_) == ':')
      return make("FAB0134", "a plain text cannot hold `: `", {at_, at_ + 1}, "here", "is a comma missing? Else quote the text",
                  bracket->begin);
    return make("FAB0125", std::string("the bracket `") + text_[bracket->begin] + "` is never closed", {bracket->begin, bracket->begin + 1},
                "opened here", "close it with " + closing);
  }

  // A `: ` where no key can end.
  Diagnostic colon() const {
    if (tab_indent(text_, at_)) return tab();
    const ByteRange line = line_content(text_, at_);
    const Span& last = progress_.last_scalar;
    const bool in_last = progress_.last_style == Style::plain && last.end <= at_ && skip_blank(text_, last.end) >= at_;
    if (in_last && same_line(text_, last.begin, at_))
      return quoting("FAB0134", "a plain text cannot hold `: `", {last.begin, line.end}, "read as a key inside a value");
    if (in_last) {
      Diagnostic d = make("FAB0124", "the line is indented as if it went on with the value above", {line.begin, at_},
                          "deeper than its neighbours", "give the keys of a map the same indentation");
      d.notes.push_back({"the value begins here", last});
      return d;
    }
    if (pending_ < at_ && !same_line(text_, pending_, at_)) return missing_colon(line_content(text_, pending_));
    return make("FAB0134", "a `:` stands where no key can end", {at_, at_ + 1}, "here", "quote the text if the colon belongs to it");
  }

  // `-python`, meant as an item of a list.
  Diagnostic dash_without_space(ByteRange line) const {
    const std::string written = slice(line), mended = "- " + written.substr(1);
    Diagnostic d = make("FAB0124", "a dash makes a list item only with a space behind it: `" + written + "`", {line.begin, line.begin + 1},
                        "no space behind", "write `" + mended + "`");
    d.fix = Fix{span(line), mended};
    return d;
  }
  static bool lacks_space(const std::string& line) {
    return line.size() > 1 && line[0] == '-' && std::isalpha(static_cast<unsigned char>(line[1]));
  }

  Diagnostic missing_colon(ByteRange line) const {
    const std::string written = slice(line);
    if (lacks_space(written)) return dash_without_space(line);
    Diagnostic d = make("FAB0107", "the key has no colon: `" + written + "`", line, "neither key nor value", "write `name: value`");
    if (const std::optional<std::string> mended = with_colon(written)) {
      d.help = "write `" + *mended + "`";
      d.fix = Fix{span(line), *mended};
    }
    return d;
  }

  // Something that is neither the next key or item nor the end.
  Diagnostic stray_text() const {
    const Span& last = progress_.last_scalar;
    if (tab_indent(text_, at_) && first_on_line(at_)) return tab();
    const bool after_last =
        progress_.cursor <= at_ && same_line(text_, progress_.cursor, at_) && progress_.cursor > 0 && !first_on_line(at_);
    if (after_last && progress_.last_style == Style::quoted && last.end == progress_.cursor) {
      if (!same_line(text_, last.begin, last.end)) return open_quote(last.begin);
      Diagnostic d = make("FAB0127", "text follows the closing quote", rest_of_line(at_), "not inside the quotes",
                          "put the whole value into the quotes");
      if (text_[last.begin] == '\'' && at_ == last.end) d.help = "inside single quotes a quote is written twice: ''";
      if (text_[last.begin] == '"' && at_ == last.end) d.help = "inside double quotes a quote is written \\\"";
      return d;
    }
    if (after_last)
      return make("FAB0127", "text follows the end of the value", rest_of_line(at_), "belongs to nothing",
                  "remove it, or quote the whole value");
    const ByteRange line = line_content(text_, at_);
    if (lacks_space(slice(line))) return dash_without_space(line);
    if (byte_at(at_) == '-' && says("end of map"))
      return make("FAB0124", "a list item stands among the keys of a map", line, "an item of which list?",
                  "put it under its key, or remove the dash");
    const std::uint32_t column = at_ - line_begin(text_, at_);
    const bool fits =
        std::any_of(progress_.open.begin(), progress_.open.end(), [&](const auto& open) { return !open.flow && open.column == column; });
    if (fits && slice(line).find(": ") == std::string::npos && slice(line).back() != ':') return missing_colon(line);
    Diagnostic d = make("FAB0124", "the indentation fits no line above it", line, "indented by " + std::to_string(column),
                        "give what belongs together the same indentation");
    for (auto open = progress_.open.rbegin(); open != progress_.open.rend(); ++open) {
      if (open->flow || open->column == column) continue;
      const ByteRange other = line_content(text_, open->begin);
      d.notes.push_back({"this is indented by " + std::to_string(open->column), span({std::max(open->begin, other.begin), other.end})});
    }
    return d;
  }

  const std::string& message_;
  std::string_view text_;
  std::uint32_t source_;
  std::uint32_t at_;
  std::uint32_t pending_ = 0;
  const YamlTree::Progress& progress_;
};

}  // namespace

Diagnostic explain_yaml_error(const std::string& message, std::string_view text, std::uint32_t source, std::uint32_t at,
                              const YamlTree::Progress& progress) {
  return Explanation(message, text, source, at, progress).find();
}

}  // namespace fabric
