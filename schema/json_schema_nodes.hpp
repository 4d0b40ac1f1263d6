// The compiled form of a JSON schema, for json_schema.cpp alone. A schema becomes a node when a value first reaches it: keywords told
// apart and their values found sound, `type` a set of bits, references followed, patterns compiled.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/pattern.hpp"
#include "schema/schema_remote.hpp"
#include "schema/value.hpp"

namespace fabric {

struct SchemaNode;

// A schema inside another one.
struct SubSchema {
  const Value* schema = nullptr;
  std::string_view keyword;
  std::string step;                          // below the keyword in a JSON pointer: /0, /name, or nothing
  std::string_view key;                      // the property, if it is one's
  mutable const SchemaNode* node = nullptr;  // once reached
};

// A regular expression. One outside of RE2's language is a SchemaError when a text first meets it.
class SchemaPattern {
 public:
  explicit SchemaPattern(std::string_view text) : text_(text) {}
  bool matches(std::string_view text) const;

 private:
  std::string_view text_;
  mutable std::optional<Pattern> compiled_;
};

// clang-format off
enum class Keyword {
  type, constant, choice, all_of, any_of, one_of, excluded, condition, reference, never,
  minimum, maximum, exclusive_minimum, exclusive_maximum, multiple_of,
  min_length, max_length, pattern,
  items, additional_items, min_items, max_items, unique_items, contains,
  min_properties, max_properties, required, property_names, dependencies
};
// clang-format on

struct SchemaRule {
  Keyword keyword;
  std::string_view name;  // as written: minLength
  const Value* value;
  std::vector<SubSchema> subs;  // of `condition`: if, then, else; a missing one has no schema
  std::optional<SchemaPattern> pattern;
  unsigned types = 0;    // of `type`: bits by SchemaNodes::type_bit
  std::size_t from = 0;  // of `additional_items`: the first
};

// What the members of an object must be.
struct SchemaMembers {
  std::vector<SubSchema> properties;
  std::vector<std::pair<SchemaPattern, SubSchema>> patterns;
  std::optional<SubSchema> additional;
};

struct SchemaNode {
  std::string pointer;
  std::string base;               // absolute URI against which references are resolved
  std::vector<SchemaRule> rules;  // `type` first
  std::optional<SchemaMembers> members;
};

class SchemaNodes {
 public:
  SchemaNodes(Value root, SchemaRemote remote);

  const Value& document() const { return root_; }
  const SchemaNode& root() { return node(root_, "", ""); }
  const SchemaNode& below(const SchemaNode& outer, const SubSchema& sub);
  const SchemaNode& followed(const SchemaNode& outer, const SchemaRule& reference);

  static unsigned type_bit(std::string_view name);  // 0: no type

 private:
  struct Target {
    const Value* schema;
    std::string base;
    std::string pointer;
  };

  const SchemaNode& node(const Value& schema, const std::string& base, const std::string& pointer);
  void compile(SchemaNode& node, const Value& schema);
  void index(const Value& schema, const std::string& outer, const std::string& pointer);
  Target resolve(const std::string& reference, const std::string& base);
  std::optional<Target> by_pointer(Target from, std::string_view pointer) const;

  Value root_;
  SchemaRemote remote_;
  std::unordered_map<const Value*, SchemaNode> nodes_;
  std::unordered_map<const Value*, std::string> bases_;  // of schemas with an $id
  std::map<std::string, Target> by_uri_;                 // documents and named schemas
  std::set<std::string> asked_;                          // remote documents
};

}  // namespace fabric
