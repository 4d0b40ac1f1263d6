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
        BOOST_CHECK_MESSAGE(valid == test.find("valid")->as_bool(), entry.path().filename().string() << ": " << group.find("description")->as_string()
                                                                                                      << ": " << test.find("description")->as_string());
      }
    }
  }
  BOOST_CHECK_EQUAL(cases, 423);
}

BOOST_AUTO_TEST_CASE(violations_name_place_keyword_and_branch) {
  const JsonSchema schema(*read_json(R"({"properties": {"a": {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}]}},
                                         "additionalProperties": false, "required": ["a", "b"]})"));
  const auto violations = schema.validate(*read_json(R"({"a": 0, "c": 1})"));
  BOOST_REQUIRE_EQUAL(violations.size(), 3u);
  BOOST_CHECK_EQUAL(violations[0].instance.str(), "a");
  BOOST_CHECK_EQUAL(violations[0].keyword, "anyOf");
  BOOST_CHECK_EQUAL(violations[0].schema, "/properties/a/anyOf");
  BOOST_REQUIRE_EQUAL(violations[0].branches.size(), 2u);
  BOOST_CHECK_EQUAL(violations[0].branches[1][0].keyword, "minimum");
  BOOST_CHECK_EQUAL(violations[1].property, "c");
  BOOST_CHECK_EQUAL(violations[2].property, "b");
}

BOOST_AUTO_TEST_CASE(a_schema_that_cannot_be_used_says_why) {
  BOOST_CHECK_THROW(JsonSchema(*read_json(R"({"$ref": "#/definitions/none"})")).validate(Value(1)), SchemaError);
  BOOST_CHECK_THROW(JsonSchema(*read_json(R"({"$ref": "http://nowhere.invalid/x"})")).validate(Value(1)), SchemaError);
  BOOST_CHECK_THROW(JsonSchema(*read_json(R"j({"pattern": "(?=a)"})j")).validate(Value("a")), SchemaError);
}

BOOST_AUTO_TEST_CASE(endless_recursion_is_bounded) {
  const auto violations = JsonSchema(*read_json(R"({"$ref": "#"})")).validate(Value(1));
  BOOST_REQUIRE_EQUAL(violations.size(), 1u);
  BOOST_CHECK_EQUAL(violations[0].keyword, "depth");
}

BOOST_AUTO_TEST_SUITE_END()
