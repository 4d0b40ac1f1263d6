#include "launch_backends/port_watch.hpp"

#include <boost/test/unit_test.hpp>

#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace fabric::test {
namespace {

const char* const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

BOOST_AUTO_TEST_SUITE(port_watch)

BOOST_AUTO_TEST_CASE(a_port_is_used_by_who_listens_or_is_connected) {
  std::string folder = (std::filesystem::temp_directory_path() / "fabric-test-XXXXXX").string();
  BOOST_REQUIRE(mkdtemp(folder.data()));
  const auto used = [&folder](const std::string& line) {
    std::ofstream(folder + "/tcp") << heading << line;
    return port_is_used(8080, folder);
  };
  BOOST_TEST(!used(""));
  BOOST_TEST(used("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"));
  BOOST_TEST(used("   0: 0100007F:A000 0200007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 1 1\n"));
  BOOST_TEST(used("   0: 0100007F:1F90 0200007F:A000 06 00000000:00000000 00:00000000 00000000     0        0 1 1\n"));
  BOOST_TEST(!used("   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"));
  // Who only tries to connect was not answered.
  BOOST_TEST(!used("   0: 0100007F:A000 0200007F:1F90 02 00000000:00000000 00:00000000 00000000     0        0 1 1\n"));
  // Where there are no tables, nothing is known.
  BOOST_TEST(port_is_used(8080, folder + "/none"));
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::test
