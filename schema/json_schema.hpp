// JSON Schema draft-07: a Value against a schema, answers as data. Text for people is made from it by schema_diagnostics.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/path.hpp"
#include "schema/schema_remote.hpp"
#include "schema/value.hpp"

namespace fabric {

// One thing that the schema demands and the value does not give.
struct Violation {
  Path instance;                                 // where in the value
  std::string schema;                            // JSON pointer into the schema, of the keyword
  std::string keyword;                           // type, enum, additionalProperties, required, anyOf ...
  Value expected;                                // the keyword's value
  std::string property;                          // for additionalProperties, required, propertyNames, dependencies: which
  std::vector<std::vector<Violation>> branches;  // for anyOf and oneOf: what each branch found
};

// `format` and the content keywords are annotations. One schema serves one thread at a time: it is compiled as values reach its parts.
class JsonSchema {
 public:
  using Remote = SchemaRemote;

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
