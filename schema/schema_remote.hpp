// What a JSON schema needs of other documents, and what goes wrong with a schema itself.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include "schema/value.hpp"

namespace fabric {

// Gives the document behind an absolute URI without fragment, or nullptr. It must outlive the schema.
using SchemaRemote = std::function<const Value*(const std::string& uri)>;

// Why a schema itself cannot be used: an unknown reference, a keyword with a value that it does not take, a pattern outside RE2's
// language. Found when a value first reaches that place.
struct SchemaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace fabric
