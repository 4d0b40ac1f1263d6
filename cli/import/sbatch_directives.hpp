// The lines of a batch script that sbatch takes options from, read as sbatch reads them (tried on 22.05.8, whose `sbatch -vvv --test-only`
// tells), and those that only look as if it did.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/diagnostic.hpp"

namespace fabric {

struct SbatchDirective {
  std::string name;                  // the whole name of the option, whatever form it was written in
  std::optional<std::string> value;  // absent: the option alone
  Span at;
};

struct SbatchDirectives {
  std::vector<SbatchDirective> list;  // in the order of the script; of two alike sbatch takes the later
  std::size_t body = 0;               // where the first command begins
};

// Warns of each line that sbatch would refuse (FAB6103), reads otherwise than it looks (FAB6104), or passes over (FAB6102).
SbatchDirectives read_sbatch_directives(std::string_view text, std::uint32_t source, Diagnostics& diagnostics);

}  // namespace fabric
