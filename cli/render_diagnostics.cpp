#include "cli/render_diagnostics.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/core.h>

namespace fabric {
namespace {

// The line of text that holds `offset`, without its line end.
struct Line {
  std::size_t begin, end;
};
Line line_at(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const std::size_t before = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  Line line{before == std::string_view::npos ? 0 : before + 1, std::min(text.find('\n', offset), text.size())};
  if (line.end > line.begin && text[line.end - 1] == '\r') --line.end;
  return line;
}

// Text of the user for an excerpt: tabs are four spaces, everything else is made safe.
std::string excerpt(std::string_view text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t tab = std::min(text.find('\t', at), text.size());
    shown += sanitised(text.substr(at, tab - at));
    if (tab < text.size()) shown += "    ";
    at = tab + 1;
  }
  return shown;
}

// Drops whole characters from the front of text until `columns` are gone, or from the back until at most `columns` are left.
std::string_view without_front(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  for (std::size_t gone = 0; at < text.size() && gone < columns;) {
    const std::size_t begin = at;
    next_code_point(text, at);
    gone += display_width(text.substr(begin, at - begin));
  }
  return text.substr(at);
}
std::string_view only_front(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  for (std::size_t used = 0; at < text.size();) {
    const std::size_t begin = at;
    next_code_point(text, at);
    used += display_width(text.substr(begin, at - begin));
    if (used > columns) return text.substr(0, begin);
  }
  return text.substr(0, at);
}

class Renderer {
 public:
  Renderer(const Sources& sources, const SourceMap& origins, const Terminal& terminal)
      : sources_(sources), origins_(origins), terminal_(terminal) {}

  std::string diagnostic(const Diagnostic& d) {
    const bool error = d.severity == Severity::error;
    const Located at = locate(d.at, sources_, origins_);
    gutter_ = gutter_for(at);
    for (const Note& note : d.notes) gutter_ = std::max(gutter_, gutter_for(locate(note.at, sources_, origins_)));
    out_.clear();
    const Style mark = error ? Style::error : Style::warning;
    out_ += terminal_.paint(mark, fmt::format("{}[{}]", error ? "error" : "warning", d.code));
    out_ += terminal_.paint(Style::strong, ": " + sanitised(d.message)) + '\n';
    place(at, d.label, mark, '^');
    for (const Note& note : d.notes) {
      const Located where = locate(note.at, sources_, origins_);
      if (!where.span) {
        remark("note", note.message);
        continue;
      }
      out_ += terminal_.paint(Style::note, "note") + ": " + sanitised(note.message) + '\n';
      place(where, "", Style::note, '-');
    }
    if (!d.help.empty()) remark("help", d.help);
    return out_;
  }

 private:
  std::size_t gutter_for(const Located& at) const {
    if (!at.span || at.computed || sources_[at.span->source].kind == Source::Kind::option) return 1;
    return std::to_string(position_of(sources_[at.span->source].text, at.span->begin).line).size();
  }

  std::string bar(std::string_view number = "") const { return terminal_.paint(Style::note, ' ' + padded_left(number, gutter_) + " |"); }

  // The arrow line, then the excerpt unless the value has no text of its own.
  void place(const Located& at, const std::string& label, Style mark, char underline) {
    const std::string arrow = terminal_.paint(Style::note, std::string(gutter_ + 1, ' ') + "-->");
    if (!at.span) {
      if (!at.path.empty()) out_ += arrow + ' ' + sanitised(at.path) + '\n';
      return;
    }
    const Source& source = sources_[at.span->source];
    if (at.computed) {
      out_ += fmt::format("{} {}, at {}\n", arrow, sanitised(source.name), at.path.empty() ? "its root" : '`' + sanitised(at.path) + '`');
      if (!label.empty()) remark("note", label);
      return;
    }
    const bool option = source.kind == Source::Kind::option;
    const Position position = position_of(source.text, at.span->begin);
    out_ += arrow + ' ';
    out_ += option ? "command line" : fmt::format("{}:{}:{}", sanitised(source.name), position.line, position.column);
    if (!at.exact)
      out_ +=
          fmt::format(" (`{}` is {}; this is what stands nearest)", sanitised(at.path), at.by_program ? "not written out" : "not written");
    out_ += '\n';

    const std::string_view text = source.text;
    const Line line = line_at(text, at.span->begin);
    const std::size_t begin = std::clamp<std::size_t>(at.span->begin, line.begin, line.end);
    const std::size_t end = std::clamp<std::size_t>(at.span->end, begin, line.end);
    std::string prefix = excerpt(text.substr(line.begin, begin - line.begin));
    if (option && !text.starts_with(source.name)) prefix = sanitised(source.name) + ' ' + prefix;
    const std::string marked = excerpt(text.substr(begin, end - begin));
    const std::string rest = excerpt(text.substr(end, line.end - end));
    std::string shown = prefix + marked + rest;
    std::size_t before = display_width(prefix);
    std::size_t under = std::max<std::size_t>(display_width(marked), 1);

    // A long line is cut to a window around the caret.
    const std::size_t room = std::max<std::size_t>(terminal_.width, gutter_ + 34) - (gutter_ + 4);
    if (display_width(shown) > room) {
      under = std::min(under, room - 6);
      if (before + under + 3 > room) {
        const std::size_t drop = before - std::min(before, std::max<std::size_t>(room - 6 - under, 0) / 2);
        const std::string_view kept = without_front(shown, drop);
        before = before - std::min(before, display_width(shown) - display_width(kept)) + 3;
        shown = "..." + std::string(kept);
      }
      if (display_width(shown) > room) shown = std::string(only_front(shown, room - 3)) + "...";
    }

    out_ += bar() + '\n';
    out_ += bar(option ? "" : std::to_string(position.line)) + (shown.empty() ? "" : ' ' + shown) + '\n';
    std::string caret = std::string(under, underline);
    if (!label.empty()) caret += ' ' + sanitised(label);
    out_ += bar() + ' ' + std::string(before, ' ') + terminal_.paint(mark, caret) + '\n';
  }

  void remark(std::string_view kind, std::string_view message) {
    const std::string lead = std::string(gutter_ + 2, ' ');
    const std::size_t indent = gutter_ + 2 + 2 + kind.size() + 2;
    out_ += lead + terminal_.paint(Style::note, "=") + ' ' + terminal_.paint(Style::strong, kind) + ": ";
    bool first = true;
    for (std::size_t at = 0; at <= message.size();) {
      const std::size_t end = std::min(message.find('\n', at), message.size());
      for (const std::string& line :
           wrapped(sanitised(message.substr(at, end - at)), std::max<std::size_t>(terminal_.width, indent + 30) - indent)) {
        if (!first) out_ += std::string(indent, ' ');
        out_ += line + '\n';
        first = false;
      }
      at = end + 1;
    }
  }

  const Sources& sources_;
  const SourceMap& origins_;
  const Terminal& terminal_;
  std::size_t gutter_ = 1;
  std::string out_;
};

std::string count_of(std::size_t n, std::string_view what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

void set_place(Value& out, const Located& at, const Sources& sources) {
  Value file, line, column, end_line, end_column;
  if (at.span) {
    const Source& source = sources[at.span->source];
    file = source.name;
    if (!at.computed) {
      const Position begin = position_of(source.text, at.span->begin);
      const Position end = position_of(source.text, at.span->end);
      line = static_cast<std::int64_t>(begin.line);
      column = static_cast<std::int64_t>(begin.column);
      end_line = static_cast<std::int64_t>(end.line);
      end_column = static_cast<std::int64_t>(end.column);
    }
  }
  out.set("file", std::move(file));
  out.set("line", std::move(line));
  out.set("column", std::move(column));
  out.set("end_line", std::move(end_line));
  out.set("end_column", std::move(end_column));
  out.set("path", at.path.empty() ? Value() : Value(at.path));
}

}  // namespace

Located locate(const Place& place, const Sources& sources, const SourceMap& origins) {
  Located at;
  if (place.path) at.path = place.path->str();
  if (place.span) {
    at.span = place.span;
    return at;
  }
  if (!place.path) return at;
  Path found;
  const Origin* origin = origins.nearest(*place.path, found);
  if (!origin) return at;
  at.computed = origin->computed;
  at.exact = found == *place.path;
  const Origin* root = origins.find(Path());
  at.by_program = root && root->computed;
  const bool key = origin->key && (place.on_key || !at.exact);
  at.span = key ? *origin->key : origin->value;
  // The root has no key and reaches over the whole file: its first line that says something stands for it.
  if (found.empty() && !at.computed) {
    const std::string_view text = sources[at.span->source].text;
    const Line line = line_at(text, at.span->begin);
    at.span->end = static_cast<std::uint32_t>(std::min<std::size_t>(at.span->end, line.end));
  }
  return at;
}

std::vector<const Diagnostic*> in_order(const Diagnostics& diagnostics, const Sources& sources, const SourceMap& origins) {
  using Key = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;
  std::vector<std::pair<Key, const Diagnostic*>> keyed;
  std::set<std::tuple<std::string, std::string, std::string, Key>> seen;
  for (const Diagnostic& d : diagnostics.all()) {
    const Located at = locate(d.at, sources, origins);
    const Key key = at.span ? Key{at.span->source, at.computed ? 0 : at.span->begin, at.span->end} : Key{UINT32_MAX, 0, 0};
    // A profile's fields are judged by themselves and again where they were applied: one place, one message.
    if (seen.emplace(d.code, d.message, at.span && !at.computed ? "" : at.path, key).second) keyed.emplace_back(key, &d);
  }
  std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const Diagnostic*> ordered;
  for (const auto& [key, d] : keyed) ordered.push_back(d);
  return ordered;
}

std::string render_diagnostics(const Diagnostics& diagnostics, const Sources& sources, const SourceMap& origins, const Terminal& terminal) {
  const std::vector<const Diagnostic*> ordered = in_order(diagnostics, sources, origins);
  if (ordered.empty()) return "";
  Renderer renderer(sources, origins, terminal);
  std::string text;
  std::size_t errors = 0;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    if (ordered[i]->severity == Severity::error) ++errors;
    if (i < shown_at_most) text += renderer.diagnostic(*ordered[i]) + '\n';
  }
  if (ordered.size() > shown_at_most) text += fmt::format("{} more are not shown.\n", ordered.size() - shown_at_most);
  const std::size_t warnings = ordered.size() - errors;
  std::string count = errors ? count_of(errors, "error") : "";
  if (warnings) count += (errors ? ", " : "") + count_of(warnings, "warning");
  text += terminal.paint(errors ? Style::error : Style::warning, count) +
          terminal.paint(Style::faint, fmt::format("  (fabric explain {} tells more)", ordered.front()->code)) + '\n';
  return text;
}

Value diagnostics_value(const Diagnostics& diagnostics, const Sources& sources, const SourceMap& origins) {
  Value list = Value::array();
  for (const Diagnostic* d : in_order(diagnostics, sources, origins)) {
    Value out = Value::object();
    out.set("severity", d->severity == Severity::error ? "error" : "warning");
    out.set("code", d->code);
    out.set("message", d->message);
    set_place(out, locate(d->at, sources, origins), sources);
    out.set("label", d->label.empty() ? Value() : Value(d->label));
    out.set("help", d->help.empty() ? Value() : Value(d->help));
    Value notes = Value::array();
    for (const Note& note : d->notes) {
      Value n = Value::object();
      n.set("message", note.message);
      set_place(n, locate(note.at, sources, origins), sources);
      notes.as_array().push_back(std::move(n));
    }
    out.set("notes", std::move(notes));
    Value fix;
    if (d->fix) {
      const Located at = locate(d->fix->at, sources, origins);
      if (at.span && at.exact && !at.computed) {
        fix = Value::object();
        fix.set("file", sources[at.span->source].name);
        fix.set("offset", std::int64_t{at.span->begin});
        fix.set("length", std::int64_t{at.span->end} - std::int64_t{at.span->begin});
        fix.set("replacement", d->fix->replacement);
      }
    }
    out.set("fix", std::move(fix));
    list.as_array().push_back(std::move(out));
  }
  Value document = Value::object();
  document.set("diagnostics", std::move(list));
  return document;
}

}  // namespace fabric
