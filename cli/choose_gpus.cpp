#include "cli/choose_gpus.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "cli/show_hardware.hpp"

namespace fabric {
namespace {

std::vector<Note> notes_on(const std::vector<Occupancy>& occupancy) {
  std::vector<Note> notes;
  for (std::string& holder : holders_in_words(occupancy)) notes.push_back({std::move(holder), {}});
  return notes;
}

}  // namespace

bool uses_gpus(const Plan& plan) {
  return std::any_of(plan.groups.begin(), plan.groups.end(), [](const NodeGroup& g) { return g.accelerator == Accelerator::cuda; });
}

std::vector<std::string> holders_in_words(const std::vector<Occupancy>& occupancy) {
  std::vector<std::string> lines;
  for (const Occupancy& o : occupancy) {
    for (const GpuHolder& h : o.holders) {
      std::string line = fmt::format("GPU {}: ", o.gpu);
      if (h.pid == 0) line += "a process that cannot be seen from here";
      else
        line += fmt::format("{}{}, process {}", h.program.empty() ? "a program" : h.program, h.user.empty() ? "" : " of " + h.user, h.pid);
      if (h.memory_bytes > 0) line += ", " + spoken_bytes(h.memory_bytes);
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

std::vector<std::int64_t> choose_gpus(const Plan& plan, const std::vector<Occupancy>& occupancy, Diagnostics& diagnostics) {
  for (const NodeGroup& group : plan.groups) {
    if (group.accelerator != Accelerator::cuda || occupancy.empty()) continue;
    if (!group.device_ids.empty()) {
      std::vector<Occupancy> named;
      for (const Occupancy& o : occupancy)
        if (!o.holders.empty() && std::find(group.device_ids.begin(), group.device_ids.end(), o.gpu) != group.device_ids.end())
          named.push_back(o);
      if (named.empty()) continue;
      Diagnostic d;
      d.severity = Severity::warning;
      d.code = "FAB5011";
      d.message = "a GPU that the job names is in use";
      d.at = Path("devices");
      d.notes = notes_on(named);
      d.help = "write a count, such as `devices: " + std::to_string(group.device_ids.size()) + "`, to get idle ones";
      diagnostics.add(std::move(d));
      continue;
    }
    std::vector<std::int64_t> idle;
    for (const Occupancy& o : occupancy)
      if (o.holders.empty()) idle.push_back(o.gpu);
    std::sort(idle.begin(), idle.end());
    const auto needed = static_cast<std::size_t>(group.ranks_per_node);
    if (idle.size() >= needed) {
      idle.resize(needed);
      return idle;
    }
    Diagnostic d;
    d.code = "FAB5010";
    d.message =
        fmt::format("the job takes {} GPUs and {} of {} {} idle", needed, idle.size(), occupancy.size(), idle.size() == 1 ? "is" : "are");
    d.at = Path("devices");
    d.notes = notes_on(occupancy);
    d.help = idle.empty() ? "wait for their holders, or end them"
                          : fmt::format("wait for their holders, end them, or take what is idle: `devices: {}`", idle.size());
    diagnostics.add(std::move(d));
  }
  return {};
}

}  // namespace fabric
