// job.schema.json and the C++ fields of a job say the same: path, kind of value, whether it may be auto, and the words of a choice.
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include <re2/re2.h>
#include <boost/test/unit_test.hpp>

#include "schema/diagnostic_codes.hpp"
#include "schema/job.hpp"
#include "schema/job_schema.hpp"
#include "schema/json.hpp"
#include "schema/json_schema.hpp"

using namespace fabric;

namespace {

struct FieldFact {
  std::string kind;  // integer, number, string, list, map, choice, duration, interval, devices
  bool may_be_auto = false;
  bool may_be_absent = false;  // with no default
  std::set<std::string> choices;
  friend bool operator==(const FieldFact&, const FieldFact&) = default;
};
using Facts = std::map<std::string, FieldFact>;

// --- what C++ says

template <class T>
struct Unwrapped {
  using type = T;
  static constexpr bool may_be_auto = false;
  static constexpr bool may_be_absent = false;
};
template <class T>
struct Unwrapped<std::optional<T>> : Unwrapped<T> {
  static constexpr bool may_be_absent = true;
};
template <class T>
struct Unwrapped<std::variant<Auto, T>> : Unwrapped<T> {
  static constexpr bool may_be_auto = true;
};

template <class T>
void from_cpp(const std::string& path, Facts& facts);

template <class T>
void walk_fields(const std::string& prefix, Facts& facts) {
  for_each_field<T>([&](const auto& f) {
    using Member = typename std::decay_t<decltype(f)>::type;
    from_cpp<Member>(prefix + std::string(f.name), facts);
  });
}

template <class M>
void from_cpp(const std::string& path, Facts& facts) {
  using T = typename Unwrapped<M>::type;
  FieldFact fact{.may_be_auto = Unwrapped<M>::may_be_auto, .may_be_absent = Unwrapped<M>::may_be_absent};
  if constexpr (Named<T>) {
    fact.kind = "choice";
    for (const auto& [name, e] : Names<T>::table) fact.choices.insert(std::string(name));
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    fact.kind = "integer";
  } else if constexpr (std::is_same_v<T, bool>) {
    fact.kind = "boolean";
  } else if constexpr (std::is_same_v<T, double>) {
    fact.kind = "number";
  } else if constexpr (std::is_same_v<T, std::string>) {
    fact.kind = "string";
  } else if constexpr (std::is_same_v<T, Duration>) {
    fact.kind = "duration";
  } else if constexpr (std::is_same_v<T, Interval>) {
    fact.kind = "interval";
  } else if constexpr (std::is_same_v<T, Devices>) {
    fact.kind = "devices";
  } else if constexpr (Described<T>) {
    fact.kind = "map";
    walk_fields<T>(path + '.', facts);
  } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>> || std::is_same_v<T, std::map<std::string, Value>>) {
    fact.kind = "map";
  } else {
    fact.kind = "list";
  }
  facts[path] = fact;
}

// --- what the schema says

const Value& followed(const Value& schema) {
  if (const Value* reference = schema.find("$ref"))
    return *job_schema().find("definitions")->find(std::string_view(reference->as_string()).substr(14));
  return schema;
}

void gather(const Value& schema, FieldFact& fact, std::set<std::string>& types) {
  const Value& at = followed(schema);
  if (const Value* unit = at.find("x-unit"))
    for (const char* u : {"duration", "interval", "devices"})
      if (unit->as_string() == u) fact.kind = u;
  if (const Value* c = at.find("const"); c && *c == Value("auto")) fact.may_be_auto = true;
  if (const Value* words = at.find("enum"))
    for (const Value& word : words->as_array())
      if (word.is_string()) fact.choices.insert(word.as_string());
  if (const Value* type = at.find("type"))
    for (const Value& t : type->is_array() ? type->as_array() : Value::Array{*type}) types.insert(t.as_string());
  for (const char* key : {"anyOf", "allOf"})
    if (const Value* branches = at.find(key))
      for (const Value& branch : branches->as_array()) gather(branch, fact, types);
}

// The fields that `required` demands, whole or where their section is written.
void gather_required(const Value& schema, const std::string& prefix, std::set<std::string>& out) {
  if (const Value* names = schema.find("required"))
    for (const Value& name : names->as_array()) out.insert(prefix + name.as_string());
  if (const Value* then = schema.find("then")) gather_required(*then, prefix, out);
  if (const Value* properties = schema.find("properties"))
    for (const Member& m : properties->as_object()) gather_required(m.value, prefix + m.key + '.', out);
}

void from_schema(const Value& properties, const std::string& prefix, const std::set<std::string>& required, Facts& facts) {
  for (const Member& m : properties.as_object()) {
    if (prefix.empty() && (m.key == "extends" || m.key == "profiles")) continue;  // layers, not fields
    const std::string path = prefix + m.key;
    FieldFact fact;
    std::set<std::string> types;
    gather(m.value, fact, types);
    const Value* description = m.value.find("description");
    BOOST_CHECK_MESSAGE(description && description->as_string().size() > 5, path << " has no description");
    const Value* marked = m.value.find("x-auto");
    BOOST_CHECK_MESSAGE((marked != nullptr) == fact.may_be_auto, path << ": x-auto and the constant auto disagree");
    if (const Value* aliases = m.value.find("x-aliases"))
      for (const Member& alias : aliases->as_object()) {
        fact.choices.erase(alias.key);
        BOOST_CHECK_MESSAGE(fact.choices.contains(alias.value.as_string()), path << ": the alias " << alias.key << " leads nowhere");
      }
    if (const Value* later = m.value.find("x-later"))
      for (const Value& word : later->as_array())
        if (word.is_string())
          BOOST_CHECK_MESSAGE(!fact.choices.contains(word.as_string()), path << ": " << word.as_string() << " is both now and later");
    const Value* inner = field_properties(m.value);
    if (!fact.kind.empty()) {
    } else if (inner) {
      fact.kind = "map";
    } else if (!fact.choices.empty()) {
      fact.kind = "choice";
    } else if (types.contains("integer")) {
      fact.kind = "integer";
    } else if (types.contains("number")) {
      fact.kind = "number";
    } else if (types == std::set<std::string>{"boolean"}) {
      fact.kind = "boolean";
    } else if (types.contains("array")) {
      fact.kind = "list";
    } else if (types.contains("object")) {
      fact.kind = "map";
    } else {
      fact.kind = "string";
    }
    if (fact.kind != "choice") fact.choices.clear();
    // A section whose fields have defaults is there always.
    const bool is_of_choice = path == "train" || m.value.find("x-short") || m.value.find("x-short-list") || m.value.find("x-backend");
    fact.may_be_absent = !m.value.find("default") && !required.contains(path) && (!inner || is_of_choice);
    facts[path] = fact;
    if (inner) from_schema(*inner, path + '.', required, facts);
  }
}

// Visits a schema and the schemas in it, each with its JSON pointer.
void each_schema(const Value& schema, const std::string& pointer, const std::function<void(const Value&, const std::string&)>& visit) {
  if (!schema.is_object()) return;
  visit(schema, pointer);
  for (const Member& m : schema.as_object()) {
    const std::string below = pointer + '/' + m.key;
    if (m.key == "properties" || m.key == "definitions") {
      for (const Member& inner : m.value.as_object()) each_schema(inner.value, below + '/' + inner.key, visit);
    } else if (m.key == "anyOf" || m.key == "allOf") {
      for (std::size_t i = 0; i < m.value.as_array().size(); ++i)
        each_schema(m.value.as_array()[i], below + '/' + std::to_string(i), visit);
    } else if (m.key == "items" || m.key == "additionalProperties" || m.key == "propertyNames" || m.key == "not" || m.key == "if" ||
               m.key == "then") {
      each_schema(m.value, below, visit);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(agreement)

BOOST_AUTO_TEST_CASE(schema_and_fields_say_the_same) {
  Facts cpp, schema;
  walk_fields<JobSpec>("", cpp);
  std::set<std::string> required;
  gather_required(*job_schema().find("definitions")->find("required"), "", required);
  for (const std::string& path : required)
    BOOST_CHECK_MESSAGE(field_schema([&] {
                          std::vector<std::string> names;
                          const Path parsed = *Path::parse(path);
                          for (const Path::Step& step : parsed.steps()) names.push_back(std::get<std::string>(step));
                          return names;
                        }()),
                        path << " is required and not a field");
  from_schema(*field_properties(*job_schema().find("definitions")->find("job")), "", required, schema);
  // Only its version is a choice of numbers.
  schema["fabric"].kind = "integer";
  // Numbers of signals belong to the place of the run; the job keeps their names.
  schema["stop.signal"].kind = "string";
  // What another program is told has that program's words.
  schema["program.strategy"].kind = schema["program.precision"].kind = "string";
  for (const auto& [path, fact] : cpp) {
    BOOST_CHECK_MESSAGE(schema.contains(path), path << " is a field of C++ and not of the schema");
    if (!schema.contains(path)) continue;
    const FieldFact& other = schema[path];
    BOOST_CHECK_MESSAGE(fact.kind == other.kind, path << ": C++ says " << fact.kind << ", the schema " << other.kind);
    BOOST_CHECK_MESSAGE(fact.may_be_auto == other.may_be_auto, path << ": auto is allowed on one side only");
    BOOST_CHECK_MESSAGE(fact.may_be_absent == other.may_be_absent,
                        path << " may be absent in " << (fact.may_be_absent ? "C++" : "the schema") << " only");
    if (fact.kind == "choice") BOOST_CHECK_MESSAGE(fact.choices == other.choices, path << ": the choices differ");
  }
  for (const auto& [path, fact] : schema) BOOST_CHECK_MESSAGE(cpp.contains(path), path << " is a field of the schema and not of C++");
  BOOST_CHECK_GE(cpp.size(), 50u);
}

BOOST_AUTO_TEST_CASE(the_schema_is_one_of_draft_07) {
  std::stringstream text;
  text << std::ifstream(std::string(FABRIC_SOURCE_DIR) + "/tests/schema/draft-07.schema.json").rdbuf();
  const JsonSchema meta(*read_json(text.str()));
  for (const Violation& v : meta.validate(job_schema())) BOOST_ERROR("#/" << v.instance.str() << " breaks " << v.schema);
  BOOST_CHECK_EQUAL(job_schema().find("$schema")->as_string(), meta.document().find("$id")->as_string());
  // The meta-schema itself must be in force.
  Value broken = job_schema();
  broken.find("definitions")->set("duration", Value(7));
  BOOST_CHECK(!meta.validate(broken).empty());
}

BOOST_AUTO_TEST_CASE(the_schema_uses_known_words_only) {
  // clang-format off
  const std::set<std::string> known = {"$schema", "$id", "$ref", "title", "description", "examples", "default", "type", "enum", "const", "allOf", "anyOf", "not", "if", "then",
                                       "definitions", "properties", "additionalProperties", "propertyNames", "required", "items", "minItems", "maxItems",
                                       "uniqueItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern",
                                       "x-auto", "x-aliases", "x-later", "x-short", "x-short-list", "x-unit", "x-peers", "x-words", "x-backend"};
  // clang-format on
  const std::set<std::string> units = {"devices", "duration",     "epochs",  "extends",        "inherit", "interval",
                                       "path",    "path pattern", "samples", "sbatch pattern", "steps"};
  each_schema(job_schema(), "#", [&](const Value& schema, const std::string& pointer) {
    for (const Member& m : schema.as_object()) BOOST_CHECK_MESSAGE(known.contains(m.key), pointer << " has the unknown keyword " << m.key);
    if (const Value* unit = schema.find("x-unit"))
      BOOST_CHECK_MESSAGE(units.contains(unit->as_string()), pointer << ": unknown unit " << unit->as_string());
  });
}

BOOST_AUTO_TEST_CASE(defaults_are_valid) {
  int defaults = 0;
  each_schema(job_schema(), "#", [&](const Value& schema, const std::string& pointer) {
    const Value* fallback = schema.find("default");
    if (!fallback) return;
    ++defaults;
    Value alone = schema;
    alone.set("definitions", *job_schema().find("definitions"));
    BOOST_CHECK_MESSAGE(JsonSchema(alone).validate(*fallback).empty(),
                        pointer << ": the default " << canonical_json(*fallback) << " is not valid");
    BOOST_CHECK_MESSAGE(!JsonSchema(alone).validate(Value(Value::Array{Value()})).empty(), pointer << " admits anything");
  });
  BOOST_CHECK_GE(defaults, 30);
}

BOOST_AUTO_TEST_CASE(patterns_are_in_the_language) {
  int patterns = 0;
  each_schema(job_schema(), "#", [&](const Value& schema, const std::string& pointer) {
    const Value* pattern = schema.find("pattern");
    if (!pattern) return;
    ++patterns;
    const re2::RE2 compiled(pattern->as_string());
    BOOST_CHECK_MESSAGE(compiled.ok(), pointer << ": " << compiled.error());
    // Everything in a job is matched whole.
    BOOST_CHECK_MESSAGE(pattern->as_string().starts_with('^') && pattern->as_string().ends_with('$'), pointer << " is not anchored");
  });
  BOOST_CHECK_GE(patterns, 5);
}

// A number that the schema admits for an integer is one of 64 bits: 1e300 is an integer to draft-07.
BOOST_AUTO_TEST_CASE(integers_have_ends) {
  each_schema(job_schema(), "#", [&](const Value& schema, const std::string& pointer) {
    const Value* type = schema.find("type");
    if (!type || canonical_json(*type).find("integer") == std::string::npos || schema.find("enum")) return;
    for (const char* end : {"minimum", "maximum"}) {
      const Value* limit = schema.find(end);
      BOOST_CHECK_MESSAGE(limit && limit->whole(), pointer << " has no " << end);
    }
  });
}

BOOST_AUTO_TEST_CASE(every_code_is_explained_once) {
  std::set<std::string_view> seen;
  for (const DiagnosticCode& row : diagnostic_codes()) {
    BOOST_CHECK_MESSAGE(seen.insert(row.code).second, row.code << " stands twice");
    BOOST_CHECK_MESSAGE(row.code.size() == 7 && row.code.starts_with("FAB"), row.code);
    BOOST_CHECK_MESSAGE(!row.title.empty() && row.text.size() > 20, row.code << " is not explained");
  }
  BOOST_CHECK_GE(seen.size(), 40u);
}

BOOST_AUTO_TEST_SUITE_END()
