// Which lines of which ranks are shown: the options --rank, --node and --grep, in the same words wherever ranks' lines are. A rank or
// node that is not there is refused, rather than nothing shown of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

#include "cli/command.hpp"
#include "schema/pattern.hpp"
#include "schema/plan.hpp"

namespace fabric {

inline constexpr Option rank_option{"--rank", "RANKS", "Only lines of these ranks: 0,3-5."};
inline constexpr Option node_option{"--node", "NODES", "Only lines of ranks on these nodes."};
inline constexpr Option grep_option{"--grep", "PATTERN", "Only lines in which this regular expression is found."};

class RankFilter {
 public:
  RankFilter() = default;  // all
  // As the options say it, whatever the run. Throws UsageError.
  explicit RankFilter(const Arguments& arguments);
  // For a run of the plan, or of the part of one of its nodes: throws UsageError also for what that has not, with what it has.
  // --local-ranks-filter is torchrun's way: ranks as each node counts its own.
  RankFilter(const Arguments& arguments, const Plan& plan, std::optional<std::int64_t> node_rank);

  // Whether it takes the plan to say what they mean.
  bool names_places() const { return !ranks_.empty() || !local_ranks_.empty() || !nodes_.empty(); }

  bool shows_node(std::int64_t node) const { return nodes_.empty() || nodes_.contains(node); }
  bool shows_rank(std::int64_t rank) const { return ranks_.empty() || ranks_.contains(rank); }
  bool shows_line(std::string_view line) const { return !pattern_ || pattern_->found_in(line); }

 private:
  std::set<std::int64_t> ranks_, local_ranks_, nodes_;
  std::optional<Pattern> pattern_;
};

// Throws UsageError: there is no such rank in the plan, or in the part of that node of it.
[[noreturn]] void refuse_rank(std::int64_t rank, const Plan& plan, std::optional<std::int64_t> node_rank);

// --tail N. Throws UsageError.
std::optional<std::size_t> tail_of(const Arguments& arguments);

}  // namespace fabric
