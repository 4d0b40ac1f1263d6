// hardware.schema.json and the C++ fields say the same, and every machine of tests/machines is valid.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "schema/hardware.hpp"
#include "schema/hardware_schema.hpp"
#include "schema/json.hpp"
#include "schema/json_schema.hpp"

using namespace fabric;

namespace {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

const Value& followed(const Value& schema) {
  const Value* reference = schema.find("$ref");
  return reference ? *hardware_schema().find("definitions")->find(std::string_view(reference->as_string()).substr(14)) : schema;
}

template <class T>
void same(const Value& schema, const std::string& where) {
  BOOST_TEST_CONTEXT(where) {
    std::set<std::string> fields, needed, properties, required;
    for_each_field<T>([&](const auto& f) {
      using M = typename std::decay_t<decltype(f)>::type;
      fields.emplace(f.name);
      if (!IsOptional<M>::value) needed.emplace(f.name);
    });
    for (const Member& m : schema.find("properties")->as_object()) properties.insert(m.key);
    for (const Value& name : schema.find("required")->as_array()) required.insert(name.as_string());
    BOOST_TEST(fields == properties, boost::test_tools::per_element());
    BOOST_TEST(needed == required, boost::test_tools::per_element());
    BOOST_TEST(!schema.find("additionalProperties")->as_bool());
  }
}

const Value& items(const Value& schema, const char* property) {
  return *followed(*schema.find("properties")->find(property)).find("items");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hardware_schema_and_fields)

BOOST_AUTO_TEST_CASE(say_the_same) {
  same<Hardware>(hardware_schema(), "hardware");
  const Value& group = items(hardware_schema(), "groups");
  same<HostGroup>(group, "group");
  const Value& host = followed(*group.find("properties")->find("host"));
  same<Host>(host, "host");
  same<NumaNode>(items(host, "numa_nodes"), "numa node");
  same<NetworkInterface>(items(host, "interfaces"), "interface");
  same<Gpu>(items(host, "gpus"), "gpu");
}

BOOST_AUTO_TEST_CASE(every_recorded_machine_is_valid) {
  std::size_t machines = 0;
  for (const auto& folder : std::filesystem::directory_iterator(std::string(FABRIC_SOURCE_DIR) + "/tests/machines")) {
    if (!folder.is_directory()) continue;
    ++machines;
    std::ifstream in(folder.path() / "hardware.json");
    std::stringstream text;
    text << in.rdbuf();
    const std::optional<Value> value = read_json(text.str());
    BOOST_REQUIRE(value);
    for (const Violation& v : JsonSchema(hardware_schema()).validate(*value))
      BOOST_ERROR(folder.path().string() << ": " << v.instance.str() << " breaks " << v.keyword);
    BOOST_TEST(canonical_json(to_value(from_value<Hardware>(*value))) == canonical_json(*value));
  }
  BOOST_TEST(machines >= 11u);
}

BOOST_AUTO_TEST_SUITE_END()
