#include <algorithm>
#include <charconv>

#include "compiler/front_ends/jsonnet_parts.hpp"

namespace fabric {
namespace {

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

// Takes a number off the front of text.
std::optional<std::size_t> take(std::string_view& text) {
  std::size_t n = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return n;
}

std::size_t offset_of(std::string_view text, std::size_t line, std::size_t column) {
  std::size_t at = 0;
  for (std::size_t l = 1; l < line; ++l) {
    const std::size_t newline = text.find('\n', at);
    if (newline == std::string_view::npos) break;
    at = newline + 1;
  }
  return std::min(at + (column ? column - 1 : 0), text.size());
}

struct Located {
  std::size_t file;
  std::size_t begin;
  std::size_t end;
  std::string rest;  // what follows the place: a message, or the name of a function
};

// `PATH:LINE:COLUMN`, `PATH:LINE:COLUMN-COLUMN` or `PATH:(LINE:COLUMN)-(LINE:COLUMN)` at the front of text.
std::optional<Located> locate(std::string_view text, const JsonnetProgram& program) {
  for (std::size_t f = 0; f < program.files.size(); ++f) {
    const auto& [path, content] = program.files[f];
    std::string_view rest = text;
    if (!rest.starts_with(path + ':')) continue;
    rest.remove_prefix(path.size() + 1);
    const bool wide = rest.starts_with('(');
    if (wide) rest.remove_prefix(1);
    const auto line = take(rest);
    if (!line || !rest.starts_with(':')) continue;
    rest.remove_prefix(1);
    const auto column = take(rest);
    if (!column) continue;
    std::size_t last_line = *line, last_column = *column;
    if (wide && rest.starts_with(")-(")) {
      rest.remove_prefix(3);
      last_line = take(rest).value_or(*line);
      if (rest.starts_with(':')) rest.remove_prefix(1);
      last_column = take(rest).value_or(1);
      if (rest.starts_with(')')) rest.remove_prefix(1);
    } else if (rest.starts_with('-')) {
      rest.remove_prefix(1);
      last_column = take(rest).value_or(*column);
    }
    const std::size_t begin = offset_of(content, *line, *column);
    const std::size_t end = std::max(offset_of(content, last_line, last_column) + 1, begin + 1);
    while (!rest.empty() && (rest.front() == ':' || rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
    return Located{f, begin, std::min(end, std::max(content.size(), begin)), first_line(rest)};
  }
  return std::nullopt;
}

}  // namespace

Diagnostic explain_jsonnet_error(const std::string& error, const GatheredJsonnet& gathered) {
  const JsonnetProgram& program = gathered.program;
  Diagnostic d{.code = "FAB1011",
               .label = "here",
               .help = "mend the program; Debian's package jsonnet has a program that shows what it gives: jsonnet FILE"};
  const auto span = [&](const Located& at) {
    return Span{gathered.sources[at.file], static_cast<std::uint32_t>(at.begin), static_cast<std::uint32_t>(at.end)};
  };

  std::string_view text = error;
  for (const std::string_view kind : {"STATIC ERROR: ", "RUNTIME ERROR: "})
    if (text.starts_with(kind)) text.remove_prefix(kind.size());
  if (const auto at = locate(text, program)) {
    d.message = "Jsonnet: " + at->rest;
    d.at = span(*at);
    return d;
  }
  d.message = "Jsonnet: " + first_line(text);
  if (text.starts_with("undefined external variable"))
    d.help =
        "a job has no external variables: what it gives depends on its files alone; write a profile, or change a field with `--set PATH=VALUE`";
  // Frames, innermost first; those of the standard library say nothing to the user.
  std::vector<Span> seen;
  std::size_t newline = text.find('\n');
  while (newline != std::string_view::npos) {
    std::string_view line = text.substr(newline + 1);
    newline = text.find('\n', newline + 1);
    while (!line.empty() && line.front() == '\t') line.remove_prefix(1);
    const auto at = locate(line, program);
    if (!at) continue;
    const Span where = span(*at);
    if (std::find(seen.begin(), seen.end(), where) != seen.end()) continue;
    seen.push_back(where);
    if (seen.size() == 1) d.at = where;
    else if (seen.size() <= 5) d.notes.push_back({at->rest.empty() ? "evaluated from here" : "in " + at->rest, where});
  }
  if (!d.at.span) d.at = Span{gathered.sources[0], 0, 1};
  return d;
}

}  // namespace fabric
