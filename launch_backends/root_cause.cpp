#include "launch_backends/root_cause.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace fabric {
namespace {

// What the agent needs at the most to notice an end, on a machine that is busy with other ends.
constexpr double notice = 0.02;

}  // namespace

EndClass end_class(const RankEnd& end) {
  if (end.by_us) return EndClass::by_us;
  if (end.out_of_memory) return EndClass::own;
  if (end.error_class == "communication") return EndClass::communication;
  if (end.status.by_signal) return EndClass::own;
  return !end.error_class.empty() || end.status.number == 1 ? EndClass::exception : EndClass::own;
}

std::optional<RootCause> root_cause(const std::vector<RankEnd>& ends) {
  std::vector<const RankEnd*> failed;
  for (const RankEnd& end : ends)
    if (!end.status.good()) failed.push_back(&end);
  if (failed.empty()) return std::nullopt;

  const auto latest = [](const RankEnd* end) { return end->time + end->uncertainty + notice; };
  const auto earliest = [](const RankEnd* end) { return end->time - end->uncertainty - notice; };
  const double first_at_most =
      latest(*std::min_element(failed.begin(), failed.end(), [&](auto* a, auto* b) { return latest(a) < latest(b); }));
  const auto likelier = [](const RankEnd* a, const RankEnd* b) {
    return std::tuple(end_class(*a), a->time, a->rank) < std::tuple(end_class(*b), b->time, b->rank);
  };
  const auto sooner = [](const RankEnd* a, const RankEnd* b) { return std::pair(a->time, a->rank) < std::pair(b->time, b->rank); };

  std::vector<const RankEnd*> maybe_first;
  std::copy_if(failed.begin(), failed.end(), std::back_inserter(maybe_first), [&](auto* end) { return earliest(end) <= first_at_most; });
  const RankEnd* culprit = *std::min_element(maybe_first.begin(), maybe_first.end(), likelier);
  std::string rule;
  if (culprit != *std::min_element(failed.begin(), failed.end(), sooner))
    rule = "several ended at once, and this end is the likeliest cause";

  if (end_class(*culprit) == EndClass::communication) {
    for (const RankEnd* end : failed) {
      if (end_class(*end) >= EndClass::communication || end->time > culprit->time + peer_window) continue;
      if (end_class(*culprit) == EndClass::communication || sooner(end, culprit)) culprit = end;
      rule = "others lost it as their peer before its own end was seen";
    }
  }
  return RootCause{*culprit, std::move(rule)};
}

std::string describe(const RankEnd& end, const std::string& host) {
  std::string text = "rank " + std::to_string(end.rank) + (host.empty() ? "" : " on " + host) + ' ' + end.status.str();
  if (end.out_of_memory) text += ", out of memory";
  if (!end.core.empty()) text += ", " + end.core;
  if (!end.error_message.empty()) text += ": " + end.error_message;
  return text;
}

}  // namespace fabric
