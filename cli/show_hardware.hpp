// The facts of machines as a table for people, and as the JSON that --hardware reads.
#pragma once

#include <optional>
#include <string>

#include "cli/terminal.hpp"
#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"
#include "schema/source_map.hpp"

namespace fabric {

std::string show_hardware(const Hardware& hardware, const Terminal& terminal);

std::string hardware_json(const Hardware& hardware);

// Reads what hardware_json wrote. Problems point into the file (FAB48xx).
std::optional<Hardware> read_hardware(const std::string& path, Sources& sources, SourceMap& origins, Diagnostics& diagnostics);

// Whether it is, as backend local has it. If not, says so, and where in the file.
bool is_one_machine(const Hardware& hardware, const std::string& path, Diagnostics& diagnostics);

// 16.0 GiB
std::string spoken_bytes(std::int64_t bytes);

}  // namespace fabric
