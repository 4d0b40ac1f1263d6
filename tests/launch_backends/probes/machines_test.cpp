#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "schema/hardware.hpp"
#include "schema/json.hpp"

namespace {

using namespace fabric;
namespace fs = std::filesystem;

const fs::path folder = fs::path(FABRIC_SOURCE_DIR) / "tests" / "machines";

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(machines)

BOOST_AUTO_TEST_CASE(each_reads_and_writes_the_same) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    names.insert(entry.path().filename().string());
    BOOST_TEST_CONTEXT(entry.path().filename()) {
      std::string why;
      const auto value = read_json(text_of(entry.path() / "hardware.json"), &why);
      BOOST_REQUIRE_MESSAGE(value, why);
      const auto hardware = from_value<Hardware>(*value);
      BOOST_CHECK(to_value(hardware) == *value);  // no field is missing, none is unknown
      BOOST_CHECK((hardware.source == "recorded by fabric probe") != hardware.source.starts_with("made up"));
      BOOST_TEST_REQUIRE(!hardware.groups.empty());
      const Host& host = hardware.groups[0].host;
      BOOST_TEST(!host.cpus.empty());
      BOOST_TEST(host.cpus_online >= static_cast<std::int64_t>(host.cpus.size()));
      BOOST_TEST(host.gpus.empty() == !host.nvidia_driver.has_value());
      for (std::size_t i = 0; i < host.gpus.size(); ++i) BOOST_TEST(host.gpus[i].index == static_cast<std::int64_t>(i));
    }
  }
  BOOST_TEST(names.size() >= 11u);
  const std::string readme = text_of(folder / "README.md");
  for (const std::string& name : names) BOOST_TEST(readme.find("| `" + name + "` |") != std::string::npos, name << " is not in README.md");
}

BOOST_AUTO_TEST_CASE(what_is_no_machine_is_refused) {
  for (const char* text : {"[]", "{}", R"({"version": 1, "source": "x"})", R"({"version": "1", "source": "x", "groups": []})",
                           R"({"version": 1, "source": "x", "groups": [{"count": 1}]})",
                           R"({"version": 1, "source": "x", "groups": [{"count": 1, "host": {}}]})"})
    BOOST_CHECK_THROW(from_value<Hardware>(*read_json(std::string_view(text))), BindingError);
}

BOOST_AUTO_TEST_SUITE_END()
