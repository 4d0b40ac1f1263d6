// What the bytes of a YAML file must be before any parser sees them.
#pragma once

#include "schema/diagnostic.hpp"
#include "schema/source_map.hpp"

namespace fabric {

// UTF-8, at most 8 MiB, no control characters but tab and line ends, no lone carriage return, no bidirectional override (a text
// that shows otherwise than it reads). True if the text is fit to be parsed.
bool check_yaml_bytes(const Sources& sources, std::uint32_t source, Diagnostics& diagnostics);

}  // namespace fabric
