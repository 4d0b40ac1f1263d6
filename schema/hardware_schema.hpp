// The schema of a Hardware, as compiled in from hardware.schema.json.
#pragma once

#include <string_view>

#include "schema/value.hpp"

namespace fabric {

std::string_view hardware_schema_text();
const Value& hardware_schema();

}  // namespace fabric
