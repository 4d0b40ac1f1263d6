// The validator against Debian's json-schema-test-suite, draft-07, every case of it.
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"
#include "schema/json_schema.hpp"

using namespace fabric;
namespace fs = std::filesystem;

namespace {

const fs::path suite = "/usr/share/json-schema-test-suite";

Value read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  std::string why;
  const std::optional<Value> value = read_json(text.str(), &why);
  BOOST_REQUIRE_MESSAGE(value, path << ": " << why);
  return *value;
}

// What the suite's authors serve at http://localhost:1234, and the meta-schema of the draft.
const Value* remote(const std::string& uri) {
  static std::map<std::string, Value> documents;
  if (const auto it = documents.find(uri); it != documents.end()) return &it->second;
  const std::string host = "http://localhost:1234/";
  if (uri.starts_with(host)) {
    const fs::path path = suite / "remotes" / uri.substr(host.size());
    if (!fs::exists(path)) return nullptr;
    return &(documents[uri] = read(path));
  }
  if (uri == "http://json-schema.org/draft-07/schema") {
    return &(documents[uri] = read(std::string(FABRIC_SOURCE_DIR) + "/tests/schema/draft-07.schema.json"));
  }
  return nullptr;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(json_schema)

BOOST_AUTO_TEST_CASE(draft7_suite) {
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(suite / "tests" / "draft7")) {
    if (entry.path().extension() != ".json") continue;
    const Value groups = read(entry.path());
    for (const Value& group : groups.as_array()) {
      const JsonSchema schema(*group.find("schema"), remote);
      for (const Value& test : group.find("tests")->as_array()) {
        ++cases;
        const bool valid = schema.validate(*test.find("data")).empty();
        BOOST_CHECK_MESSAGE(valid == test.find("valid")->as_bool(), entry.path().filename().string()
                                                                        << ": " << group.find("description")->as_string() << ": "
                                                                        << test.find("description")->as_string());
      }
    }
  }
  BOOST_CHECK_EQUAL(cases, 423);
}

namespace {

std::vector<Violation> validate(const char* schema, const char* value) {
  return JsonSchema(*read_json(schema), remote).validate(*read_json(value));
}

// "a: /properties/a/minimum; : /required b": where in the value, where in the schema, and the property, if it is about one.
std::string told(const std::vector<Violation>& violations) {
  std::string out;
  for (const Violation& v : violations)
    out += (out.empty() ? "" : "; ") + v.instance.str() + ": " + v.schema + (v.property.empty() ? "" : ' ' + v.property);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(violations_name_place_keyword_and_branch) {
  const auto violations = validate(R"({"properties": {"a": {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}]}},
                                       "additionalProperties": false, "required": ["a", "b"]})",
                                   R"({"c": 1, "a": 0})");
  BOOST_CHECK_EQUAL(told(violations), ": /required b; : /additionalProperties c; a: /properties/a/anyOf");
  BOOST_REQUIRE_EQUAL(violations.size(), 3u);
  const Violation& choice = violations[2];
  BOOST_CHECK_EQUAL(choice.keyword, "anyOf");
  BOOST_REQUIRE_EQUAL(choice.branches.size(), 2u);
  BOOST_CHECK_EQUAL(told(choice.branches[0]), "a: /properties/a/anyOf/0/const");
  BOOST_CHECK_EQUAL(told(choice.branches[1]), "a: /properties/a/anyOf/1/minimum");
  BOOST_CHECK(choice.branches[1][0].expected == Value(1));
}

BOOST_AUTO_TEST_CASE(each_keyword_tells_its_place) {
  struct Row {
    const char *schema, *value, *told;
  };
  const Row rows[] = {
      {R"({"type": "integer"})", "1.5", ": /type"},
      {R"({"minimum": 1, "type": ["string", "null"]})", "0", ": /type; : /minimum"},
      {R"({"const": 1})", "2", ": /const"},
      {R"({"enum": [1, "a"]})", "\"b\"", ": /enum"},
      {R"({"allOf": [true, {"minimum": 3}, {"maximum": 1}]})", "2", ": /allOf/1/minimum; : /allOf/2/maximum"},
      {R"({"oneOf": [{"minimum": 1}, {"minimum": 2}]})", "3", ": /oneOf"},
      {R"({"not": {"type": "null"}})", "null", ": /not"},
      {R"({"if": {"minimum": 5}, "then": {"maximum": 9}, "else": {"maximum": 3}})", "4", ": /else/maximum"},
      {R"({"if": {"minimum": 5}, "then": {"maximum": 9}, "else": {"maximum": 3}})", "10", ": /then/maximum"},
      {R"({"then": {"maximum": 9}, "else": {"maximum": 3}})", "10", ""},
      {R"({"exclusiveMinimum": 1})", "1", ": /exclusiveMinimum"},
      {R"({"exclusiveMaximum": 1})", "1.0", ": /exclusiveMaximum"},
      {R"({"multipleOf": 3})", "4", ": /multipleOf"},
      {R"({"minLength": 3})", R"("\u00e9\u00e9")", ": /minLength"},
      {R"({"maxLength": 1.0})", R"("\ud83d\ude00x")", ": /maxLength"},
      {R"({"maxLength": 1})", R"("\ud83d\ude00")", ""},
      {R"({"pattern": "^a$"})", "\"a\\n\"", ": /pattern"},
      {R"({"pattern": "b"})", "\"abc\"", ""},
      {R"({"items": {"type": "string"}})", "[\"a\", 1, 2]", "[1]: /items/type; [2]: /items/type"},
      {R"({"items": [true, {"type": "string"}], "additionalItems": false})", "[1, 2, 3]", "[1]: /items/1/type; [2]: /additionalItems"},
      {R"({"additionalItems": false})", "[1, 2, 3]", ""},
      {R"({"minItems": 1})", "[]", ": /minItems"},
      {R"({"maxItems": 1})", "[1, 2]", ": /maxItems"},
      {R"({"uniqueItems": true})", "[1, 2, 1.0]", ": /uniqueItems"},
      {R"({"uniqueItems": true})", R"([{"a": 1, "b": 2}, {"b": 2, "a": 1}])", ": /uniqueItems"},
      {R"({"uniqueItems": true})", R"([1, true, "1", [1], {"a": 1}, null, 0, false, "", []])", ""},
      {R"({"contains": {"minimum": 5}})", "[1, 2]", ": /contains"},
      {R"({"minProperties": 1})", "{}", ": /minProperties"},
      {R"({"maxProperties": 0})", R"({"a": 1})", ": /maxProperties"},
      {R"({"required": ["a", "b"]})", "{}", ": /required a; : /required b"},
      {R"({"propertyNames": {"pattern": "^[a-z]+$"}})", R"({"a": 1, "B": 1, "C": 2})", ": /propertyNames B; : /propertyNames C"},
      {R"({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}})", R"({"a": 1, "c": 1})",
       ": /dependencies b; : /dependencies/c/required d"},
      {R"({"patternProperties": {"^x": {"type": "string"}}, "additionalProperties": {"type": "integer"}})",
       R"({"x1": 1, "y": "a", "z": 2})", "x1: /patternProperties/^x/type; y: /additionalProperties/type"},
      {R"({"properties": {"a/b~c": {"type": "null"}}})", R"({"a/b~c": 1})", "a/b~c: /properties/a~1b~0c/type"},
      {R"({"$ref": "#/definitions/a%2525b", "definitions": {"a%25b": {"type": "null"}}})", "1", ": /definitions/a%25b/type"},
      {R"({"$ref": "#/definitions/a", "type": "string", "definitions": {"a": {"type": "null"}}})", "1", ": /definitions/a/type"},
      {R"({"properties": {"a": false}})", R"({"a": 1, "b": 1})", "a: /properties/a"},
      {"false", "1", ": "},
      {"true", "1", ""},
      {R"({"format": "email", "contentMediaType": "application/json", "unknown": 7})", "\"x\"", ""},
  };
  for (const Row& row : rows)
    BOOST_CHECK_MESSAGE(told(validate(row.schema, row.value)) == row.told,
                        row.schema << " on " << row.value << ": " << told(validate(row.schema, row.value)));
}

BOOST_AUTO_TEST_CASE(numbers_are_compared_exactly) {
  struct Row {
    const char *schema, *value;
    bool valid;
  };
  const Row rows[] = {
      {R"({"const": 1})", "1.0", true},
      {R"({"enum": [[1.0]]})", "[1]", true},
      {R"({"const": 9007199254740993})", "9007199254740992.0", false},
      {R"({"const": 9007199254740992})", "9007199254740992.0", true},
      {R"({"maximum": 9007199254740992.0})", "9007199254740993", false},
      {R"({"minimum": 9223372036854775807})", "9223372036854775808.0", true},
      {R"({"exclusiveMaximum": 9223372036854775808.0})", "9223372036854775807", true},
      {R"({"minimum": -1e300})", "-9223372036854775808", true},
      {R"({"minimum": 1.5})", "1", false},
      {R"({"maximum": -1.5})", "-1", false},
      {R"({"type": "integer"})", "1e300", true},
      {R"({"multipleOf": 0.0001})", "0.0075", true},
      {R"({"multipleOf": 0.0001})", "0.00751", false},
      {R"({"multipleOf": 0.1})", "0.3", true},
      {R"({"multipleOf": 1})", "1000000000000000.5", false},
      {R"({"multipleOf": 0.5})", "9223372036854775807", true},
      {R"({"multipleOf": 1})", "-9223372036854775808", true},
      {R"({"const": 0})", "-0.0", true},
      {R"({"const": false})", "0", false},
      {R"({"enum": ["1"]})", "1", false},
      {R"({"uniqueItems": true})", "[4611686018427387904, 4611686018427387904.0]", false},
      {R"({"uniqueItems": true})", "[9007199254740993, 9007199254740992.0]", true},
  };
  for (const Row& row : rows) BOOST_CHECK_MESSAGE(validate(row.schema, row.value).empty() == row.valid, row.schema << " on " << row.value);
}

BOOST_AUTO_TEST_CASE(a_schema_that_cannot_be_used_says_why) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"$ref": "#/definitions/none"})", "#/definitions/none"},
      {R"({"$ref": "#/items/7", "items": [true]})", "#/items/7"},
      {R"({"$ref": "http://nowhere.invalid/x"})", "http://nowhere.invalid/x"},
      {R"({"$ref": "#name"})", "#name"},
      {R"j({"pattern": "(?=a)"})j", "(?=a)"},
      {R"({"minLength": "3"})", "#/minLength"},
      {R"({"minLength": -1})", "#/minLength"},
      {R"({"multipleOf": 0})", "#/multipleOf"},
      {R"({"type": "int"})", "#/type"},
      {R"({"type": ["string", 1]})", "#/type"},
      {R"({"enum": "a"})", "#/enum"},
      {R"({"required": [1]})", "#/required"},
      {R"({"properties": {"a": 1}})", "#/properties"},
      {R"({"anyOf": {}})", "#/anyOf"},
      {R"({"items": 3})", "#/items"},
      {R"({"not": null})", "#/not"},
      {R"({"if": true, "then": 1})", "#/then"},
      {R"({"dependencies": {"a": [1]}})", "#/dependencies"},
      {R"({"additionalProperties": "no"})", "#/additionalProperties"},
  };
  for (const auto& [schema, word] : rows)
    BOOST_CHECK_EXCEPTION(validate(schema, "\"a\""), SchemaError, [&](const SchemaError& e) {
      BOOST_TEST_MESSAGE(e.what());
      return std::string(e.what()).find(word) != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(endless_recursion_is_bounded) {
  for (const char* schema :
       {R"({"$ref": "#"})", R"({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]})", R"({"not": {"$ref": "#"}})", R"({"allOf": [{"$ref": "#"}]})"}) {
    const auto violations = validate(schema, "1");
    BOOST_REQUIRE_EQUAL(violations.size(), 1u);
    BOOST_CHECK_EQUAL(violations[0].keyword, "depth");
  }
  Value deep(1);
  for (int i = 0; i < 1000; ++i) deep = Value(Value::Array{std::move(deep)});
  const auto violations = JsonSchema(*read_json(R"({"items": {"$ref": "#"}})")).validate(deep);
  BOOST_REQUIRE_EQUAL(violations.size(), 1u);
  BOOST_CHECK_EQUAL(violations[0].keyword, "depth");
}

BOOST_AUTO_TEST_CASE(patterns_take_linear_time) {
  const std::string hostile = '"' + std::string(200000, 'a') + "!\"";
  BOOST_CHECK(!validate(R"({"pattern": "^(a+)+$"})", hostile.c_str()).empty());
}

BOOST_AUTO_TEST_CASE(many_items_are_told_apart_quickly) {
  std::string items = "[";
  for (int i = 0; i < 20000; ++i) items += "{\"n\":" + std::to_string(i) + "},";
  BOOST_CHECK(validate(R"({"uniqueItems": true})", (items + "1]").c_str()).empty());
  BOOST_CHECK(!validate(R"({"uniqueItems": true})", (items + "{\"n\":7.0}]").c_str()).empty());
}

BOOST_AUTO_TEST_CASE(the_schema_may_move) {
  JsonSchema first(*read_json(R"({"properties": {"a": {"$ref": "#/definitions/x"}}, "definitions": {"x": {"type": "null"}}})"));
  BOOST_CHECK_EQUAL(first.validate(*read_json("{\"a\":1}")).size(), 1u);
  const JsonSchema second(std::move(first));
  BOOST_CHECK_EQUAL(second.validate(*read_json("{\"a\":1}")).size(), 1u);
  BOOST_CHECK(second.document().find("properties"));
}

BOOST_AUTO_TEST_SUITE_END()
