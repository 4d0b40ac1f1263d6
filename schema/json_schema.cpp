#include "schema/json_schema.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <unordered_set>

#include "schema/json_schema_nodes.hpp"
#include "schema/utf8.hpp"

namespace fabric {
namespace {

constexpr int depth_limit = 900;

// Exact, also where a 64-bit integer is no double.
std::partial_ordering order(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer()) return a.as_integer() <=> b.as_integer();
  if (a.is_real() && b.is_real()) return a.as_real() <=> b.as_real();
  if (a.is_real()) return 0 <=> order(b, a);
  constexpr double two_63 = 9223372036854775808.0;
  const double real = b.as_real();
  if (!(real >= -two_63 && real < two_63)) return 0.0 <=> real;
  const auto whole = static_cast<std::int64_t>(real);
  if (a.as_integer() != whole) return a.as_integer() <=> whole;
  return 0.0 <=> real - std::trunc(real);
}

// Numbers are equal by value: 1 and 1.0 are one.
bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return order(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  if (a.is_array()) return std::equal(a.as_array().begin(), a.as_array().end(), b.as_array().begin(), b.as_array().end(), equal);
  if (!a.is_object()) return a == b;
  return a.as_object().size() == b.as_object().size() && std::all_of(a.as_object().begin(), a.as_object().end(), [&](const Member& m) {
           const Value* other = b.find(m.key);
           return other && equal(m.value, *other);
         });
}

// Equal values have equal hashes.
std::size_t hash(const Value& v) {
  std::size_t sum = static_cast<std::size_t>(v.is_number() ? Value::Kind::real : v.kind());
  if (v.is_bool()) sum += v.as_bool();
  else if (v.is_number()) sum += std::hash<double>()(v.as_real());
  else if (v.is_string()) sum += std::hash<std::string>()(v.as_string());
  else if (v.is_array())
    for (const Value& item : v.as_array()) sum = sum * 31 + hash(item);
  else if (v.is_object())
    for (const Member& m : v.as_object()) sum += std::hash<std::string>()(m.key) * 31 ^ hash(m.value);  // in any order
  return sum;
}

bool all_differ(const Value::Array& items) {
  const auto pointee_hash = [](const Value* v) { return hash(*v); };
  const auto pointee_equal = [](const Value* a, const Value* b) { return equal(*a, *b); };
  std::unordered_set<const Value*, decltype(pointee_hash), decltype(pointee_equal)> seen(items.size(), pointee_hash, pointee_equal);
  return std::all_of(items.begin(), items.end(), [&](const Value& item) { return seen.insert(&item).second; });
}

bool is_multiple(const Value& value, const Value& of) {
  if (value.is_integer() && of.is_integer()) return value.as_integer() % of.as_integer() == 0;
  const double v = value.as_real(), m = of.as_real();
  if (std::fmod(v, m) == 0) return true;
  // 0.0075 is a multiple of 0.0001 for people: each of the two doubles is off by half a unit in the last place.
  const double times = v / m;
  const double tolerance = std::min(4 * std::numeric_limits<double>::epsilon() * std::abs(times), 1e-6);
  return std::isfinite(times) && std::abs(times - std::round(times)) <= tolerance;
}

unsigned types_of(const Value& v) {
  static const unsigned null = SchemaNodes::type_bit("null"), boolean = SchemaNodes::type_bit("boolean"),
                        integer = SchemaNodes::type_bit("integer"), number = SchemaNodes::type_bit("number"),
                        string = SchemaNodes::type_bit("string"), array = SchemaNodes::type_bit("array"),
                        object = SchemaNodes::type_bit("object");
  switch (v.kind()) {
    case Value::Kind::null: return null;
    case Value::Kind::boolean: return boolean;
    case Value::Kind::integer: return integer | number;
    case Value::Kind::real: return std::trunc(v.as_real()) == v.as_real() ? integer | number : number;  // 1.0 is an integer
    case Value::Kind::string: return string;
    case Value::Kind::array: return array;
    case Value::Kind::object: return object;
  }
  return 0;
}

// The way to a value, on the stack: a Path is made of it only for a violation.
struct Standing {
  const Standing* above = nullptr;
  const std::string* key = nullptr;
  std::size_t index = 0;

  Path path() const {
    if (!above) return {};
    return key ? above->path() / std::string_view(*key) : above->path() / index;
  }
};

struct TooDeep {
  Violation violation;
};

// One walk of a value along a schema. Without `out` it only answers, and stops at the first violation.
class Walk {
 public:
  Walk(SchemaNodes& nodes, std::vector<Violation>* out) : nodes_(nodes), out_(out) {}

  bool check(const SchemaNode& node, const Value& value, const Standing& place, int depth) {
    if (depth > depth_limit) throw TooDeep{{place.path(), node.pointer, "depth", Value(depth_limit), "", {}}};
    bool valid = true;
    for (const SchemaRule& rule : node.rules) {
      if (obeys({node, value, place, depth}, rule)) continue;
      if (!out_) return false;
      valid = false;
    }
    if (node.members && value.is_object() && !members({node, value, place, depth}, *node.members)) valid = false;
    return valid;
  }

 private:
  struct At {
    const SchemaNode& node;
    const Value& value;
    const Standing& place;
    int depth;
  };

  bool below(const At& at, const SubSchema& sub, const Value& value, const Standing& place) {
    return check(nodes_.below(at.node, sub), value, place, at.depth + 1);
  }
  bool holds(const At& at, const SubSchema& sub, const Value& value) { return Walk(nodes_, nullptr).below(at, sub, value, at.place); }

  bool fail(const At& at, std::string_view keyword, const Value& expected, std::string property = {}) {
    if (out_)
      out_->push_back(
          {at.place.path(), at.node.pointer + '/' + std::string(keyword), std::string(keyword), expected, std::move(property), {}});
    return false;
  }

  bool obeys(const At& at, const SchemaRule& rule) {
    const Value &value = at.value, &expected = *rule.value;
    const auto demand = [&](bool holds) { return holds || fail(at, rule.name, expected); };
    const auto at_most = [&](std::size_t n) { return demand(!(static_cast<double>(n) > expected.as_real())); };
    const auto at_least = [&](std::size_t n) { return demand(!(static_cast<double>(n) < expected.as_real())); };
    switch (rule.keyword) {
      case Keyword::never:
        if (out_) out_->push_back({at.place.path(), at.node.pointer, "false", expected, "", {}});
        return false;
      case Keyword::type: return demand(types_of(value) & rule.types);
      case Keyword::constant: return demand(equal(value, expected));
      case Keyword::choice:
        return demand(
            std::any_of(expected.as_array().begin(), expected.as_array().end(), [&](const Value& choice) { return equal(value, choice); }));
      case Keyword::all_of: return each(rule.subs, [&](const SubSchema& sub) { return below(at, sub, value, at.place); });
      case Keyword::any_of:
      case Keyword::one_of: return one_of(at, rule);
      case Keyword::excluded: return demand(!holds(at, rule.subs[0], value));
      case Keyword::condition: {
        const SubSchema& next = holds(at, rule.subs[0], value) ? rule.subs[1] : rule.subs[2];
        return !next.schema || below(at, next, value, at.place);
      }
      case Keyword::reference: return check(nodes_.followed(at.node, rule), value, at.place, at.depth + 1);
      default: break;
    }
    if (value.is_number()) {
      switch (rule.keyword) {
        case Keyword::minimum: return demand(order(value, expected) >= 0);
        case Keyword::maximum: return demand(order(value, expected) <= 0);
        case Keyword::exclusive_minimum: return demand(order(value, expected) > 0);
        case Keyword::exclusive_maximum: return demand(order(value, expected) < 0);
        case Keyword::multiple_of: return demand(is_multiple(value, expected));
        default: return true;
      }
    }
    if (value.is_string()) {
      switch (rule.keyword) {
        case Keyword::min_length: return at_least(count_code_points(value.as_string()));
        case Keyword::max_length: return at_most(count_code_points(value.as_string()));
        case Keyword::pattern: return demand(rule.pattern->matches(value.as_string()));
        default: return true;
      }
    }
    if (value.is_array()) {
      const Value::Array& items = value.as_array();
      switch (rule.keyword) {
        case Keyword::min_items: return at_least(items.size());
        case Keyword::max_items: return at_most(items.size());
        case Keyword::unique_items: return demand(!expected.as_bool() || all_differ(items));
        case Keyword::contains:
          return demand(std::any_of(items.begin(), items.end(), [&](const Value& item) { return holds(at, rule.subs[0], item); }));
        case Keyword::items:
        case Keyword::additional_items: return each_item(at, rule);
        default: return true;
      }
    }
    if (value.is_object()) {
      const Value::Object& object = value.as_object();
      switch (rule.keyword) {
        case Keyword::min_properties: return at_least(object.size());
        case Keyword::max_properties: return at_most(object.size());
        case Keyword::required: return names(at, rule.name, expected, expected);
        case Keyword::property_names:
          return each(object,
                      [&](const Member& m) { return holds(at, rule.subs[0], Value(m.key)) || fail(at, rule.name, expected, m.key); });
        case Keyword::dependencies: return dependencies(at, rule);
        default: return true;
      }
    }
    return true;
  }

  // Whether test holds for each; all are tried where violations are gathered.
  template <class List, class Test>
  bool each(const List& list, Test test) const {
    bool valid = true;
    for (const auto& item : list) {
      if (test(item)) continue;
      if (!out_) return false;
      valid = false;
    }
    return valid;
  }

  bool one_of(const At& at, const SchemaRule& rule) {
    std::size_t valid = 0;
    for (const SubSchema& sub : rule.subs) {
      valid += holds(at, sub, at.value);
      if (valid && rule.keyword == Keyword::any_of) return true;
    }
    if (valid == 1) return true;
    fail(at, rule.name, *rule.value);
    if (!out_) return false;
    std::vector<std::vector<Violation>> branches(rule.subs.size());
    for (std::size_t i = 0; i < branches.size(); ++i) Walk(nodes_, &branches[i]).below(at, rule.subs[i], at.value, at.place);
    out_->back().branches = std::move(branches);
    return false;
  }

  bool each_item(const At& at, const SchemaRule& rule) {
    const Value::Array& items = at.value.as_array();
    const bool by_position = rule.value->is_array();
    bool valid = true;
    for (std::size_t i = rule.from; i < (by_position ? std::min(items.size(), rule.subs.size()) : items.size()); ++i) {
      if (below(at, rule.subs[by_position ? i : 0], items[i], Standing{&at.place, nullptr, i})) continue;
      if (!out_) return false;
      valid = false;
    }
    return valid;
  }

  // Of names, each must be there.
  bool names(const At& at, std::string_view keyword, const Value& expected, const Value& list) {
    return each(list.as_array(),
                [&](const Value& name) { return at.value.find(name.as_string()) || fail(at, keyword, expected, name.as_string()); });
  }

  bool dependencies(const At& at, const SchemaRule& rule) {
    const bool listed = each(rule.value->as_object(), [&](const Member& dependency) {
      return !dependency.value.is_array() || !at.value.find(dependency.key) || names(at, rule.name, *rule.value, dependency.value);
    });
    if (!listed && !out_) return false;
    return each(rule.subs, [&](const SubSchema& sub) { return !at.value.find(sub.key) || below(at, sub, at.value, at.place); }) && listed;
  }

  bool members(const At& at, const SchemaMembers& wanted) {
    return each(at.value.as_object(), [&](const Member& m) {
      const Standing place{&at.place, &m.key, 0};
      bool known = false, valid = true;
      for (const SubSchema& sub : wanted.properties) {
        if (sub.key != m.key) continue;
        known = true;
        valid = below(at, sub, m.value, place);
        break;
      }
      for (const auto& [pattern, sub] : wanted.patterns) {
        if (!pattern.matches(m.key)) continue;
        known = true;
        valid = below(at, sub, m.value, place) && valid;
      }
      if (known || !wanted.additional) return valid;
      const Value& additional = *wanted.additional->schema;
      if (additional.is_bool()) return additional.as_bool() || fail(at, "additionalProperties", additional, m.key);
      return below(at, *wanted.additional, m.value, place);
    });
  }

  SchemaNodes& nodes_;
  std::vector<Violation>* out_;
};

}  // namespace

struct JsonSchema::Impl {
  SchemaNodes nodes;
};

JsonSchema::JsonSchema(Value schema, Remote remote) : impl_(new Impl{SchemaNodes(std::move(schema), std::move(remote))}) {}
JsonSchema::~JsonSchema() = default;
JsonSchema::JsonSchema(JsonSchema&&) noexcept = default;

std::vector<Violation> JsonSchema::validate(const Value& value) const {
  std::vector<Violation> found;
  try {
    Walk(impl_->nodes, &found).check(impl_->nodes.root(), value, Standing(), 0);
  } catch (TooDeep& deep) {
    // What was found so far may be half of a choice.
    found.assign(1, std::move(deep.violation));
  }
  return found;
}

const Value& JsonSchema::document() const { return impl_->nodes.document(); }

}  // namespace fabric
