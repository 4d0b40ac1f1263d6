#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "launch_backends/probes/gpu_model.hpp"
#include "launch_backends/probes/slurm.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

std::string names_in_words(const std::vector<std::string>& names) {
  constexpr std::size_t shown = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(shown, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > shown) text += " and " + std::to_string(names.size() - shown) + " more";
  return text;
}

std::string several(std::int64_t n, const std::string& noun) { return std::to_string(n) + ' ' + noun + (n == 1 ? "" : "s"); }

std::vector<std::string> split_at(const std::string& text, const std::string& signs) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(signs, at), text.size());
    std::string part = text.substr(at, end - at);
    std::erase(part, ' ');
    if (!part.empty()) parts.push_back(std::move(part));
    at = end + 1;
  }
  return parts;
}

// A constraint of features of which all (a&b) or any (a|b) are asked for. SLURM knows more, with brackets and counts.
struct Constraint {
  std::vector<std::string> features;
  bool any = false;

  static std::optional<Constraint> read(const std::string& text) {
    const bool any = text.find('|') != std::string::npos, all = text.find_first_of("&,") != std::string::npos;
    if ((any && all) || text.find_first_of("[](){}*:!") != std::string::npos) return std::nullopt;
    return Constraint{split_at(text, "|&,"), any};
  }
  bool fits(const SlurmNode& node) const {
    const auto has = [&node](const std::string& feature) { return std::ranges::find(node.features, feature) != node.features.end(); };
    return any ? std::ranges::any_of(features, has) : std::ranges::all_of(features, has);
  }
};

// Drained before down: a drained node that does not answer was taken out by somebody.
std::string why_out(const std::string& state) {
  for (const auto& [part, word] :
       {std::pair{"DRAIN", "drained"}, {"FAIL", "failing"}, {"RESPOND", "not responding"}, {"*", "not responding"}, {"DOWN", "down"}})
    if (state.find(part) != std::string::npos) return word;
  std::string word = state.substr(0, state.find('+'));
  for (char& c : word)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return word.empty() ? "in no state" : word;
}

std::string states_in_words(const std::vector<const SlurmNode*>& nodes) {
  std::map<std::string, std::int64_t> counts;
  for (const SlurmNode* node : nodes)
    if (!node->takes_jobs) ++counts[why_out(node->state)];
  std::string text;
  for (const auto& [state, n] : counts) text += (text.empty() ? "" : ", ") + std::to_string(n) + ' ' + state;
  return text;
}

// 4 x a100
std::string gpus_in_words(const Host& host) {
  std::string text;
  for (std::size_t i = 0; i < host.gpus.size();) {
    const std::string& name = host.gpus[i].name;
    const std::size_t before = i;
    while (i < host.gpus.size() && host.gpus[i].name == name) ++i;
    text += (text.empty() ? "" : " and ") + std::to_string(i - before) + " x " + name;
  }
  return text.empty() ? "no GPU" : text;
}

class ClusterHardware {
 public:
  ClusterHardware(const SlurmCluster& cluster, const SlurmQuery& query, Diagnostics& diagnostics)
      : cluster_(cluster), query_(query), diagnostics_(diagnostics) {}

  Hardware build() {
    Hardware hardware;
    hardware.source = source();
    if (!choose_partitions()) return hardware;
    hardware.source += ", partition " + partition_words_;
    if (!query_.constraint.empty()) hardware.source += ", constraint " + query_.constraint;
    if (!query_.gpu_type.empty()) hardware.source += ", GPUs " + query_.gpu_type;
    if (!choose_nodes()) return hardware;
    hardware.groups = groups();
    warn(hardware);
    return hardware;
  }

 private:
  void tell(Severity severity, const char* code, std::string message, const char* field, std::string label, std::string help) {
    Diagnostic d;
    d.severity = severity;
    d.code = code;
    d.message = std::move(message);
    d.at = Place(Path(field));
    d.label = std::move(label);
    d.help = std::move(help);
    diagnostics_.add(std::move(d));
  }

  std::string source() const {
    return "scheduler: SLURM" + (cluster_.version.empty() ? "" : ' ' + cluster_.version) +
           (cluster_.name.empty() ? "" : ", cluster " + cluster_.name);
  }

  bool choose_partitions() {
    std::vector<std::string> known;
    for (const SlurmPartition& p : cluster_.partitions) known.push_back(p.name);
    const std::string there = known.empty() ? "the cluster shows no partition" : "the partitions are: " + names_in_words(known);
    std::vector<std::string> wanted = split_at(query_.partition, ",");
    if (wanted.empty()) {
      const SlurmPartition* preset = cluster_.default_partition();
      if (!preset) {
        tell(Severity::error, "FAB4044", "the cluster has no default partition, and the job names none", "slurm", "no partition",
             "write `slurm: {partition: NAME}`; " + there);
        return false;
      }
      wanted.push_back(preset->name);
    }
    for (const std::string& name : wanted) {
      const SlurmPartition* partition = cluster_.partition(name);
      if (!partition) {
        const std::optional<std::string> meant = closest(name, known);
        tell(Severity::error, "FAB4043", "the cluster has no partition `" + name + "`", "slurm.partition", "not there",
             (meant ? "did you mean `" + *meant + "`? " : "") + there);
        return false;
      }
      partition_words_ += (partition_words_.empty() ? "" : ",") + name;
      partitions_.push_back(partition);
    }
    return true;
  }

  bool choose_nodes() {
    const auto in_partition = [&](const SlurmNode& node) {
      return std::ranges::any_of(
          partitions_, [&](const SlurmPartition* p) { return std::ranges::find(node.partitions, p->name) != node.partitions.end(); });
    };
    std::set<std::string> features, types;
    for (const SlurmNode& node : cluster_.nodes) {
      if (!in_partition(node)) continue;
      nodes_.push_back(&node);
      features.insert(node.features.begin(), node.features.end());
      for (const SlurmGpus& gpus : node.gpus)
        if (!gpus.type.empty()) types.insert(gpus.type);
    }
    const std::string where = "partition " + partition_words_;
    if (nodes_.empty()) {
      tell(Severity::error, "FAB4045", where + " has no nodes", "slurm.partition", "no nodes", "name another partition");
      return false;
    }
    const auto listed = [](const std::set<std::string>& names) { return names_in_words({names.begin(), names.end()}); };
    if (!query_.constraint.empty()) {
      const std::optional<Constraint> constraint = Constraint::read(query_.constraint);
      if (!constraint)
        tell(Severity::warning, "FAB4050",
             "the constraint `" + query_.constraint + "` is left to SLURM: fabric plans for every node of " + where, "slurm.constraint",
             "not looked at", "where nodes differ, write what is auto; a&b and a|b are understood");
      else std::erase_if(nodes_, [&](const SlurmNode* node) { return !constraint->fits(*node); });
      if (nodes_.empty()) {
        tell(Severity::error, "FAB4045", "no node of " + where + " has the features `" + query_.constraint + '`', "slurm.constraint",
             "no such node",
             features.empty() ? "its nodes have no features: leave the constraint out" : "the features there are: " + listed(features));
        return false;
      }
    }
    if (query_.gpu_type.empty()) return true;
    std::erase_if(nodes_, [&](const SlurmNode* node) {
      return std::ranges::find(node->gpus, query_.gpu_type, &SlurmGpus::type) == node->gpus.end();
    });
    if (!nodes_.empty()) return true;
    tell(Severity::error, "FAB4045", "no node of " + where + " has GPUs of type `" + query_.gpu_type + '`', "slurm", "no such GPU",
         types.empty() ? "it has no GPUs with a type" : "the types there are: " + listed(types));
    return false;
  }

  Host host_of(const SlurmNode& node) {
    Host host;
    host.cpus.resize(static_cast<std::size_t>(node.cpus));
    std::iota(host.cpus.begin(), host.cpus.end(), 0);
    host.cpus_online = node.cpus_in_all;
    host.memory_bytes = node.memory_bytes;
    for (const SlurmGpus& gpus : node.gpus) {
      if (!query_.gpu_type.empty() && gpus.type != query_.gpu_type) continue;
      const GpuModel model = gpu_model(gpus.type);
      if (model.of_another_make) {
        of_another_make_.insert(gpus.type);
        continue;
      }
      for (std::int64_t i = 0; i < gpus.count; ++i)
        host.gpus.push_back({.index = static_cast<std::int64_t>(host.gpus.size()),
                             .name = gpus.type.empty() ? "gpu" : gpus.type,
                             .memory_bytes = model.memory_bytes,
                             .compute_major = model.compute_major,
                             .compute_minor = model.compute_minor});
    }
    return host;
  }

  std::vector<HostGroup> groups() {
    std::vector<HostGroup> all;
    for (const SlurmNode* node : nodes_) {
      Host host = host_of(*node);
      auto alike = std::ranges::find_if(all, [&](const HostGroup& group) {
        host.hostname = group.host.hostname;  // a name is no difference
        return group.host == host;
      });
      if (alike == all.end()) {
        host.hostname = node->name;
        alike = all.insert(all.end(), HostGroup{0, std::move(host), 0});
      } else if (alike->usable() == 0 && node->takes_jobs) {
        alike->host.hostname = node->name;
      }
      ++alike->count;
      if (!node->takes_jobs) ++*alike->unavailable;
    }
    std::ranges::stable_sort(all, [](const HostGroup& a, const HostGroup& b) {
      const auto rank = [](const HostGroup& g) {
        return std::tuple(!g.host.gpus.empty(), g.count, g.host.gpus.size(), g.host.memory_bytes);
      };
      return rank(a) > rank(b);
    });
    return all;
  }

  void warn(const Hardware& hardware) {
    const std::string where = "partition " + partition_words_;
    for (const SlurmPartition* p : partitions_)
      if (p->state != "UP")
        tell(Severity::warning, "FAB4047",
             "partition " + p->name + " is " + (p->state.empty() ? "in no state" : p->state) + ": " +
                 (p->state == "DOWN" ? "a job waits in it and does not start" : "SLURM takes no job for it"),
             "slurm.partition", "not up", "name another partition, or wait until it is UP");
    if (!of_another_make_.empty())
      tell(Severity::warning, "FAB4048",
           "the GPUs of " + where + " (" + names_in_words({of_another_make_.begin(), of_another_make_.end()}) + ") are not NVIDIA's",
           "slurm", "counted as no GPU", "fabric's own runtime has no use for them; a program finds them itself");
    const bool any_usable = std::ranges::any_of(hardware.groups, [](const HostGroup& g) { return g.usable() > 0; });
    if (!any_usable)
      tell(Severity::warning, "FAB4046", "no node of " + where + " takes a job now: " + states_in_words(nodes_), "slurm.partition",
           "a job would wait", "ask who runs the cluster, or name another partition; `sinfo -R` tells reasons");
    const std::string first = gpus_in_words(hardware.groups.front().host);
    std::string kinds;
    bool differ = false;
    for (const HostGroup& g : hardware.groups) {
      const std::string words = gpus_in_words(g.host);
      differ |= words != first;
      kinds += (kinds.empty() ? "" : "; ") + several(g.count, "node") + " with " + words;
    }
    if (differ)
      tell(Severity::warning, "FAB4049", "the nodes of " + where + " have different GPUs: " + kinds, "slurm", "fabric plans for the first",
           "choose by a constraint or by a type of GPU, or write `accelerator` and `devices`");
  }

  const SlurmCluster& cluster_;
  const SlurmQuery& query_;
  Diagnostics& diagnostics_;
  std::vector<const SlurmPartition*> partitions_;
  std::string partition_words_;
  std::vector<const SlurmNode*> nodes_;
  std::set<std::string> of_another_make_;
};

}  // namespace

Hardware hardware_of(const SlurmCluster& cluster, const SlurmQuery& query, Diagnostics& diagnostics) {
  return ClusterHardware(cluster, query, diagnostics).build();
}

}  // namespace fabric
