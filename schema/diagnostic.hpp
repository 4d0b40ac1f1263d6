// What we tell the user: a code, a sentence, a place and a way out. Stages add to Diagnostics and go on, so that all problems of
// a file are shown in one go; only cli/ prints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schema/path.hpp"
#include "schema/source_map.hpp"

namespace fabric {

enum class Severity { error, warning };

// Where: an exact span if the reader of the text knows it, else a path that the SourceMap turns into one. on_key asks for the
// key and not the value, as for an unknown key.
struct Place {
  std::optional<Span> span;
  std::optional<Path> path;
  bool on_key = false;

  Place() = default;
  Place(Span s) : span(s) {}
  Place(Path p, bool key = false) : path(std::move(p)), on_key(key) {}
};

struct Note {
  std::string message;
  Place at;  // may be empty: then the note stands without an excerpt
};

// A mend that is certain enough to apply by machine: replace the bytes of span by replacement.
struct Fix {
  Place at;
  std::string replacement;
};

struct Diagnostic {
  Severity severity = Severity::error;
  std::string code;     // FAB2003; the table is schema/codes/*.txt
  std::string message;  // one sentence, no full stop at its end
  Place at;
  std::string label;  // short text under the caret
  std::string help;   // the way out
  std::vector<Note> notes;
  std::optional<Fix> fix;
};

class Diagnostics {
 public:
  void add(Diagnostic diagnostic) { all_.push_back(std::move(diagnostic)); }
  bool has_errors() const;
  const std::vector<Diagnostic>& all() const { return all_; }
  // True if an error stands at path or above it: what lies under a wrong value need not be judged again.
  bool blames(const Path& path) const;

 private:
  std::vector<Diagnostic> all_;
};

}  // namespace fabric
