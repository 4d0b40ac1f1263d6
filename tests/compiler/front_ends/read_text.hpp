// What the tests of the front ends share: a text goes in, and value, places and diagnostics come out.
#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/front_ends/yaml.hpp"
#include "schema/json.hpp"

namespace fabric {

struct ReadText {
  Sources sources;
  SourceMap origins;
  Diagnostics diagnostics;
  std::optional<Value> value;

  std::string slice(const Span& span) const { return sources[span.source].text.substr(span.begin, span.end - span.begin); }
  std::string json() const { return value ? canonical_json(*value) : "none"; }
  std::string codes() const {
    std::string all;
    for (const Diagnostic& d : diagnostics.all()) all += (all.empty() ? "" : " ") + d.code;
    return all;
  }
  // LINE:COLUMN of a span.
  std::string place(const Span& span) const {
    const Position at = position_of(sources[span.source].text, span.begin);
    return std::to_string(at.line) + ':' + std::to_string(at.column);
  }
};

inline ReadText read_yaml_text(std::string text) {
  ReadText read;
  const std::uint32_t source = read.sources.add({"job.yaml", std::move(text), Source::Kind::file});
  read.value = read_yaml(read.sources, source, read.origins, read.diagnostics);
  return read;
}

// `path=value`, as behind --set.
inline ReadText read_set_text(std::string text) {
  ReadText read;
  const auto begin = static_cast<std::uint32_t>(text.find('=') + 1);
  const Path path = *Path::parse(text.substr(0, begin - 1));
  const std::uint32_t source = read.sources.add({"--set", std::move(text), Source::Kind::option});
  read.value = read_yaml_flow(read.sources, source, begin, path, read.origins, read.diagnostics);
  return read;
}

// The text with one fix, or with all of them, put in place.
inline std::string apply_fix(std::string text, const Fix& fix) {
  return text.replace(fix.at.span->begin, fix.at.span->end - fix.at.span->begin, fix.replacement);
}
inline std::string apply_fixes(std::string text, const Diagnostics& diagnostics) {
  std::vector<Fix> fixes;
  for (const Diagnostic& d : diagnostics.all())
    if (d.fix) fixes.push_back(*d.fix);
  std::sort(fixes.begin(), fixes.end(), [](const Fix& a, const Fix& b) { return a.at.span->begin > b.at.span->begin; });
  for (const Fix& fix : fixes) text = apply_fix(std::move(text), fix);
  return text;
}

inline std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  text.reserve(part.size() * times);
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

}  // namespace fabric
