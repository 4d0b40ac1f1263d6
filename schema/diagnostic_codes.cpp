#include "schema/diagnostic_codes.hpp"

#include <algorithm>

namespace fabric {
namespace {

constexpr std::string_view embedded_codes =
#include "diagnostic_codes.inc"
    ;

std::string_view take(std::string_view& line) {
  const std::size_t bar = line.find('|');
  const std::string_view part = line.substr(0, bar);
  line.remove_prefix(bar == std::string_view::npos ? line.size() : bar + 1);
  return part;
}

}  // namespace

const std::vector<DiagnosticCode>& diagnostic_codes() {
  static const std::vector<DiagnosticCode> codes = [] {
    std::vector<DiagnosticCode> rows;
    for (std::string_view rest = embedded_codes; !rest.empty();) {
      const std::size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (line.empty()) continue;
      DiagnosticCode row;
      row.code = take(line);
      row.title = take(line);
      row.text = take(line);
      row.bad = take(line);
      row.mended = take(line);
      rows.push_back(row);
    }
    std::sort(rows.begin(), rows.end(), [](const DiagnosticCode& a, const DiagnosticCode& b) { return a.code < b.code; });
    return rows;
  }();
  return codes;
}

const DiagnosticCode* find_diagnostic_code(std::string_view code) {
  for (const DiagnosticCode& row : diagnostic_codes())
    if (row.code == code) return &row;
  return nullptr;
}

}  // namespace fabric
