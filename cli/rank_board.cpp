#include "cli/rank_board.hpp"

#include <algorithm>
#include <vector>

#include <fmt/core.h>

#include "cli/spoken.hpp"
#include "schema/number_list.hpp"

namespace fabric {
namespace {

constexpr std::size_t most_named = 24;  // characters of the numbers of ranks that have ended

std::string whole_seconds(std::chrono::steady_clock::duration time) {
  const double seconds = std::chrono::duration<double>(time).count();
  return seconds < 59.5 ? fmt::format("{:.0f} s", seconds) : spoken_duration(seconds);
}

}  // namespace

void RankBoard::heard(std::int64_t rank, Clock::time_point now) {
  if (const auto found = ranks_.find(rank); found != ranks_.end()) found->second.heard = std::max(found->second.heard, now);
}

void RankBoard::stepped(std::int64_t rank, std::int64_t step) {
  if (const auto found = ranks_.find(rank); found != ranks_.end()) found->second.step = step;
}

void RankBoard::ended(std::int64_t rank) {
  if (const auto found = ranks_.find(rank); found != ranks_.end()) found->second.lives = false;
}

std::string RankBoard::line(const Telling& telling, Clock::time_point now) const {
  const auto live =
      static_cast<std::size_t>(std::count_if(ranks_.begin(), ranks_.end(), [](const auto& rank) { return rank.second.lives; }));
  if (live == 0) return "";
  std::string text = liveness(live);
  std::optional<std::int64_t> least, most;
  for (const auto& [number, rank] : ranks_) {
    if (!rank.lives || !rank.step) continue;
    least = std::min(least.value_or(*rank.step), *rank.step);
    most = std::max(most.value_or(*rank.step), *rank.step);
  }
  if (telling.steps && most) {
    text += telling.between + ("step " + grouped(static_cast<double>(*least)));
    if (*least != *most) text += " to " + grouped(static_cast<double>(*most));
  }
  if (const std::string silent = silences(live, telling.one_by_one, now); !silent.empty()) text += telling.between + silent;
  return text;
}

std::string RankBoard::liveness(std::size_t live) const {
  const std::size_t all = std::max(expected_, ranks_.size());
  if (all == 1) return "1 rank lives";
  std::string text = fmt::format("{} of {} ranks live", live, all);
  std::vector<std::int64_t> ended;
  for (const auto& [number, rank] : ranks_)
    if (!rank.lives) ended.push_back(number);
  if (const std::string names = number_list_text(ended); !names.empty() && names.size() <= most_named) text += " (ended: " + names + ')';
  return text;
}

std::string RankBoard::silences(std::size_t live, bool one_by_one, Clock::time_point now) const {
  std::vector<std::pair<Clock::time_point, std::int64_t>> silent;  // since when, who
  for (const auto& [number, rank] : ranks_)
    if (rank.lives && now - rank.heard >= silence) silent.emplace_back(rank.heard, number);
  if (silent.empty()) return "";
  const auto [shortest, longest] = std::minmax_element(silent.begin(), silent.end(), [](auto& a, auto& b) { return a.first > b.first; });
  if (silent.size() == live) return (live > 1 ? "all silent for " : "silent for ") + whole_seconds(now - shortest->first);
  if (!one_by_one) return "";
  const std::string who = fmt::format("rank {} ", longest->second), time = whole_seconds(now - longest->first);
  if (silent.size() == 1) return who + "silent for " + time;
  return fmt::format("{} silent, {}for {}", silent.size(), who, time);
}

}  // namespace fabric
