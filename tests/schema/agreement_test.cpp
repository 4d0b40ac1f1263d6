// job.schema.json and the C++ fields of a job say the same: path, kind of value, whether it may be auto, and the words of a choice.
#include <functional>
#include <map>
#include <set>

#include <boost/test/unit_test.hpp>
#include <re2/re2.h>

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
  std::set<std::string> choices;
  friend bool operator==(const FieldFact&, const FieldFact&) = default;
};
using Facts = std::map<std::string, FieldFact>;

// --- what C++ says

template <class T>
struct Unwrapped {
  using type = T;
  static constexpr bool may_be_auto = false;
};
template <class T>
struct Unwrapped<std::optional<T>> : Unwrapped<T> {};
template <class T>
struct Unwrapped<std::variant<Auto, T>> {
  using type = T;
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
  FieldFact fact{.may_be_auto = Unwrapped<M>::may_be_auto};
  if constexpr (Named<T>) {
    fact.kind = "choice";
    for (const auto& [name, e] : Names<T>::table) fact.choices.insert(std::string(name));
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    fact.kind = "integer";
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
  } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
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
  if (const Value* type = at.find("type"); type && type->is_string()) types.insert(type->as_string());
  for (const char* key : {"anyOf", "allOf"})
    if (const Value* branches = at.find(key))
      for (const Value& branch : branches->as_array()) gather(branch, fact, types);
}

void from_schema(const Value& properties, const std::string& prefix, Facts& facts) {
  for (const Member& m : properties.as_object()) {
    if (prefix.empty() && m.key == "profiles") continue;  // a layer, not a field
    const std::string path = prefix + m.key;
    FieldFact fact;
    std::set<std::string> types;
    gather(m.value, fact, types);
    BOOST_CHECK_MESSAGE(m.value.find("description"), path << " has no description");
    const Value* marked = m.value.find("x-auto");
    BOOST_CHECK_MESSAGE((marked != nullptr) == fact.may_be_auto, path << ": x-auto and the constant auto disagree");
    if (const Value* aliases = m.value.find("x-aliases"))
      for (const Member& alias : aliases->as_object()) {
        fact.choices.erase(alias.key);
        BOOST_CHECK_MESSAGE(fact.choices.contains(alias.value.as_string()), path << ": the alias " << alias.key << " leads nowhere");
      }
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
    } else if (types.contains("array")) {
      fact.kind = "list";
    } else if (types.contains("object")) {
      fact.kind = "map";
    } else {
      fact.kind = "string";
    }
    if (fact.kind != "choice") fact.choices.clear();
    facts[path] = fact;
    if (inner) from_schema(*inner, path + '.', facts);
  }
}

void each_schema(const Value& schema, const std::function<void(const Value&)>& visit) {
  if (schema.is_array())
    for (const Value& item : schema.as_array()) each_schema(item, visit);
  if (!schema.is_object()) return;
  visit(schema);
  for (const Member& m : schema.as_object()) each_schema(m.value, visit);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(agreement)

BOOST_AUTO_TEST_CASE(schema_and_fields_say_the_same) {
  Facts cpp, schema;
  walk_fields<JobSpec>("", cpp);
  from_schema(*field_properties(*job_schema().find("definitions")->find("job")), "", schema);
  // Only its version is a choice of numbers.
  schema["fabric"].kind = "integer";
  // Numbers of signals belong to the place of the run; the job keeps their names.
  schema["stop.signal"].kind = "string";
  for (const auto& [path, fact] : cpp) {
    BOOST_CHECK_MESSAGE(schema.contains(path), path << " is a field of C++ and not of the schema");
    if (!schema.contains(path)) continue;
    const FieldFact& other = schema[path];
    BOOST_CHECK_MESSAGE(fact.kind == other.kind, path << ": C++ says " << fact.kind << ", the schema " << other.kind);
    BOOST_CHECK_MESSAGE(fact.may_be_auto == other.may_be_auto, path << ": auto is allowed on one side only");
    if (fact.kind == "choice") BOOST_CHECK_MESSAGE(fact.choices == other.choices, path << ": the choices differ");
  }
  for (const auto& [path, fact] : schema) BOOST_CHECK_MESSAGE(cpp.contains(path), path << " is a field of the schema and not of C++");
  BOOST_CHECK_GE(cpp.size(), 50u);
}

BOOST_AUTO_TEST_CASE(defaults_are_valid_and_patterns_are_in_the_language) {
  each_schema(job_schema(), [](const Value& schema) {
    if (const Value* pattern = schema.find("pattern"); pattern && pattern->is_string()) BOOST_CHECK_MESSAGE(re2::RE2(pattern->as_string()).ok(), pattern->as_string());
    const Value* fallback = schema.find("default");
    if (!fallback || !schema.find("description")) return;
    Value alone = schema;
    alone.set("definitions", *job_schema().find("definitions"));
    BOOST_CHECK_MESSAGE(JsonSchema(alone).validate(*fallback).empty(), canonical_json(*fallback) << " is no value of " << schema.find("description")->as_string());
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
