#include "launch_backends/probes/slurm.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "launch_backends/probes/untrusted_text.hpp"
#include "schema/slurm_time.hpp"

namespace fabric {
namespace {

constexpr std::int64_t most_cpus = 65536, most_gpus = 1024;  // of a node; what is beyond is no count

std::vector<std::string_view> parts_of(std::string_view text, char between) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(between), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Key=value Key=value ... of one line. A value may have blanks, and what an administrator wrote (Reason=, Comment=) may look like further
// fields. That stands behind all that is read here, so the first of a name counts.
class SlurmFields {
 public:
  explicit SlurmFields(std::string_view line) {
    std::string_view key;
    for (const std::string_view word : parts_of(line, ' ')) {
      const std::size_t equals = word.find('=');
      if (equals == std::string_view::npos || equals == 0) {
        if (!key.empty()) values_[key] += ' ' + std::string(word);
        continue;
      }
      key = word.substr(0, equals);
      if (!values_.emplace(key, word.substr(equals + 1)).second) key = {};
    }
  }

  // Empty where there is none; (null) and N/A are none.
  std::string text(std::string_view key) const {
    const auto at = values_.find(key);
    if (at == values_.end() || at->second == "(null)" || at->second == "N/A") return "";
    return valid_utf8(at->second);
  }
  std::optional<std::int64_t> number(std::string_view key) const {
    const std::string value = text(key);
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
    if (error != std::errc() || end != value.data() + value.size() || n < 0 || n > std::int64_t{1} << 40) return std::nullopt;
    return n;
  }
  // Names between commas; ALL is every name, and so no list.
  std::vector<std::string> names(std::string_view key) const {
    const std::string value = text(key);
    if (value == "ALL") return {};
    const std::vector<std::string_view> parts = parts_of(value, ',');
    return {parts.begin(), parts.end()};
  }

 private:
  std::map<std::string_view, std::string> values_;
};

// gpu:a100:4(S:0-1),gpu:2,nvme:2: a list in which what stands in brackets says to which sockets they belong.
std::vector<SlurmGpus> gpus_of(std::string_view gres) {
  std::string flat;
  int depth = 0;
  for (const char c : gres) {
    if (c == '(') ++depth;
    if (depth == 0) flat += c;
    if (c == ')') --depth;
  }
  std::vector<SlurmGpus> all;
  for (const std::string_view item : parts_of(flat, ',')) {
    const std::vector<std::string_view> words = parts_of(item, ':');
    if (words.empty() || words.front() != "gpu") continue;
    SlurmGpus gpus{"", 1};
    for (std::size_t i = 1; i < words.size(); ++i) {
      std::int64_t n = 0;
      const auto [end, error] = std::from_chars(words[i].data(), words[i].data() + words[i].size(), n);
      const bool counts = i + 1 == words.size() && error == std::errc() && end == words[i].data() + words[i].size();
      if (counts) gpus.count = n;
      else if (words[i] != "no_consume") gpus.type = words[i];
    }
    if (gpus.count < 1 || gpus.count > most_gpus) continue;
    const auto same = std::ranges::find(all, gpus.type, &SlurmGpus::type);
    if (same == all.end()) all.push_back(std::move(gpus));
    else same->count += gpus.count;
  }
  return all;
}

// IDLE+DRAIN, DOWN*+CLOUD, MIXED+PLANNED: a state and what is to be known beside it. A node that is reserved, planned for another job or
// powered down takes jobs, in its time.
bool state_takes_jobs(std::string_view state) {
  if (state.find('*') != std::string_view::npos) return false;  // it does not respond
  const std::vector<std::string_view> words = parts_of(state, '+');
  if (words.empty()) return false;
  std::string_view first = words.front();
  while (!first.empty() && std::string_view("~#!%$@^-").find(first.back()) != std::string_view::npos) first.remove_suffix(1);
  constexpr std::string_view good[] = {"IDLE", "MIXED", "ALLOCATED", "COMPLETING", "PLANNED", "RESERVED", "MAINT", "REBOOT"};
  constexpr std::string_view bad[] = {"DRAIN",          "DRAINED",    "DRAINING",    "FAIL",  "FAILING",
                                      "NOT_RESPONDING", "NO_RESPOND", "INVALID_REG", "INVAL", "DOWN"};
  if (std::ranges::find(good, first) == std::end(good)) return false;
  return std::none_of(words.begin(), words.end(), [&](std::string_view word) { return std::ranges::find(bad, word) != std::end(bad); });
}

}  // namespace

const SlurmPartition* SlurmCluster::partition(std::string_view wanted) const {
  const auto at = std::ranges::find(partitions, wanted, &SlurmPartition::name);
  return at == partitions.end() ? nullptr : &*at;
}

const SlurmPartition* SlurmCluster::default_partition() const {
  const auto at = std::ranges::find(partitions, true, &SlurmPartition::is_default);
  return at == partitions.end() ? nullptr : &*at;
}

std::vector<SlurmPartition> read_slurm_partitions(std::string_view text) {
  std::vector<SlurmPartition> partitions;
  for (const std::string_view line : parts_of(text, '\n')) {
    if (!line.starts_with("PartitionName=")) continue;
    const SlurmFields fields(line);
    SlurmPartition p;
    p.name = fields.text("PartitionName");
    if (p.name.empty()) continue;
    p.is_default = fields.text("Default") == "YES";
    p.state = fields.text("State");
    p.time_limit = slurm_seconds(fields.text("MaxTime"));
    p.default_time = slurm_seconds(fields.text("DefaultTime"));
    p.most_nodes = fields.number("MaxNodes");
    p.nodes = fields.number("TotalNodes").value_or(0);
    p.accounts = fields.names("AllowAccounts");
    p.accounts_shut_out = fields.names("DenyAccounts");
    p.qos = fields.names("AllowQos");
    p.qos_shut_out = fields.names("DenyQos");
    p.groups = fields.names("AllowGroups");
    partitions.push_back(std::move(p));
  }
  return partitions;
}

std::vector<SlurmNode> read_slurm_nodes(std::string_view text) {
  std::vector<SlurmNode> nodes;
  for (const std::string_view line : parts_of(text, '\n')) {
    if (!line.starts_with("NodeName=")) continue;
    const SlurmFields fields(line);
    SlurmNode n;
    n.name = fields.text("NodeName");
    n.cpus_in_all = fields.number("CPUTot").value_or(0);
    // Without the CPUs that are kept for the system.
    n.cpus = fields.number("CPUEfctv").value_or(n.cpus_in_all);
    if (n.name.empty() || n.cpus < 1 || n.cpus_in_all < n.cpus || n.cpus_in_all > most_cpus) continue;
    n.state = fields.text("State");
    n.takes_jobs = state_takes_jobs(n.state);
    n.sockets = fields.number("Sockets").value_or(0);
    n.cores_per_socket = fields.number("CoresPerSocket").value_or(0);
    n.threads_per_core = fields.number("ThreadsPerCore").value_or(0);
    const std::int64_t megabytes = fields.number("RealMemory").value_or(0) - fields.number("MemSpecLimit").value_or(0);
    n.memory_bytes = std::max<std::int64_t>(megabytes, 0) << 20;
    n.gpus = gpus_of(fields.text("Gres"));
    n.features = fields.names("AvailableFeatures");
    n.partitions = fields.names("Partitions");
    nodes.push_back(std::move(n));
  }
  return nodes;
}

void read_slurm_configuration(std::string_view text, SlurmCluster& cluster) {
  for (const std::string_view line : parts_of(text, '\n')) {
    const std::size_t equals = line.find(" = ");
    if (equals == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, std::min(line.find(' '), equals));
    if (key == "ClusterName") cluster.name = valid_utf8(line.substr(equals + 3));
    if (key == "SLURM_VERSION") cluster.version = valid_utf8(line.substr(equals + 3));
  }
}

}  // namespace fabric
