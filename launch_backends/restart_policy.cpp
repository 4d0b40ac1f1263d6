#include "launch_backends/restart_policy.hpp"

#include <algorithm>
#include <cmath>

#include "schema/pattern.hpp"

namespace fabric {
namespace {

constexpr double longest_wait = 300;  // seconds

}  // namespace

bool Progress::is_further_than(const Progress& best) const {
  return (step && step > best.step) || (!checkpoint.empty() && (checkpoint != best.checkpoint || written > best.written));
}

bool RestartPolicy::fits(const RestartRule& rule, const Outcome& outcome, const ExitStatus& culprit) const {
  if (rule.exit_code && (culprit.by_signal || culprit.number != *rule.exit_code)) return false;
  if (rule.signal && (!culprit.by_signal || signal_number(*rule.signal) != culprit.number)) return false;
  if (!rule.log) return true;
  const Pattern pattern(*rule.log);
  return std::any_of(outcome.last_lines.begin(), outcome.last_lines.end(), [&](const std::string& line) { return pattern.found_in(line); });
}

RestartPolicy::Verdict RestartPolicy::judge(const Outcome& outcome, const std::optional<ExitStatus>& culprit, const Progress& progress) {
  if (rules_.max == 0 || outcome.verdict != "failed" || !culprit) return {};
  for (const RestartRule& rule : rules_.on)
    if (fits(rule, outcome, *culprit)) {
      if (rule.then == AfterFailure::stop) return {false, 0, "a rule of `restart.on` says stop"};
      break;
    }
  const bool further = progress.is_further_than(best_);
  const bool tells = progress.step || !progress.checkpoint.empty() || best_.step || !best_.checkpoint.empty();
  fruitless_ = further ? 0 : fruitless_ + 1;
  if (progress.step) best_.step = std::max(best_.step, progress.step);
  if (!progress.checkpoint.empty()) best_.checkpoint = progress.checkpoint, best_.written = progress.written;
  if (tells && fruitless_ >= rules_.no_progress) return {false, 0, std::to_string(fruitless_) + " failures in a row without progress"};
  if (restarts_ == rules_.max)
    return {false, 0, "it was started again " + std::to_string(restarts_) + (restarts_ == 1 ? " time" : " times") + " already"};
  ++restarts_;
  const double wait = std::min(rules_.backoff.seconds * std::exp2(static_cast<double>(std::max<std::int64_t>(fruitless_ - 1, 0))),
                               std::max(longest_wait, rules_.backoff.seconds));
  return {true, wait, outcome.message};
}

}  // namespace fabric
