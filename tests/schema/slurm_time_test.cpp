// Times as SLURM writes them.
#include <boost/test/unit_test.hpp>

#include "schema/slurm_time.hpp"

namespace fabric {

BOOST_AUTO_TEST_CASE(times_of_slurm_are_seconds) {
  const std::pair<const char*, std::int64_t> times[] = {
      {"15", 900},        {"15:30", 930},        {"0:00", 0},      {"1:00:30", 3630},      {"12:00:00", 43200},
      {"1-2", 93600},     {"1-2:03", 93780},     {"0-0:0:30", 30}, {"2-12:30:05", 217805}, {"365-00:00:00", 31536000},
      {"00:59:59", 3599}, {"100:00:00", 360000}, {"0", 0}};
  for (const auto& [text, seconds] : times) BOOST_TEST_CONTEXT(text) {
      const std::optional<std::int64_t> found = slurm_seconds(text);
      BOOST_TEST_REQUIRE(found.has_value());
      BOOST_TEST(*found == seconds);
    }
  for (const char* none : {"UNLIMITED",
                           "NOT_SET",
                           "INVALID",
                           "NONE",
                           "infinite",
                           "",
                           "-",
                           ":",
                           "1-",
                           "-1",
                           "1-2-3",
                           "1:2:3:4",
                           "1-2:3:4:5",
                           "15m",
                           "1.5",
                           " 15",
                           "15 ",
                           "1::2",
                           "99999999999999999999",
                           "1000001"})
    BOOST_TEST(!slurm_seconds(none), none);
}

}  // namespace fabric
