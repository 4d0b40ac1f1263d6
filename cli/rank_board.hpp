// At a glance: how many ranks live, at which step they are, and who is silent and for how long. Only what is known is said.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace fabric {

class RankBoard {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds silence{5};  // from which on it is told of

  explicit RankBoard(std::size_t ranks = 0) : expected_(ranks) {}  // how many there will be; 0: not known

  void started(std::int64_t rank, Clock::time_point now) { ranks_[rank] = {true, std::nullopt, now}; }
  void heard(std::int64_t rank, Clock::time_point now);  // a byte or an event of it
  void stepped(std::int64_t rank, std::int64_t step);
  void ended(std::int64_t rank);
  void clear() { ranks_.clear(); }

  struct Telling {
    bool steps = true;         // at which step they are
    bool one_by_one = true;    // who is silent while others are not
    const char* between = "";  // the parts
  };
  // 3 of 4 ranks live (ended: 2) · step 118 to 120 · rank 1 silent for 40 s; empty while no rank lives.
  std::string line(const Telling& telling, Clock::time_point now) const;

 private:
  struct Rank {
    bool lives = false;
    std::optional<std::int64_t> step;
    Clock::time_point heard{};
  };
  std::string liveness(std::size_t live) const;
  std::string silences(std::size_t live, bool one_by_one, Clock::time_point now) const;

  std::size_t expected_;
  std::map<std::int64_t, Rank> ranks_;
};

}  // namespace fabric
