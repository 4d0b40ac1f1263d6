// A job made of a batch script that fabric itself has written: the same job again.
#pragma once

#include <cstdint>
#include <string>

#include "cli/import/import_place.hpp"
#include "cli/import/imported_job.hpp"
#include "schema/diagnostic.hpp"
#include "schema/source_map.hpp"

namespace fabric {

bool is_rendered_script(const std::string& text);

// Of its plan, which stands beside it; without that, of the shape `srun`, of the script, where everything is in it. Else FAB6115.
ImportedJob import_rendered(const Sources& sources, std::uint32_t source, const ImportPlace& place, Diagnostics& diagnostics);

}  // namespace fabric
