#include "cli/rank_filter.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include "launch_backends/launch_backend.hpp"

namespace fabric {
namespace {

// "rank", 2, 4 -> the ranks are 2 to 5
std::string there_are(const std::string& what, std::int64_t first, std::int64_t count) {
  return count == 1 ? "there is " + what + ' ' + std::to_string(first) + " alone"
                    : "the " + what + "s are " + std::to_string(first) + " to " + std::to_string(first + count - 1);
}

[[noreturn]] void refuse_place(const std::string& what, std::int64_t asked, const std::string& way_out) {
  throw UsageError("there is no " + what + ' ' + std::to_string(asked) + " here", way_out);
}

// 0,3-5 -> {0, 3, 4, 5}; empty: all.
std::set<std::int64_t> numbers(const Arguments& arguments, const char* option) {
  std::set<std::int64_t> all;
  const std::string text = arguments.value(option).value_or("");
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    std::int64_t first = 0, last = 0;
    auto [stop, error] = std::from_chars(at, end, first);
    last = first;
    if (error == std::errc() && stop < end && *stop == '-') {
      const auto upper = std::from_chars(stop + 1, end, last);
      stop = upper.ptr;
      error = upper.ec;
    }
    if (error != std::errc() || *at == '-' || (stop < end && *stop != ',') || last < first || last - first > 1'000'000)
      throw UsageError("`--" + std::string(option) + " " + text + "` is no list of numbers",
                       "write for example --" + std::string(option) + " 0,3-5");
    for (std::int64_t n = first; n <= last; ++n) all.insert(n);
    at = stop < end ? stop + 1 : stop;
  }
  return all;
}

}  // namespace

std::optional<std::size_t> tail_of(const Arguments& arguments) {
  const std::optional<std::string> text = arguments.value("tail");
  if (!text) return std::nullopt;
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), count);
  if (error != std::errc() || end != text->data() + text->size())
    throw UsageError("`--tail " + *text + "` is no number", "write for example --tail 20");
  return count;
}

void refuse_rank(std::int64_t rank, const Plan& plan, std::optional<std::int64_t> node_rank) {
  const auto [first, count] = ranks_started(plan, node_rank);
  refuse_place("rank", rank,
               (node_rank ? "on node " + std::to_string(*node_rank) + ", which this run is, " : "") + there_are("rank", first, count));
}

RankFilter::RankFilter(const Arguments& arguments)
    : ranks_(numbers(arguments, "rank")), local_ranks_(numbers(arguments, "local-ranks-filter")), nodes_(numbers(arguments, "node")) {
  const std::optional<std::string> text = arguments.value("grep");
  if (!text) return;
  pattern_.emplace(*text);
  if (const std::string why = pattern_->error(); !why.empty())
    throw UsageError("`--grep " + *text + "` is no regular expression: " + why, "the language is RE2's");
}

RankFilter::RankFilter(const Arguments& arguments, const Plan& plan, std::optional<std::int64_t> node_rank) : RankFilter(arguments) {
  const auto [first, count] = ranks_started(plan, node_rank);
  for (const std::int64_t rank : ranks_)
    if (rank < first || rank >= first + count) refuse_rank(rank, plan, node_rank);
  const std::int64_t first_node = node_rank.value_or(0), nodes = node_rank ? 1 : plan.job.num_nodes;
  for (const std::int64_t node : nodes_)
    if (node < first_node || node >= first_node + nodes)
      refuse_place("node", node, node_rank ? "this run is node " + std::to_string(first_node) + " alone" : there_are("node", 0, nodes));
  std::int64_t most = 0;  // ranks of a node
  bool shows_any = false;
  for (std::int64_t rank = first; rank < first + count; ++rank) {
    const std::optional<RankSeat> seat = seat_of(plan, rank);
    most = std::max(most, seat->local_rank + 1);
    if (local_ranks_.contains(seat->local_rank)) ranks_.insert(rank);
    shows_any |= shows_rank(rank) && shows_node(seat->node);
  }
  if (!local_ranks_.empty() && *local_ranks_.rbegin() >= most)
    refuse_place("local rank", *local_ranks_.rbegin(), there_are("local rank", 0, most));
  if (!shows_any) throw UsageError("none of these ranks is on one of these nodes", "leave out `--rank` or `--node`");
}

}  // namespace fabric
