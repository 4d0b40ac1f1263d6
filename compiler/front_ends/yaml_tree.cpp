#include "compiler/front_ends/yaml_tree.hpp"

#include <algorithm>
#include <utility>

#include "compiler/front_ends/yaml_scalar.hpp"

namespace fabric {
namespace {

constexpr std::string_view core_tag = "tag:yaml.org,2002:";

bool begins_quoted(std::string_view text, std::uint32_t at) { return at < text.size() && (text[at] == '"' || text[at] == '\''); }
bool begins_block(std::string_view text, std::uint32_t at) { return at < text.size() && (text[at] == '|' || text[at] == '>'); }

}  // namespace

YamlTree::YamlTree(const Sources& sources, std::uint32_t source, std::uint32_t begin, Path root, SourceMap& origins,
                   Diagnostics& diagnostics)
    : text_(sources[source].text), source_(source), root_(std::move(root)), origins_(origins), diagnostics_(diagnostics), cursor_(begin) {}

YamlTree::Progress YamlTree::progress() const {
  Progress progress{cursor_, last_scalar_, last_style_, {}};
  for (const Open& open : stack_) progress.open.push_back(open.shape);
  return progress;
}

void YamlTree::null(std::uint32_t at, std::size_t anchor) {
  if (expects_key()) return null_key(at);
  Open* parent = stack_.empty() ? nullptr : &stack_.back();
  if (parent && parent->key_absent) {
    parent->key_absent = parent->has_key = parent->key_dropped = false;
    return;
  }
  // An empty value is reported at the next token, wherever that is; what the user sees is the colon or the dash.
  Span place = span(cursor_, cursor_);
  std::uint32_t after = cursor_;
  if (parent && parent->has_key) {
    const std::optional<ByteRange> colon = colon_after(text_, cursor_);
    if (!colon && (parent->shape.bracketed || !parent->shape.flow)) {
      const std::string key = slice(parent->key_span);
      if (key.size() > 1 && key[0] == '-' && !parent->shape.flow) {
        const std::string item = "- " + key.substr(1);
        add("FAB0124", "a dash makes a list item only with a space behind it: `" + key + "`", parent->key_span, "no space behind",
            "write `" + item + "`", item);
        throw GaveUp{};
      }
      const std::optional<std::string> mended = parent->shape.flow ? std::nullopt : with_colon(key);
      add("FAB0107", "the key has no colon: `" + key + "`", parent->key_span, "neither key nor value",
          "write `" + mended.value_or("name: value") + "`", mended);
    }
    place = colon ? span(*colon) : parent->key_span;
    after = colon ? colon->end : cursor_;
  } else if (parent && !parent->shape.flow) {
    const Gap gap = read_gap(text_, cursor_, std::max(at, cursor_));
    if (gap.dash) place = span(*gap.dash, *gap.dash + 1);
    after = std::max(place.end, cursor_);
  }
  const bool has_properties = at >= after && at < text_.size() && (text_[at] == '&' || text_[at] == '!');
  const Properties properties = read_properties(text_, at);
  const ByteRange word{properties.content, word_end(text_, properties.content)};
  const bool written =
      word.begin >= after && is_null_word(text_.substr(word.begin, word.end - word.begin)) && belongs_here(word.begin, after);
  if (written) pass_gap(at);
  if (parent && parent->shape.flow && !parent->has_key && !written) {
    add("FAB0131", "a comma with nothing before it", span(at, at + 1), "nothing stands here", "remove the comma, or write null", "null,");
    parent->started = true;
    cursor_ = at;
    return;
  }
  if (written) place = span(word);
  cursor_ = written ? word.end : std::max(after, has_properties ? properties.end : 0);
  empty_root_ = !parent && !written;
  finish(Value(), place, anchor);
}

void YamlTree::null_key(std::uint32_t at) {
  Open& map = stack_.back();
  const ByteRange word{at, word_end(text_, at)};
  if (is_null_word(text_.substr(word.begin, word.end - word.begin))) {
    const std::string name = slice(span(word));
    add("FAB0119", "a key is a text, and `" + name + "` is null", span(word), "here", "quote it: \"" + name + "\"", quoted_scalar(name));
    cursor_ = word.end;
    return take_key(name, span(word), true);
  }
  if (!map.shape.flow || at >= text_.size() || text_[at] == ':')
    fail("FAB0119", "a key is missing", span(at, at + 1), "no key before this", "write `name: value`");
  add("FAB0131", "a comma with nothing before it", span(at, at + 1), "nothing stands here", "remove the comma", "");
  map.has_key = map.key_absent = map.key_dropped = map.started = true;
  cursor_ = at + 1;
}

void YamlTree::alias(std::uint32_t at, std::size_t anchor) {
  pass_gap(at);
  const Span place = span(at, word_end(text_, at));
  const std::string name = slice(place).substr(1);
  cursor_ = place.end;
  if (expects_key()) fail("FAB0119", "an alias cannot be a key", place, "here", "write the key out");
  const auto it = anchors_.find(anchor);
  if (it == anchors_.end())
    fail("FAB0108", "the value named `&" + name + "` contains itself through `*" + name + "`", place, "goes round in a circle",
         "write the value out");
  const Anchored& anchored = it->second;
  alias_nodes_ += anchored.nodes;
  if (alias_nodes_ > yaml_alias_node_limit)
    fail("FAB0109", "aliases grow this file beyond " + std::to_string(yaml_alias_node_limit) + " further values", place,
         "`" + name + "` stands for " + std::to_string(anchored.nodes) + " more", "write fewer aliases of aliases");
  const Path path = next_path();
  const bool muted = next_is_muted();
  finish(anchored.value, place, 0, anchored.nodes);
  // Under the alias, what can be mended stands where the anchor is.
  if (!muted && anchored.placed) copy_origins(anchored.path, path);
}

void YamlTree::scalar(std::uint32_t at, std::size_t anchor, const std::string& tag, const std::string& value) {
  pass_gap(at);
  const Properties properties = read_properties(text_, at);
  const bool plain = !begins_quoted(text_, properties.content) && !begins_block(text_, properties.content);
  // An empty value with a tag has no text but the tag.
  const Span place = plain && value.empty() ? span(at, properties.end) : scalar_span(properties.content, value);
  cursor_ = place.end;
  last_scalar_ = place;
  last_style_ = plain ? Progress::Style::plain : begins_quoted(text_, place.begin) ? Progress::Style::quoted : Progress::Style::block;
  if (expects_key()) {
    if (properties.tag) refuse_tag(*properties.tag);
    return take_key(value, place, plain);
  }
  finish(typed(value, place, plain, tag, properties.tag), place, anchor);
}

void YamlTree::end_text() { pass_gap(static_cast<std::uint32_t>(text_.size())); }

void YamlTree::end_collection() {
  Open done = std::move(stack_.back());
  stack_.pop_back();
  std::uint32_t end = cursor_;
  if (done.shape.bracketed) {
    const char closing = text_[done.shape.begin] == '[' ? ']' : '}';
    end = skip_blank(text_, end);
    while (end < text_.size() && text_[end] != closing) end = skip_blank(text_, end + 1);
    cursor_ = end = std::min(end + 1, static_cast<std::uint32_t>(text_.size()));
  }
  finish(std::move(done.value), span(done.shape.begin, std::max(end, done.shape.begin)), done.anchor, done.nodes);
}

void YamlTree::add(const char* code, std::string message, Span at, std::string label, std::string help,
                   std::optional<std::string> replacement) {
  at.end = std::min(at.end, static_cast<std::uint32_t>(text_.size()));
  Diagnostic d{.code = code, .message = std::move(message), .at = at, .label = std::move(label), .help = std::move(help)};
  if (replacement) d.fix = Fix{at, std::move(*replacement)};
  diagnostics_.add(std::move(d));
}

void YamlTree::fail(const char* code, std::string message, Span at, std::string label, std::string help) {
  add(code, std::move(message), at, std::move(label), std::move(help));
  throw GaveUp{};
}

Path YamlTree::next_path() const {
  if (stack_.empty()) return root_;
  const Open& parent = stack_.back();
  return parent.value.is_object() ? parent.path / parent.key : parent.path / parent.value.as_array().size();
}

// The column of the innermost block collection, or -1.
int YamlTree::block_column() const {
  for (auto it = stack_.rbegin(); it != stack_.rend(); ++it)
    if (!it->shape.flow) return static_cast<int>(it->shape.column);
  return -1;
}

// Whether what stands at `content` can be the value that is expected behind `after`, and not the next key or item.
bool YamlTree::belongs_here(std::uint32_t content, std::uint32_t after) const {
  if (stack_.empty() || stack_.back().shape.flow || same_line(text_, after, content)) return true;
  return static_cast<int>(content - line_begin(text_, content)) > block_column();
}

// Judges what stands between the last token and the node at `at`.
void YamlTree::pass_gap(std::uint32_t at) {
  if (at <= cursor_) return;
  const Gap gap = read_gap(text_, cursor_, at);
  if (gap.directive)
    fail("FAB0136", "directives such as %YAML and %TAG have no meaning in a job", span(*gap.directive, line_end(text_, *gap.directive)),
         "this line", "remove the line");
  if (gap.glued_comment) {
    const Span hash = span(*gap.glued_comment, *gap.glued_comment + 1);
    add("FAB0132", "a comment is set off by a space", hash, "glued to what stands before it", "put a space before the #", " #");
  }
  const bool flow = !stack_.empty() && stack_.back().shape.flow;
  if (!flow && tab_indent(text_, at) && line_content(text_, at).begin == at) refuse_tabs(at);
  if (flow && !stack_.back().has_key && gap.commas > (stack_.back().started ? 1u : 0u))
    add("FAB0131", "a comma with nothing before it", span(gap.last_comma, gap.last_comma + 1), "nothing stands here", "remove the comma",
        "");
}

// One tab makes the rest hard to judge; the others are named too, so that all can be mended in one go.
void YamlTree::refuse_tabs(std::uint32_t at) {
  for (std::uint32_t line = line_begin(text_, at); line < text_.size();) {
    const std::optional<ByteRange> tabs = tab_indent(text_, line);
    if (tabs && (text_[line] == '\t' || same_line(text_, line, at))) {
      std::string spaces;
      for (const char c : text_.substr(tabs->begin, tabs->end - tabs->begin)) spaces += c == '\t' ? "  " : " ";
      add("FAB0123", "the line is indented by a tab", span(*tabs), "a tab", "indent with spaces: YAML gives a tab no width", spaces);
    }
    const std::size_t newline = text_.find('\n', line);
    if (newline == std::string_view::npos) break;
    line = static_cast<std::uint32_t>(newline + 1);
  }
  throw GaveUp{};
}

Span YamlTree::scalar_span(std::uint32_t begin, const std::string& value) {
  if (begins_block(text_, begin)) return span(begin, block_scalar_end(text_, begin, block_column()));
  if (!begins_quoted(text_, begin)) return span(begin, plain_scalar_end(text_, begin, value));
  const QuotedText quoted = read_quoted(text_, begin);
  if (!quoted.closed)
    fail("FAB0106", "the quote is never closed", span(begin, line_end(text_, begin)), "opened here",
         std::string("close it with ") + text_[begin]);
  return span(begin, quoted.end);
}

void YamlTree::take_key(const std::string& name, Span at, bool plain) {
  Open& map = stack_.back();
  map.has_key = map.started = true;
  map.key = name;
  map.key_span = at;
  map.key_dropped = false;
  if (plain && name == "<<") {
    map.key_dropped = true;
    return add("FAB0104", "the merge key `<<` is not part of YAML 1.2 and is not taken", at, "merges another map",
               "write the fields out; what several jobs share goes into a file that each of them `extends`");
  }
  const auto [first, fresh] = map.keys.try_emplace(name, at);
  if (fresh) return;
  map.key_dropped = true;
  diagnostics_.add({.code = "FAB0102",
                    .message = "the key `" + name + "` stands twice in one map",
                    .at = at,
                    .label = "the second one",
                    .help = "remove one of the two",
                    .notes = {{"the first one is here", first->second}}});
}

Value YamlTree::typed(const std::string& value, Span at, bool plain, const std::string& tag, const std::optional<ByteRange>& written) {
  if (written && tag == std::string(core_tag) + "str") return value;
  if (!written && !plain) return value;
  TypedScalar scalar = type_plain_scalar(value);
  if (written) {
    const std::string kind = tag.starts_with(core_tag) ? tag.substr(core_tag.size()) : "";
    const Value& v = scalar.value;
    if (kind == "float" && v.is_integer()) return v.as_real();
    const bool agrees = (kind == "int" && v.is_integer()) || (kind == "float" && v.is_real()) || (kind == "bool" && v.is_bool()) ||
                        (kind == "null" && v.is_null());
    if (!agrees) {
      refuse_tag(*written);
      return value;
    }
  }
  if (!scalar.code.empty()) add(scalar.code.c_str(), scalar.message, at, "in doubt", scalar.help, scalar.replacement);
  return std::move(scalar.value);
}

void YamlTree::refuse_tag(ByteRange written) {
  const std::string tag = slice(span(written));
  const bool core =
      tag == "!!int" || tag == "!!float" || tag == "!!bool" || tag == "!!null" || tag == "!!str" || tag == "!!map" || tag == "!!seq";
  add("FAB0103", core ? "the tag " + tag + " does not fit what it stands before" : "the tag `" + tag + "` has no meaning in a job",
      span(written), "a tag", "remove the tag; quotes make a text of a value");
}

void YamlTree::open(Value empty, std::uint32_t at, std::size_t anchor, const std::string& tag, bool flow) {
  pass_gap(at);
  const Properties properties = read_properties(text_, at);
  Collection shape{.begin = properties.content, .is_map = empty.is_object(), .flow = flow};
  shape.column = shape.begin - line_begin(text_, shape.begin);
  shape.bracketed = shape.begin < text_.size() && flow && text_[shape.begin] == (shape.is_map ? '{' : '[');
  const Span sign = span(shape.begin, shape.begin + 1);
  // A bracket without end looks like a key to yaml-cpp.
  if (expects_key() && flow && !bracket_closes(text_, shape.begin))
    fail("FAB0125", "the bracket `" + slice(sign) + "` is never closed", sign, "opened here",
         std::string("close it with ") + (shape.is_map ? "}" : "]"));
  if (expects_key()) fail("FAB0119", "a key is a text, not a list or a map", sign, "used as a key", "is a quote or a bracket missing?");
  if (stack_.size() >= yaml_depth_limit)
    fail("FAB0110", "nested deeper than " + std::to_string(yaml_depth_limit) + " levels", sign, "too deep",
         "no job needs that; flatten it");
  const bool own_tag = properties.tag && !tag.empty() && tag != "?";
  if (own_tag && tag != std::string(core_tag) + (shape.is_map ? "map" : "seq")) refuse_tag(*properties.tag);
  Open next{.value = std::move(empty), .path = next_path(), .shape = shape, .anchor = anchor, .muted = next_is_muted()};
  stack_.push_back(std::move(next));
  if (flow) cursor_ = std::max(cursor_, shape.begin + (shape.bracketed ? 1 : 0));
}

void YamlTree::finish(Value value, Span at, std::size_t anchor, std::size_t nodes) {
  if (++nodes_ > yaml_node_limit)
    fail("FAB0109", "the file holds more than " + std::to_string(yaml_node_limit) + " values", at, "too many", "is it the right file?");
  const bool muted = next_is_muted();
  Path path = next_path();
  if (anchor) anchors_[anchor] = {value, path, nodes, !muted};
  if (stack_.empty()) {
    origins_.set(path, Origin{std::nullopt, at, false});
    result_ = std::move(value);
    return;
  }
  Open& parent = stack_.back();
  parent.nodes += nodes;
  if (parent.value.is_array()) {
    parent.started = true;
    if (!muted) origins_.set(path, Origin{std::nullopt, at, false});
    parent.value.as_array().push_back(std::move(value));
    return;
  }
  if (!muted) origins_.set(path, Origin{parent.key_span, at, false});
  if (!parent.key_dropped) parent.value.as_object().push_back({std::move(parent.key), std::move(value)});
  parent.has_key = parent.key_dropped = false;
}

void YamlTree::copy_origins(const Path& from, const Path& to) {
  std::vector<std::pair<Path, Origin>> copies;
  const auto& all = origins_.all();
  for (auto it = all.upper_bound(from); it != all.end() && it->first.starts_with(from); ++it) {
    Path path = to;
    for (std::size_t i = from.steps().size(); i < it->first.steps().size(); ++i) {
      const Path::Step& step = it->first.steps()[i];
      path = std::holds_alternative<std::size_t>(step) ? path / std::get<std::size_t>(step) : path / std::get<std::string>(step);
    }
    copies.emplace_back(std::move(path), it->second);
  }
  for (auto& [path, origin] : copies) origins_.set(path, origin);
}

}  // namespace fabric
