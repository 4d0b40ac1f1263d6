#include "tests/launch_backends/expected_end.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>

namespace fabric::test {

std::ostream& operator<<(std::ostream& out, const Expected& e) { return out << e.exit_code << ' ' << e.verdict << ' ' << e.message; }

void check(RunUnderTest& run, const FinishedRun& finished, const Expected& expected) {
  BOOST_REQUIRE(finished.outcome.has_value());
  BOOST_TEST(finished.outcome->exit_code == expected.exit_code);
  BOOST_TEST(finished.outcome->verdict == expected.verdict);
  BOOST_TEST(finished.outcome->message.find(expected.message) != std::string::npos, "the message is: " << finished.outcome->message);
  BOOST_TEST(finished.seconds < in_time);
  BOOST_TEST(finished.seconds_to_clear < in_time);
  BOOST_TEST(run.left().empty());
  BOOST_TEST(run.status().state == expected.verdict);
  BOOST_TEST(run.status().exit_code.value_or(-1) == expected.exit_code);
  BOOST_TEST(run.events().back().kind == "run_finished");
}

void check_lost(RunUnderTest& run, const FinishedRun& finished, const std::string& message) {
  BOOST_TEST(!finished.outcome.has_value());
  BOOST_TEST(finished.seconds_to_clear < in_time);
  BOOST_TEST(run.left().empty());
  BOOST_TEST(run.status().state == "lost");
  BOOST_TEST(run.status().exit_code.value_or(0) == 125);
  BOOST_TEST(run.status().message.find(message) != std::string::npos, "the message is: " << run.status().message);
  BOOST_TEST(read_file(run.directory() + "/nodes/0/lost.json").find(message) != std::string::npos);
  BOOST_TEST(run.events().back().kind == "run_finished");
}

void check_gone(const std::string& pid_file) {
  const pid_t pid = static_cast<pid_t>(std::atoi(read_file(pid_file).c_str()));
  BOOST_REQUIRE(pid > 0);
  const std::optional<ProcessEntry> entry = process_entry(pid);
  BOOST_TEST((!entry || entry->ended));
}

}  // namespace fabric::test
