#include "tests/launch_backends/storm.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iomanip>
#include <random>
#include <sstream>
#include <vector>

#include "launch_backends/process.hpp"

namespace fabric::test {
namespace {

// Rounds first, first + side_by_side, ... in a process of their own. Writes one line each: number, seconds, complaints.
FileDescriptor start_rounds(const Storm& storm, unsigned seed, int first, int count) {
  DescriptorPair pipe = make_pipe();
  if (fork_process() != 0) return std::move(pipe.first);
  {
    StormRound round;
    for (int number = first; number < count; number += storm.side_by_side) {
      std::ostringstream complaints;
      double seconds = 0;
      try {
        if (!round) round = storm.begin();
        seconds = round(seed + static_cast<unsigned>(number), complaints);
      } catch (const std::exception& error) {
        complaints << error.what();
        round = nullptr;  // where it was may not be as it should
      }
      std::string line = std::to_string(number) + ' ' + std::to_string(seconds) + ' ' + complaints.str();
      std::replace(line.begin(), line.end(), '\n', ' ');
      line += '\n';
      [[maybe_unused]] const ssize_t n = write(pipe.second.get(), line.data(), line.size());
    }
  }
  _exit(0);
}

int number_in(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : otherwise;
}

}  // namespace

const std::vector<std::string>& misbehaviour() {
  static const std::vector<std::string> all = {
      "daemon,deaf,ready,steps:20,sleep",
      "naked-daemon,ready,lines:50,sleep",
      "breed,ready,sleep",
      "breed-and-leave,ready,sleep",
  };
  return all;
}

void rage(const Storm& storm) {
  const int count = std::max(1, number_in("FABRIC_STORM", 30) / storm.share);
  const unsigned seed = static_cast<unsigned>(number_in("FABRIC_STORM_SEED", static_cast<int>(std::random_device{}() % 1'000'000'000)));
  BOOST_TEST_MESSAGE("FABRIC_STORM_SEED=" << seed << ", " << count << " rounds");
  if (count == 1) BOOST_TEST_MESSAGE(storm.describe(seed));
  std::vector<FileDescriptor> sides;
  for (int side = 0; side < std::min(storm.side_by_side, count); ++side) sides.push_back(start_rounds(storm, seed, side, count));
  std::string text;
  for (const FileDescriptor& side : sides) {
    char buffer[4096];
    for (ssize_t n; (n = read(side.get(), buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  }
  for (std::size_t side = 0; side < sides.size(); ++side) wait(nullptr);

  std::istringstream lines(text);
  std::vector<double> times;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    unsigned number = 0;
    double seconds = 0;
    std::string complaints;
    words >> number >> seconds >> std::ws;
    std::getline(words, complaints);
    times.push_back(seconds);
    BOOST_TEST(complaints.empty(),
               "FABRIC_STORM=1 FABRIC_STORM_SEED=" << seed + number << ": " << storm.describe(seed + number) << ": " << complaints);
  }
  BOOST_TEST(times.size() == static_cast<std::size_t>(count));
  if (times.empty()) return;
  std::sort(times.begin(), times.end());
  BOOST_TEST_MESSAGE(std::fixed << std::setprecision(2) << "nothing was left after " << times[times.size() / 2] << " s (median), "
                                << times.back() << " s (longest)");
}

}  // namespace fabric::test
