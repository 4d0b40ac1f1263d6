// The catalogue of codes behind `fabric explain FAB2003`. One line a code in schema/codes/*.txt; codes are never reused.
#pragma once

#include <string_view>
#include <vector>

namespace fabric {

struct DiagnosticCode {
  std::string_view code;
  std::string_view title;
  std::string_view text;    // what is wrong and how to mend it
  std::string_view bad;     // a job that has the error, with \n for a new line; may be empty
  std::string_view mended;  // the same without it
};

// All codes, in the order of their numbers.
const std::vector<DiagnosticCode>& diagnostic_codes();
const DiagnosticCode* find_diagnostic_code(std::string_view code);

}  // namespace fabric
