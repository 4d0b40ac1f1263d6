#include "schema/hardware_schema.hpp"

#include <cassert>

#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr std::string_view embedded_hardware_schema =
#include "hardware_schema_text.inc"
    ;

}  // namespace

std::string_view hardware_schema_text() { return embedded_hardware_schema; }

const Value& hardware_schema() {
  static const Value schema = [] {
    std::optional<Value> parsed = read_json(embedded_hardware_schema);
    assert(parsed && "hardware.schema.json is not JSON");
    return std::move(*parsed);
  }();
  return schema;
}

}  // namespace fabric
