#include "schema/json_schema_nodes.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace fabric {
namespace {

std::string escape_pointer(std::string_view key) {
  std::string out;
  for (const char c : key) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

std::string unescape_pointer(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool escape = token[i] == '~' && i + 1 < token.size();
    out += !escape ? token[i] : token[++i] == '1' ? '/' : '~';
  }
  return out;
}

// A fragment of a URI is percent-encoded (RFC 6901, section 6).
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2) {
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Reference resolution of RFC 3986 section 5.2, for the forms that schemas use.
std::string resolve_uri(const std::string& base, const std::string& reference) {
  const std::string document = base.substr(0, base.find('#'));
  if (reference.empty()) return document;
  const std::size_t scheme = reference.find(':');
  if (scheme != std::string::npos && reference.find_first_of("/?#") > scheme) return reference;
  if (reference[0] == '#') return document + reference;
  const std::size_t authority = document.find("://");
  if (authority == std::string::npos) return document.substr(0, document.rfind('/') + 1) + reference;
  const std::size_t path = document.find('/', authority + 3);
  if (reference[0] == '/') return document.substr(0, path) + reference;
  return path == std::string::npos ? document + '/' + reference : document.substr(0, document.rfind('/') + 1) + reference;
}

// What the value of a keyword has to be, and where schemas stand in it.
enum class Shape {
  any,
  schema,
  schemas,
  schema_or_schemas,
  schema_map,
  schema_or_names_map,
  count,
  number,
  positive,
  text,
  texts,
  type,
  flag,
  list
};

struct KeywordRow {
  std::string_view name;
  Keyword keyword;
  Shape shape;
};

constexpr KeywordRow keyword_rows[] = {
    {"type", Keyword::type, Shape::type},
    {"const", Keyword::constant, Shape::any},
    {"enum", Keyword::choice, Shape::list},
    {"allOf", Keyword::all_of, Shape::schemas},
    {"anyOf", Keyword::any_of, Shape::schemas},
    {"oneOf", Keyword::one_of, Shape::schemas},
    {"not", Keyword::excluded, Shape::schema},
    {"if", Keyword::condition, Shape::schema},
    {"minimum", Keyword::minimum, Shape::number},
    {"maximum", Keyword::maximum, Shape::number},
    {"exclusiveMinimum", Keyword::exclusive_minimum, Shape::number},
    {"exclusiveMaximum", Keyword::exclusive_maximum, Shape::number},
    {"multipleOf", Keyword::multiple_of, Shape::positive},
    {"minLength", Keyword::min_length, Shape::count},
    {"maxLength", Keyword::max_length, Shape::count},
    {"pattern", Keyword::pattern, Shape::text},
    {"items", Keyword::items, Shape::schema_or_schemas},
    {"additionalItems", Keyword::additional_items, Shape::schema},
    {"minItems", Keyword::min_items, Shape::count},
    {"maxItems", Keyword::max_items, Shape::count},
    {"uniqueItems", Keyword::unique_items, Shape::flag},
    {"contains", Keyword::contains, Shape::schema},
    {"minProperties", Keyword::min_properties, Shape::count},
    {"maxProperties", Keyword::max_properties, Shape::count},
    {"required", Keyword::required, Shape::texts},
    {"propertyNames", Keyword::property_names, Shape::schema},
    {"dependencies", Keyword::dependencies, Shape::schema_or_names_map},
};

// Keywords that hold schemas and are no rules of their own.
constexpr std::pair<std::string_view, Shape> holders[] = {
    {"additionalProperties", Shape::schema},  {"definitions", Shape::schema_map}, {"else", Shape::schema},
    {"patternProperties", Shape::schema_map}, {"properties", Shape::schema_map},  {"then", Shape::schema}};

Shape shape_of(std::string_view name) {
  for (const KeywordRow& row : keyword_rows)
    if (row.name == name) return row.shape;
  for (const auto& [holder, shape] : holders)
    if (holder == name) return shape;
  return Shape::any;
}

bool is_schema(const Value& v) { return v.is_object() || v.is_bool(); }

template <class Test>
bool all_items(const Value& v, Test test) {
  return v.is_array() && std::all_of(v.as_array().begin(), v.as_array().end(), test);
}

template <class Test>
bool all_members(const Value& v, Test test) {
  return v.is_object() && std::all_of(v.as_object().begin(), v.as_object().end(), [&](const Member& m) { return test(m.value); });
}

bool has_shape(const Value& v, Shape shape) {
  const auto is_text = [](const Value& item) { return item.is_string(); };
  const auto is_type = [](const Value& item) { return item.is_string() && SchemaNodes::type_bit(item.as_string()); };
  switch (shape) {
    case Shape::any: return true;
    case Shape::schema: return is_schema(v);
    case Shape::schemas: return all_items(v, is_schema);
    case Shape::schema_or_schemas: return is_schema(v) || all_items(v, is_schema);
    case Shape::schema_map: return all_members(v, is_schema);
    case Shape::schema_or_names_map: return all_members(v, [&](const Value& item) { return is_schema(item) || all_items(item, is_text); });
    case Shape::count: return v.is_number() && v.as_real() >= 0;
    case Shape::number: return v.is_number();
    case Shape::positive: return v.is_number() && v.as_real() > 0;
    case Shape::text: return v.is_string();
    case Shape::texts: return all_items(v, is_text);
    case Shape::type: return is_type(v) || all_items(v, is_type);
    case Shape::flag: return v.is_bool();
    case Shape::list: return v.is_array();
  }
  return false;
}

// The schemas in the value of a keyword.
std::vector<SubSchema> schemas_in(std::string_view keyword, const Value& value) {
  std::vector<SubSchema> subs;
  if (keyword == "const" || keyword == "enum" || shape_of(keyword) == Shape::any) return subs;
  const Shape shape = shape_of(keyword);
  const bool of_members = shape == Shape::schema_map || shape == Shape::schema_or_names_map;
  const bool of_items = shape == Shape::schemas || shape == Shape::schema_or_schemas;
  if (of_members && value.is_object()) {
    subs.reserve(value.as_object().size());
    for (const Member& m : value.as_object())
      if (is_schema(m.value)) subs.push_back({&m.value, keyword, '/' + escape_pointer(m.key), m.key});
  } else if (of_items && value.is_array()) {
    for (std::size_t i = 0; i < value.as_array().size(); ++i)
      if (is_schema(value.as_array()[i])) subs.push_back({&value.as_array()[i], keyword, '/' + std::to_string(i), {}});
  } else if ((shape == Shape::schema || shape == Shape::schema_or_schemas) && is_schema(value)) {
    subs.push_back({&value, keyword, "", {}});
  }
  return subs;
}

const Value* reference_in(const Value& schema) {
  const Value* reference = schema.find("$ref");
  return reference && reference->is_string() ? reference : nullptr;
}

}  // namespace

bool SchemaPattern::matches(std::string_view text) const {
  if (!compiled_) compiled_.emplace(text_);
  if (const std::string why = compiled_->error(); !why.empty())
    throw SchemaError("the pattern " + std::string(text_) + " is not in RE2's language: " + why);
  return compiled_->found_in(text);
}

unsigned SchemaNodes::type_bit(std::string_view name) {
  constexpr std::string_view names[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
  const auto* at = std::find(std::begin(names), std::end(names), name);
  return at == std::end(names) ? 0 : 1u << (at - std::begin(names));
}

SchemaNodes::SchemaNodes(Value root, SchemaRemote remote) : root_(std::move(root)), remote_(std::move(remote)) {
  by_uri_.try_emplace("", Target{&root_, "", ""});
  index(root_, "", "");
}

const SchemaNode& SchemaNodes::below(const SchemaNode& outer, const SubSchema& sub) {
  if (!sub.node) sub.node = &node(*sub.schema, outer.base, outer.pointer + '/' + std::string(sub.keyword) + sub.step);
  return *sub.node;
}

const SchemaNode& SchemaNodes::followed(const SchemaNode& outer, const SchemaRule& reference) {
  const SubSchema& sub = reference.subs.front();
  if (!sub.node) {
    const Target target = resolve(reference.value->as_string(), outer.base);
    sub.node = &node(*target.schema, target.base, target.pointer);
  }
  return *sub.node;
}

const SchemaNode& SchemaNodes::node(const Value& schema, const std::string& base, const std::string& pointer) {
  const auto [it, fresh] = nodes_.try_emplace(&schema);
  SchemaNode& node = it->second;
  if (!fresh) return node;
  node.pointer = pointer;
  const auto own = bases_.find(&schema);
  node.base = own == bases_.end() ? base : own->second;
  compile(node, schema);
  return node;
}

void SchemaNodes::compile(SchemaNode& node, const Value& schema) {
  if (schema.is_bool()) {
    if (!schema.as_bool()) node.rules.push_back({Keyword::never, "false", &schema, {}, {}});
    return;
  }
  // Beside a reference nothing counts (draft-07, core 8.3).
  if (const Value* reference = reference_in(schema)) {
    node.rules.push_back({Keyword::reference, "$ref", reference, {SubSchema{}}, {}});
    return;
  }
  const auto demand = [&](std::string_view name, const Value& value) {
    if (!has_shape(value, shape_of(name)))
      throw SchemaError('#' + node.pointer + '/' + std::string(name) + " is not what this keyword takes");
  };
  for (const Member& m : schema.as_object()) {
    const auto* row = std::find_if(std::begin(keyword_rows), std::end(keyword_rows), [&](const KeywordRow& r) { return r.name == m.key; });
    if (row == std::end(keyword_rows)) continue;
    demand(row->name, m.value);
    SchemaRule rule{row->keyword, row->name, &m.value, schemas_in(row->name, m.value), {}};
    switch (row->keyword) {
      case Keyword::type:
        if (m.value.is_string()) rule.types = type_bit(m.value.as_string());
        else
          for (const Value& name : m.value.as_array()) rule.types |= type_bit(name.as_string());
        break;
      case Keyword::condition:
        for (const std::string_view next : {"then", "else"}) {
          const Value* chosen = schema.find(next);
          if (chosen) demand(next, *chosen);
          rule.subs.push_back({chosen, next, "", {}});
        }
        break;
      case Keyword::additional_items: {
        const Value* items = schema.find("items");
        if (!items || !items->is_array()) continue;  // then it means nothing
        rule.from = items->as_array().size();
        break;
      }
      case Keyword::pattern: rule.pattern.emplace(m.value.as_string()); break;
      default: break;
    }
    // A value of the wrong kind is told so before anything else.
    node.rules.insert(rule.keyword == Keyword::type ? node.rules.begin() : node.rules.end(), std::move(rule));
  }

  SchemaMembers members;
  if (const Value* properties = schema.find("properties")) {
    demand("properties", *properties);
    members.properties = schemas_in("properties", *properties);
  }
  if (const Value* patterns = schema.find("patternProperties")) {
    demand("patternProperties", *patterns);
    for (SubSchema& sub : schemas_in("patternProperties", *patterns)) members.patterns.emplace_back(SchemaPattern(sub.key), std::move(sub));
  }
  if (const Value* additional = schema.find("additionalProperties")) {
    demand("additionalProperties", *additional);
    members.additional = SubSchema{additional, "additionalProperties", "", {}};
  }
  if (!members.properties.empty() || !members.patterns.empty() || members.additional) node.members = std::move(members);
}

void SchemaNodes::index(const Value& schema, const std::string& outer, const std::string& pointer) {
  if (!schema.is_object()) return;
  const std::string* base = &outer;
  if (const Value* id = schema.find("$id"); id && id->is_string() && !reference_in(schema)) {
    std::string uri = resolve_uri(outer, id->as_string());
    if (uri.ends_with('#')) uri.pop_back();
    // A name such as #item is an address and moves no base.
    const bool is_name = uri.find('#') != std::string::npos;
    if (!is_name) base = &(bases_[&schema] = uri);
    by_uri_.try_emplace(uri, Target{&schema, *base, pointer});
  }
  for (const Member& m : schema.as_object())
    for (const SubSchema& sub : schemas_in(m.key, m.value)) index(*sub.schema, *base, pointer + '/' + m.key + sub.step);
}

std::optional<SchemaNodes::Target> SchemaNodes::by_pointer(Target from, std::string_view pointer) const {
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const std::size_t slash = std::min(pointer.find('/'), pointer.size());
    const std::string key = unescape_pointer(pointer.substr(0, slash));
    pointer.remove_prefix(slash);
    const Value* next = from.schema->find(key);
    if (from.schema->is_array()) {
      const Value::Array& items = from.schema->as_array();
      std::size_t i = items.size();
      const auto [stop, error] = std::from_chars(key.data(), key.data() + key.size(), i);
      next = error == std::errc{} && stop == key.data() + key.size() && i < items.size() ? &items[i] : nullptr;
    }
    if (!next) return std::nullopt;
    from.pointer += '/' + escape_pointer(key);
    from.schema = next;
    if (const auto own = bases_.find(next); own != bases_.end()) from.base = own->second;
  }
  return from;
}

SchemaNodes::Target SchemaNodes::resolve(const std::string& reference, const std::string& base) {
  const std::string uri = resolve_uri(base, reference);
  const std::string document = uri.substr(0, uri.find('#'));
  const std::string fragment = document.size() < uri.size() ? percent_decoded(std::string_view(uri).substr(document.size() + 1)) : "";
  if (!by_uri_.contains(document) && remote_ && asked_.insert(document).second) {
    if (const Value* other = remote_(document)) {
      by_uri_.try_emplace(document, Target{other, document, ""});
      index(*other, document, "");
    }
  }
  if (const auto named = by_uri_.find(document + '#' + fragment); named != by_uri_.end()) return named->second;
  const auto it = by_uri_.find(document);
  if (it == by_uri_.end()) throw SchemaError("the schema refers to " + uri + ", which is not known");
  if (fragment.empty()) return it->second;
  const std::optional<Target> target = fragment[0] == '/' ? by_pointer(it->second, fragment) : std::nullopt;
  if (!target) throw SchemaError("the schema has no " + uri);
  return *target;
}

}  // namespace fabric
