// A job made of a batch script for SLURM: its directives as sbatch reads them, and what can be known of its commands without running them.
// Nothing is lost without a word: each part of the script is in the job, or a warning says why it is not.
#pragma once

#include <cstdint>

#include "cli/import/import_place.hpp"
#include "cli/import/imported_job.hpp"
#include "schema/diagnostic.hpp"
#include "schema/source_map.hpp"

namespace fabric {

// source: of the script, among sources. Errors (FAB61xx) say what the job still lacks.
ImportedJob import_sbatch(const Sources& sources, std::uint32_t source, const ImportPlace& place, Diagnostics& diagnostics);

}  // namespace fabric
