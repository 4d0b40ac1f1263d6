#include "cli/import/sbatch_needs.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "launch_backends/slurm_needs.hpp"
#include "schema/slurm_time.hpp"

namespace fabric {
namespace {

std::optional<std::int64_t> count_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > 1000000000) return std::nullopt;
  if (end == text.data() + text.size()) return number;
  if (end + 1 == text.data() + text.size() && (*end == 'k' || *end == 'K')) return number * 1024;
  return std::nullopt;
}

std::vector<std::string> cut(const std::string& text, char at) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::int64_t SbatchNeeds::tasks_on_a_node() const {
  const std::int64_t count = std::max<std::int64_t>(1, node_count());
  std::int64_t each = tasks_per_node.value_or(1);
  // Beside a number of all tasks, --ntasks-per-node is the most that a node may have.
  if (tasks) each = std::min(tasks_per_node.value_or(*tasks), (*tasks + count - 1) / count);
  return std::max<std::int64_t>(1, each);
}

SbatchNeeds sbatch_needs(const std::map<std::string, std::string>& options) {
  SbatchNeeds needs;
  const auto text = [&](const char* name) {
    const auto found = options.find(name);
    return found == options.end() ? std::string() : found->second;
  };
  const auto count = [&](const char* name) { return count_in(text(name)); };
  // 2, or 2-4, 2-16:2 and 2,4,8, of which SLURM takes what it has.
  const std::string nodes = text("nodes");
  const std::size_t first = std::min(nodes.find_first_of("-,"), nodes.size());
  needs.nodes = count_in(nodes.substr(0, first));
  needs.nodes_may_vary = needs.nodes && first < nodes.size() && count_in(nodes.substr(first + 1)) != needs.nodes;
  needs.tasks = count("ntasks");
  needs.tasks_per_node = count("ntasks-per-node");
  if (!needs.tasks_per_node) needs.tasks_per_node = count("tasks-per-node");
  needs.cpus_per_task = count("cpus-per-task");
  if (needs.nodes == 0) needs.nodes.reset();
  if ((needs.nodes_may_vary || !needs.nodes) && needs.tasks && needs.tasks_per_node.value_or(0) > 0) {
    const std::int64_t least = (*needs.tasks + *needs.tasks_per_node - 1) / *needs.tasks_per_node;
    needs.nodes_of_tasks = least > needs.node_count();
    if (needs.nodes_of_tasks) needs.nodes = least;
  }

  // [type:]number
  const auto gpus = [&](const std::string& written) -> std::optional<std::int64_t> {
    if (written.empty()) return std::nullopt;
    const std::vector<std::string> parts = cut(written, ':');
    if (parts.size() > 1) needs.gpu_type = parts.front();
    return count_in(parts.back());
  };
  for (const std::string& resource : cut(text("gres"), ',')) {
    if (!asks_for_gpus(resource)) continue;
    const std::vector<std::string> parts = cut(resource, ':');
    if (parts.size() == 1) needs.gpus_per_node = 1;
    else if (const auto number = count_in(parts.back())) needs.gpus_per_node = number;
    else needs.gpus_per_node = 1;
    if (parts.size() > 2 || (parts.size() == 2 && !count_in(parts[1]))) needs.gpu_type = parts[1];
  }
  if (const auto each = gpus(text("gpus-per-node"))) needs.gpus_per_node = each;
  if (const auto all = gpus(text("gpus"))) needs.gpus_per_node = std::max<std::int64_t>(1, *all / needs.node_count());
  if (const auto each = count("ntasks-per-gpu"); each && needs.gpus_per_node && !needs.tasks_per_node)
    needs.tasks_per_node = *each * *needs.gpus_per_node;
  if (const auto each = gpus(text("gpus-per-task"))) needs.gpus_per_node = *each * needs.tasks_on_a_node();
  if (needs.gpus_per_node == 0) needs.gpus_per_node.reset();
  if (const auto each = count("cpus-per-gpu"); each && needs.gpus_per_node)
    needs.cpus_per_task = std::max<std::int64_t>(1, *each * *needs.gpus_per_node / needs.tasks_on_a_node());

  if (const auto memory = sbatch_mebibytes(text("mem"))) needs.memory = memory;
  else if (const auto each_cpu = sbatch_mebibytes(text("mem-per-cpu")))
    needs.memory = *each_cpu * needs.cpus_per_task.value_or(1) * needs.tasks_on_a_node();
  else if (const auto each_gpu = sbatch_mebibytes(text("mem-per-gpu"))) needs.memory = *each_gpu * needs.gpus_per_node.value_or(1);
  return needs;
}

std::vector<std::string> resources_that_are_no_gpus(const std::string& gres) {
  std::vector<std::string> all = cut(gres, ',');
  std::erase_if(all, [](const std::string& resource) { return resource.empty() || resource == "none" || asks_for_gpus(resource); });
  return all;
}

std::optional<double> sbatch_seconds(const std::string& text) {
  const std::optional<std::int64_t> seconds = slurm_seconds(text);
  return seconds && *seconds > 0 ? std::optional(static_cast<double>(*seconds)) : std::nullopt;
}

std::optional<std::int64_t> sbatch_mebibytes(const std::string& text) {
  std::string number = text;
  if (number.size() > 1 && (number.back() == 'B' || number.back() == 'b')) number.pop_back();
  char unit = 'M';
  if (!number.empty() && (number.back() < '0' || number.back() > '9')) {
    unit = static_cast<char>(number.back() & ~0x20);
    number.pop_back();
  }
  const auto count = number.empty() || number.find_first_not_of("0123456789") != std::string::npos ? std::nullopt : count_in(number);
  if (!count) return std::nullopt;
  switch (unit) {
    case 'K': return (*count + 1023) / 1024;
    case 'M': return *count;
    case 'G': return *count << 10;
    case 'T': return *count << 20;
    default: return std::nullopt;
  }
}

}  // namespace fabric
