#include "compiler/front_ends/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <streambuf>

#include "compiler/front_ends/source_text.hpp"
#include "compiler/front_ends/yaml_error.hpp"
#include "compiler/front_ends/yaml_scalar.hpp"
#include "compiler/front_ends/yaml_tree.hpp"

namespace fabric {
namespace {

// Reads a text where it lies.
struct TextBuffer : std::streambuf {
  explicit TextBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // an input buffer is never written to
    setg(begin, begin, begin + text.size());
  }
};

// Passes yaml-cpp's events on. Its marks count bytes of the text that it was handed, which begins at `base`.
class Events : public YAML::EventHandler {
 public:
  Events(YamlTree& tree, std::uint32_t base, std::uint32_t size) : tree_(tree), base_(base), size_(size) {}

  std::optional<std::uint32_t> second_document;

  std::uint32_t offset(const YAML::Mark& mark) const { return std::min(base_ + static_cast<std::uint32_t>(std::max(mark.pos, 0)), size_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    second_document = offset(mark);
    throw YamlTree::GaveUp{};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { tree_.null(offset(mark), anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override { tree_.alias(offset(mark), anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    tree_.scalar(offset(mark), anchor, tag, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style) override {
    tree_.begin_list(offset(mark), anchor, tag, style == YAML::EmitterStyle::Flow);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style) override {
    tree_.begin_map(offset(mark), anchor, tag, style == YAML::EmitterStyle::Flow);
  }
  void OnSequenceEnd() override { tree_.end_collection(); }
  void OnMapEnd() override { tree_.end_collection(); }

 private:
  YamlTree& tree_;
  std::uint32_t base_;
  std::uint32_t size_;
  int documents_ = 0;
};

Span first_line(std::string_view text, std::uint32_t source, std::uint32_t at) {
  return {source, at, std::max(line_content(text, at).end, at)};
}

Diagnostic nothing_written(std::uint32_t source, std::uint32_t begin) {
  return {.code = "FAB0122",
          .message = "the file is empty",
          .at = Span{source, begin, begin},
          .label = "nothing here",
          .help = "begin with `fabric: 1`; `fabric explain` lists the fields"};
}

Diagnostic second_document(std::string_view text, std::uint32_t source, std::uint32_t at, bool option) {
  if (text.substr(at).starts_with("---"))
    return {.code = "FAB0105",
            .message = "a second document begins here, and a file holds one job",
            .at = Span{source, at, at + 3},
            .label = "second document",
            .help = "put it into a file of its own; variants of one job go into `profiles`"};
  if (option)
    return {.code = "FAB0127",
            .message = "text follows the end of the value",
            .at = first_line(text, source, at),
            .label = "belongs to nothing",
            .help = "remove it, or put the whole value into quotes"};
  return {.code = "FAB0133",
          .message = "text follows the end of the job",
          .at = first_line(text, source, at),
          .label = "belongs to nothing above it",
          .help = "give it the indentation of what it belongs to; a map and a list cannot stand side by side"};
}

// Whether an error that was reported already stands on the line of `at`: the parser stumbles over the same thing again.
bool blamed_line(const Diagnostics& diagnostics, std::size_t known, std::string_view text, std::uint32_t source, std::uint32_t at) {
  const auto& all = diagnostics.all();
  return std::any_of(all.begin() + static_cast<std::ptrdiff_t>(known), all.end(), [&](const Diagnostic& d) {
    return d.at.span && d.at.span->source == source && same_line(text, d.at.span->begin, at);
  });
}

std::optional<Value> parse(const Sources& sources, std::uint32_t source, std::uint32_t begin, const Path& root, SourceMap& origins,
                           Diagnostics& diagnostics) {
  const std::string_view text = sources[source].text;
  if (const auto excess = find_flow_excess(text, begin, yaml_depth_limit, yaml_node_limit)) {
    Diagnostic d{.code = excess->too_deep ? "FAB0110" : "FAB0109", .at = Span{source, excess->at, excess->at + 1}, .label = "one too many"};
    d.message = excess->too_deep ? "nested deeper than " + std::to_string(yaml_depth_limit) + " levels"
                                 : "the file holds more than " + std::to_string(yaml_node_limit) + " values";
    d.help = excess->too_deep ? "no job needs that; flatten it" : "is it the right file?";
    diagnostics.add(std::move(d));
    return std::nullopt;
  }
  const std::size_t known = diagnostics.all().size();
  YamlTree tree(sources, source, begin, root, origins, diagnostics);
  Events events(tree, begin, static_cast<std::uint32_t>(text.size()));
  TextBuffer buffer(text.substr(begin));
  std::istream in(&buffer);
  try {
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(events)) {}
    tree.end_text();
  } catch (const YamlTree::GaveUp&) {
    if (events.second_document)
      diagnostics.add(second_document(text, source, *events.second_document, sources[source].kind == Source::Kind::option));
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    const std::uint32_t at = events.offset(error.mark);
    if (!blamed_line(diagnostics, known, text, source, at))
      diagnostics.add(explain_yaml_error(error.msg, text, source, at, tree.progress()));
    return std::nullopt;
  }
  if (tree.wrote_nothing()) {
    diagnostics.add(nothing_written(source, begin));
    return std::nullopt;
  }
  return std::move(tree.result());
}

}  // namespace

std::optional<Value> read_yaml(const Sources& sources, std::uint32_t source, SourceMap& origins, Diagnostics& diagnostics) {
  if (!check_source_text(sources, source, 0, diagnostics)) return std::nullopt;
  const std::string_view text = sources[source].text;
  const auto begin = static_cast<std::uint32_t>(byte_order_mark(text));
  std::optional<Value> value = parse(sources, source, begin, Path(), origins, diagnostics);
  // `fabric:1` alone is a text to YAML; the writer meant a key.
  if (value && value->is_string())
    if (const std::size_t colon = value->as_string().find(':'); colon != std::string::npos && origins.find(Path())) {
      const Span at = origins.find(Path())->value;
      Diagnostic d{
          .code = "FAB0107", .message = "no space follows the colon", .at = at, .label = "read as one text", .help = "write `name: value`"};
      diagnostics.add(std::move(d));
      return std::nullopt;
    }
  return value;
}

std::optional<Value> read_yaml_flow(const Sources& sources, std::uint32_t source, std::uint32_t begin, const Path& path, SourceMap& origins,
                                    Diagnostics& diagnostics) {
  if (!check_source_text(sources, source, begin, diagnostics)) return std::nullopt;
  const std::string_view text = std::string_view(sources[source].text).substr(begin);
  if (!text.empty() && std::string_view("[{\"'").find(text[0]) != std::string_view::npos)
    return parse(sources, source, begin, path, origins, diagnostics);
  // On a command line a bare text is a text, whatever signs are in it.
  const Span at{source, begin, begin + static_cast<std::uint32_t>(text.size())};
  TypedScalar typed = type_plain_scalar(text);
  origins.set(path, Origin{std::nullopt, at, false});
  if (typed.code.empty()) return std::move(typed.value);
  Diagnostic d{.code = typed.code, .message = typed.message, .at = at, .label = "in doubt", .help = typed.help};
  if (typed.replacement) d.fix = Fix{at, *typed.replacement};
  diagnostics.add(std::move(d));
  return std::nullopt;
}

}  // namespace fabric
