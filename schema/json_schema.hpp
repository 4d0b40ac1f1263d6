// JSON Schema draft-07: a Value against a schema, answers as data. Text for people is made from it by schema_diagnostics.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/path.hpp"
#include "schema/value.hpp"

namespace fabric {

// One thing that the schema demands and the value does not give.
struct Violation {
  Path instance;           // where in the value
  std::string schema;      // JSON pointer into the schema, of the keyword
  std::string keyword;     // type, enum, additionalProperties, required, anyOf ...
  Value expected;          // the keyword's value
  std::string property;    // for additionalProperties, required, propertyNames, dependencies: which
  std::vector<std::vector<Violation>> branches;  // for anyOf and oneOf: what each branch found
};

// Why a schema itself cannot be used: an unknown reference, a keyword with a value that it does not take, a pattern outside RE2's
// language. Found when a value first reaches that place.
struct SchemaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// `format` and the content keywords are annotations. One schema serves one thread at a time: it is compiled as values reach its parts.
class JsonSchema {
 public:
  // Gives the document behind an absolute URI without fragment, or nullptr. It must outlive the schema.
  using Remote = std::function<const Value*(const std::string& uri)>;

  explicit JsonSchema(Value schema, Remote remote = {});
  ~JsonSchema();
  JsonSchema(JsonSchema&&) noexcept;

  // All violations: of a value those of itself, its kind first, then those of what is inside, in order. Empty: valid. More than 900
  // steps into value and schema are one violation of "depth".
  std::vector<Violation> validate(const Value& value) const;
  const Value& document() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fabric
