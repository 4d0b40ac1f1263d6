// Diagnostics as people and programs read them. The human form shows the place in the text that the user wrote, with a caret;
// the JSON form has the same facts for editors and scripts. Both come from one place that turns paths into spans.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/terminal.hpp"
#include "schema/diagnostic.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

// A Place that was looked up. Without a span there is nothing to point at. computed: the span covers the whole source, and what
// tells the reader where to look is the path.
struct Located {
  std::optional<Span> span;
  bool computed = false;
  std::string path;         // as named by the diagnostic; empty if it named none
  bool exact = true;        // false: the path was not written, and span is the key (or the value) of the nearest part that was
  bool by_program = false;  // the job is Jsonnet: what is not written may have been computed
};

Located locate(const Place& place, const Sources& sources, const SourceMap& origins);

// The order and the selection in which diagnostics are shown: by source position, each once.
std::vector<const Diagnostic*> in_order(const Diagnostics& diagnostics, const Sources& sources, const SourceMap& origins);

constexpr std::size_t shown_at_most = 50;

// All diagnostics and a last line that counts them; empty if there are none.
std::string render_diagnostics(const Diagnostics& diagnostics, const Sources& sources, const SourceMap& origins, const Terminal& terminal);

// {"diagnostics": [{severity, code, message, file, line, column, end_line, end_column, path, label, help, notes, fix}]}; what is not
// known is null. Lines and columns count from 1, columns in code points, and the end is one past the last character.
Value diagnostics_value(const Diagnostics& diagnostics, const Sources& sources, const SourceMap& origins);

}  // namespace fabric
