#include "schema/json_schema.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr int depth_limit = 900;

// Numbers are equal by value: 1 and 1.0 are one.
bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a.is_integer() && b.is_integer() ? a == b : a.as_real() == b.as_real();
  if (a.kind() != b.kind()) return false;
  if (a.is_array())
    return std::equal(a.as_array().begin(), a.as_array().end(), b.as_array().begin(), b.as_array().end(), equal);
  if (!a.is_object()) return a == b;
  return a.as_object().size() == b.as_object().size() && std::all_of(a.as_object().begin(), a.as_object().end(), [&](const Member& m) {
    const Value* other = b.find(m.key);
    return other && equal(m.value, *other);
  });
}

bool is_whole(const Value& v) { return v.is_integer() || (v.is_real() && std::floor(v.as_real()) == v.as_real()); }

bool has_type(const Value& v, std::string_view type) {
  if (type == "null") return v.is_null();
  if (type == "boolean") return v.is_bool();
  if (type == "integer") return is_whole(v);
  if (type == "number") return v.is_number();
  if (type == "string") return v.is_string();
  if (type == "array") return v.is_array();
  if (type == "object") return v.is_object();
  return false;
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string unescape_pointer(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size()) {
      out += token[++i] == '1' ? '/' : '~';
    } else if (token[i] == '%' && i + 2 < token.size()) {
      out += static_cast<char>(std::stoi(std::string(token.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += token[i];
    }
  }
  return out;
}

std::string escape_pointer(std::string_view key) {
  std::string out;
  for (const char c : key) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

// Reference resolution of RFC 3986 section 5.2, for the forms that schemas use.
std::string resolve_uri(const std::string& base, const std::string& reference) {
  if (reference.empty()) return base;
  const std::size_t scheme = reference.find(':');
  if (scheme != std::string::npos && reference.find_first_of("/?#") > scheme) return reference;
  const std::string root = base.substr(0, base.find('#'));
  if (reference[0] == '#') return root + reference;
  const std::size_t authority = root.find("://");
  if (authority == std::string::npos) {
    const std::size_t slash = root.rfind('/');
    return slash == std::string::npos ? reference : root.substr(0, slash + 1) + reference;
  }
  const std::size_t path = root.find('/', authority + 3);
  if (reference[0] == '/') return root.substr(0, path) + reference;
  const std::string folder = path == std::string::npos ? root + '/' : root.substr(0, root.rfind('/') + 1);
  return folder + reference;
}

// Keywords whose value is one schema, a list of schemas, or a map of schemas.
constexpr std::string_view one_schema[] = {"additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"};
constexpr std::string_view schema_lists[] = {"allOf", "anyOf", "items", "oneOf"};
constexpr std::string_view schema_maps[] = {"definitions", "dependencies", "patternProperties", "properties"};

template <class List>
bool among(std::string_view key, const List& list) {
  return std::find(std::begin(list), std::end(list), key) != std::end(list);
}

}  // namespace

struct JsonSchema::Impl {
  struct Target {
    const Value* schema;
    std::string base;  // around it: its own $id is applied by whoever enters it
    std::string pointer;
  };

  Value root;
  Remote remote;
  mutable std::map<std::string, Target> by_id;      // absolute URI, fragment names included
  mutable std::set<std::string> loaded;             // remote documents already indexed
  mutable std::unordered_map<std::string, std::unique_ptr<re2::RE2>> patterns;

  void index(const Value& schema, const std::string& outer, const std::string& pointer) const {
    if (!schema.is_object()) return;
    std::string base = outer;
    if (const Value* id = schema.find("$id"); id && id->is_string() && !schema.find("$ref")) {
      base = resolve_uri(outer, id->as_string());
      std::string key = base;
      if (key.ends_with('#')) key.pop_back();
      by_id.try_emplace(key, Target{&schema, outer, pointer});
    }
    for (const Member& m : schema.as_object()) {
      const std::string below = pointer + '/' + escape_pointer(m.key);
      if (among(m.key, one_schema) && m.value.is_object()) index(m.value, base, below);
      if (among(m.key, schema_lists) && m.value.is_array())
        for (std::size_t i = 0; i < m.value.as_array().size(); ++i) index(m.value.as_array()[i], base, below + '/' + std::to_string(i));
      if (among(m.key, schema_maps) && m.value.is_object())
        for (const Member& inner : m.value.as_object()) index(inner.value, base, below + '/' + escape_pointer(inner.key));
    }
  }

  // The base in force at schema, which a walk by pointer may have changed through $id on the way.
  Target by_pointer(Target from, std::string_view pointer) const {
    while (!pointer.empty()) {
      pointer.remove_prefix(1);
      const std::size_t slash = std::min(pointer.find('/'), pointer.size());
      const std::string key = unescape_pointer(pointer.substr(0, slash));
      pointer.remove_prefix(slash);
      const Value* next = nullptr;
      if (from.schema->is_object()) {
        if (const Value* id = from.schema->find("$id"); id && id->is_string() && !from.schema->find("$ref"))
          from.base = resolve_uri(from.base, id->as_string());
        next = from.schema->find(key);
      } else if (from.schema->is_array() && !key.empty() && key.find_first_not_of("0123456789") == std::string::npos) {
        const std::size_t i = std::stoul(key);
        if (i < from.schema->as_array().size()) next = &from.schema->as_array()[i];
      }
      if (!next) throw SchemaError("the schema has no #" + from.pointer + '/' + escape_pointer(key));
      from.schema = next;
      from.pointer += '/' + escape_pointer(key);
    }
    return from;
  }

  Target resolve(const std::string& reference, const std::string& base) const {
    const std::string uri = resolve_uri(base, reference);
    const std::size_t hash = uri.find('#');
    const std::string document = uri.substr(0, hash);
    const std::string fragment = hash == std::string::npos ? "" : uri.substr(hash + 1);
    if (!fragment.empty() && fragment[0] != '/') {
      if (const auto it = by_id.find(uri); it != by_id.end()) return it->second;
    }
    auto it = by_id.find(document);
    if (it == by_id.end() && remote && loaded.insert(document).second) {
      if (const Value* other = remote(document)) {
        by_id.try_emplace(document, Target{other, document, ""});
        index(*other, document, "");
      }
      it = by_id.find(document);
      if (!fragment.empty() && fragment[0] != '/')
        if (const auto named = by_id.find(uri); named != by_id.end()) return named->second;
    }
    if (it == by_id.end()) throw SchemaError("the schema refers to " + uri + ", which is not known");
    if (fragment.empty()) return it->second;
    if (fragment[0] != '/') throw SchemaError("the schema has no " + uri);
    return by_pointer(it->second, fragment);
  }

  bool matches(const std::string& pattern, const std::string& text) const {
    auto& compiled = patterns[pattern];
    if (!compiled) {
      re2::RE2::Options options;
      options.set_log_errors(false);
      compiled = std::make_unique<re2::RE2>(pattern, options);
      if (!compiled->ok()) throw SchemaError("the pattern " + pattern + " is not in RE2's language: " + compiled->error());
    }
    return re2::RE2::PartialMatch(text, *compiled);
  }

  // One walk of a value along a schema.
  struct Walk {
    const Impl& impl;
    std::vector<Violation>& out;

    void at(const Value& schema, const std::string& base, const std::string& pointer, const Value& value, const Path& path, int depth) {
      if (depth > depth_limit) {
        out.push_back({path, pointer, "depth", Value(depth_limit), "", {}});
        return;
      }
      if (schema.is_bool()) {
        if (!schema.as_bool()) out.push_back({path, pointer, "false", schema, "", {}});
        return;
      }
      if (!schema.is_object()) return;
      if (const Value* reference = schema.find("$ref"); reference && reference->is_string()) {
        const Target target = impl.resolve(reference->as_string(), base);
        at(*target.schema, target.base, target.pointer, value, path, depth + 1);
        return;
      }
      std::string inner_base = base;
      if (const Value* id = schema.find("$id"); id && id->is_string()) inner_base = resolve_uri(base, id->as_string());
      for (const Member& m : schema.as_object()) keyword(schema, m.key, m.value, inner_base, pointer, value, path, depth);
    }

    std::vector<Violation> branch(const Value& schema, const std::string& base, const std::string& pointer, const Value& value, const Path& path,
                                  int depth) const {
      std::vector<Violation> found;
      Walk{impl, found}.at(schema, base, pointer, value, path, depth + 1);
      return found;
    }

    void keyword(const Value& schema, const std::string& key, const Value& k, const std::string& base, const std::string& pointer,
                 const Value& value, const Path& path, int depth) {
      const std::string here = pointer + '/' + key;
      const auto violate = [&](std::string property = {}, std::vector<std::vector<Violation>> branches = {}) {
        out.push_back({path, here, key, k, std::move(property), std::move(branches)});
      };
      if (key == "type") {
        const bool fits = k.is_string() ? has_type(value, k.as_string())
                                        : std::any_of(k.as_array().begin(), k.as_array().end(),
                                                      [&](const Value& t) { return has_type(value, t.as_string()); });
        if (!fits) violate();
      } else if (key == "const") {
        if (!equal(k, value)) violate();
      } else if (key == "enum") {
        if (std::none_of(k.as_array().begin(), k.as_array().end(), [&](const Value& v) { return equal(v, value); })) violate();
      } else if (key == "allOf") {
        for (std::size_t i = 0; i < k.as_array().size(); ++i)
          at(k.as_array()[i], base, here + '/' + std::to_string(i), value, path, depth + 1);
      } else if (key == "anyOf" || key == "oneOf") {
        std::vector<std::vector<Violation>> branches;
        int valid = 0;
        for (std::size_t i = 0; i < k.as_array().size(); ++i) {
          branches.push_back(branch(k.as_array()[i], base, here + '/' + std::to_string(i), value, path, depth));
          valid += branches.back().empty();
        }
        if (valid == 0 || (key == "oneOf" && valid > 1)) violate("", std::move(branches));
      } else if (key == "not") {
        if (branch(k, base, here, value, path, depth).empty()) violate();
      } else if (key == "if") {
        const bool holds = branch(k, base, here, value, path, depth).empty();
        const char* next = holds ? "then" : "else";
        if (const Value* chosen = schema.find(next)) at(*chosen, base, pointer + '/' + next, value, path, depth + 1);
      } else if (value.is_number()) {
        number(key, k, value, violate);
      } else if (value.is_string()) {
        const std::string& text = value.as_string();
        if (key == "minLength" && static_cast<double>(code_points(text)) < k.as_real()) violate();
        if (key == "maxLength" && static_cast<double>(code_points(text)) > k.as_real()) violate();
        if (key == "pattern" && !impl.matches(k.as_string(), text)) violate();
      } else if (value.is_array()) {
        array(schema, key, k, base, here, value.as_array(), path, depth, violate);
      } else if (value.is_object()) {
        object(schema, key, k, base, here, value, path, depth, violate);
      }
    }

    template <class Violate>
    static void number(const std::string& key, const Value& k, const Value& value, Violate&& violate) {
      if (!k.is_number()) return;
      const double v = value.as_real(), limit = k.as_real();
      const bool exact = value.is_integer() && k.is_integer();
      const bool less = exact ? value.as_integer() < k.as_integer() : v < limit;
      const bool more = exact ? value.as_integer() > k.as_integer() : v > limit;
      if (key == "minimum" && less) violate();
      if (key == "maximum" && more) violate();
      if (key == "exclusiveMinimum" && !more) violate();
      if (key == "exclusiveMaximum" && !less) violate();
      if (key == "multipleOf") {
        const double times = v / limit;
        const bool multiple = exact ? value.as_integer() % k.as_integer() == 0
                                    : std::isfinite(times) && std::abs(times - std::round(times)) <= 1e-9 * std::max(1.0, std::abs(times));
        if (!multiple) violate();
      }
    }

    template <class Violate>
    void array(const Value& schema, const std::string& key, const Value& k, const std::string& base, const std::string& here,
               const Value::Array& items, const Path& path, int depth, Violate&& violate) {
      if (key == "items" && k.is_array()) {
        for (std::size_t i = 0; i < std::min(items.size(), k.as_array().size()); ++i)
          at(k.as_array()[i], base, here + '/' + std::to_string(i), items[i], path / i, depth + 1);
      } else if (key == "items") {
        for (std::size_t i = 0; i < items.size(); ++i) at(k, base, here, items[i], path / i, depth + 1);
      } else if (key == "additionalItems") {
        const Value* listed = schema.find("items");
        if (!listed || !listed->is_array()) return;
        for (std::size_t i = listed->as_array().size(); i < items.size(); ++i) at(k, base, here, items[i], path / i, depth + 1);
      } else if (key == "minItems") {
        if (static_cast<double>(items.size()) < k.as_real()) violate();
      } else if (key == "maxItems") {
        if (static_cast<double>(items.size()) > k.as_real()) violate();
      } else if (key == "uniqueItems" && k.is_bool() && k.as_bool()) {
        for (std::size_t i = 0; i < items.size(); ++i)
          for (std::size_t j = i + 1; j < items.size(); ++j)
            if (equal(items[i], items[j])) return violate();
      } else if (key == "contains") {
        const bool found = std::any_of(items.begin(), items.end(), [&](const Value& v) { return branch(k, base, here, v, path, depth).empty(); });
        if (!found) violate();
      }
    }

    template <class Violate>
    void object(const Value& schema, const std::string& key, const Value& k, const std::string& base, const std::string& here, const Value& value,
                const Path& path, int depth, Violate&& violate) {
      const Value::Object& members = value.as_object();
      if (key == "properties") {
        for (const Member& m : members)
          if (const Value* property = k.find(m.key)) at(*property, base, here + '/' + escape_pointer(m.key), m.value, path / m.key, depth + 1);
      } else if (key == "patternProperties") {
        for (const Member& pattern : k.as_object())
          for (const Member& m : members)
            if (impl.matches(pattern.key, m.key)) at(pattern.value, base, here + '/' + escape_pointer(pattern.key), m.value, path / m.key, depth + 1);
      } else if (key == "additionalProperties") {
        const Value* properties = schema.find("properties");
        const Value* by_pattern = schema.find("patternProperties");
        for (const Member& m : members) {
          if (properties && properties->find(m.key)) continue;
          if (by_pattern && std::any_of(by_pattern->as_object().begin(), by_pattern->as_object().end(),
                                        [&](const Member& p) { return impl.matches(p.key, m.key); }))
            continue;
          if (k.is_bool() && !k.as_bool()) violate(m.key);
          else at(k, base, here, m.value, path / m.key, depth + 1);
        }
      } else if (key == "required") {
        for (const Value& name : k.as_array())
          if (!value.find(name.as_string())) violate(name.as_string());
      } else if (key == "propertyNames") {
        for (const Member& m : members)
          if (!branch(k, base, here, Value(m.key), path, depth).empty()) violate(m.key);
      } else if (key == "minProperties") {
        if (static_cast<double>(members.size()) < k.as_real()) violate();
      } else if (key == "maxProperties") {
        if (static_cast<double>(members.size()) > k.as_real()) violate();
      } else if (key == "dependencies") {
        for (const Member& dependency : k.as_object()) {
          if (!value.find(dependency.key)) continue;
          if (dependency.value.is_array()) {
            for (const Value& name : dependency.value.as_array())
              if (!value.find(name.as_string())) violate(name.as_string());
          } else {
            at(dependency.value, base, here + '/' + escape_pointer(dependency.key), value, path, depth + 1);
          }
        }
      }
    }
  };
};

JsonSchema::JsonSchema(Value schema, Remote remote) : impl_(std::make_unique<Impl>()) {
  impl_->root = std::move(schema);
  impl_->remote = std::move(remote);
  impl_->by_id.try_emplace("", Impl::Target{&impl_->root, "", ""});
  impl_->index(impl_->root, "", "");
}

JsonSchema::~JsonSchema() = default;
JsonSchema::JsonSchema(JsonSchema&&) noexcept = default;

std::vector<Violation> JsonSchema::validate(const Value& value) const {
  std::vector<Violation> found;
  Impl::Walk{*impl_, found}.at(impl_->root, "", "", value, Path(), 0);
  return found;
}

const Value& JsonSchema::document() const { return impl_->root; }

}  // namespace fabric
