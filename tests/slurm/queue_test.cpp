// What is said to SLURM and of it in words, without one: indices as ranges, and why a job waits.
#include <boost/test/unit_test.hpp>

#include "launch_backends/run_summary.hpp"
#include "launch_backends/slurm_array.hpp"

using namespace fabric;

BOOST_AUTO_TEST_CASE(indices_are_told_as_ranges) {
  for (const char* written : {"0", "3,5", "0-30000", "0-30000%2", "0-9:3", "1-3,7,9-21:4%5"})
    BOOST_TEST(array_of(indices_of_array(written), written) == written);
  BOOST_TEST(array_of({0, 1, 2, 4, 5, 6, 9}, "0-9%2") == "0-2,4-6,9%2");
  BOOST_TEST(array_of({0, 1, 5, 9}, "0-9") == "0,1-9:4");
  BOOST_TEST(indices_of_array(array_of({0, 1, 5, 9}, "0-9")) == (std::vector<std::int64_t>{0, 1, 5, 9}), boost::test_tools::per_element());
  BOOST_TEST(array_of({}, "0-9") == "");
}

BOOST_AUTO_TEST_CASE(what_waits_for_ever_says_so_and_not_when_it_starts) {
  for (const char* reason : {"launch failed requeued held", "launch_failed_requeued_held", "JobHeldUser"}) {
    const std::string words =
        in_words({.id = "7", .array = {}, .task = {}},
                 {.phase = SlurmStanding::Phase::waiting, .state = "PENDING", .reason = reason, .start = "2026-11-29T10:00:00"});
    BOOST_TEST(words.find("will for ever as it is") != std::string::npos, words);
    BOOST_TEST(words.find("scontrol release") != std::string::npos, words);
    BOOST_TEST(words.find("expected to start") == std::string::npos, words);
  }
}
