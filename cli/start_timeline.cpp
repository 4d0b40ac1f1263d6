#include "cli/start_timeline.hpp"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "cli/spoken.hpp"

namespace fabric {
namespace {

constexpr std::array<const char*, 6> stage_names = {"planned", "agents ready", "ranks started", "first output", "ranks met", "first step"};

// Where an event belongs; nullptr for one that is no stage. Our own worker says `start` once it has joined the others, a program when it
// likes.
const char* stage_of(const std::string& kind, bool trains) {
  if (kind == "node_ready") return stage_names[1];
  if (kind == "rank_started") return stage_names[2];
  if (kind == "first_output") return stage_names[3];
  if (kind == "met" || (kind == "start" && trains)) return stage_names[4];
  if (kind == "first_step" || kind == "step") return stage_names[5];
  return nullptr;
}

// 12 ms, 4.2 s
std::string fine_duration(double seconds) { return seconds < 1 ? fmt::format("{:.0f} ms", seconds * 1000) : spoken_duration(seconds); }

}  // namespace

StartTimeline::StartTimeline(const RunDirectory& run) {
  const std::optional<Plan> plan = run.plan();
  trains_ = plan && plan->job.train;
}

void StartTimeline::take(const std::string& kind, const Value& event) {
  const Value* time = event.find("time");
  if (!time || !time->is_number()) return;
  if (kind == "run_started") {
    reached_.clear();
    begin_ = time->as_real();
    const Value* detail = event.find("detail");
    const Value* asked = detail ? detail->find("asked") : nullptr;
    if (!asked || !asked->is_number()) return;
    reached_[stage_names[0]][-1] = begin_;
    begin_ = asked->as_real();
  } else if (const char* stage = stage_of(kind, trains_)) {
    const Value* rank = event.find("rank");
    reached_[stage].emplace(rank && rank->is_integer() ? rank->as_integer() : -1, time->as_real());
  }
}

std::vector<StartStage> StartTimeline::stages() const {
  std::vector<StartStage> stages;
  for (const char* name : stage_names) {
    const auto found = reached_.find(name);
    if (found == reached_.end()) continue;
    const auto by_time = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto [first, last] = std::minmax_element(found->second.begin(), found->second.end(), by_time);
    StartStage stage{name, std::max(0.0, first->second - begin_), std::max(0.0, last->second - begin_), std::nullopt};
    if (found->second.size() > 1 && last->first >= 0) stage.slowest = last->first;
    stages.push_back(std::move(stage));
  }
  return stages;
}

std::string start_table(const std::vector<StartStage>& stages, const Terminal& terminal) {
  if (stages.empty()) return "";
  std::vector<std::vector<std::string>> rows = {
      {terminal.paint(Style::faint, "start"), terminal.paint(Style::faint, "after"), terminal.paint(Style::faint, "last rank")}};
  for (const StartStage& stage : stages)
    rows.push_back({stage.name, fine_duration(stage.first),
                    stage.slowest ? std::to_string(*stage.slowest) + ", after " + fine_duration(stage.last) : ""});
  return table(rows, 2, terminal.width);
}

Value start_value(const std::vector<StartStage>& stages) {
  Value list = Value::array();
  for (const StartStage& stage : stages) {
    Value row = Value::object();
    row.set("stage", stage.name);
    row.set("first_seconds", stage.first);
    row.set("last_seconds", stage.last);
    row.set("slowest_rank", stage.slowest ? Value(*stage.slowest) : Value());
    list.as_array().push_back(std::move(row));
  }
  return list;
}

}  // namespace fabric
