// What a run under test must have come to: its exit code, its verdict, what it says, all in time, and nothing left of it.
#pragma once

#include <ostream>
#include <string>

#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {

constexpr double in_time = 3;  // seconds

struct Expected {
  int exit_code;
  std::string verdict;
  std::string message;  // a part of it
};
std::ostream& operator<<(std::ostream& out, const Expected& expected);

void check(RunUnderTest& run, const FinishedRun& finished, const Expected& expected);

// After the controller was killed.
void check_lost(RunUnderTest& run, const FinishedRun& finished, const std::string& message);

// That the process whose number is in this file has ended.
void check_gone(const std::string& pid_file);

}  // namespace fabric::test
