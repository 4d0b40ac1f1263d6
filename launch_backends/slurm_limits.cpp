#include "launch_backends/slurm_limits.hpp"

#include <algorithm>
#include <sstream>
#include <vector>

#include "schema/joined.hpp"

namespace fabric {
namespace {

class Limits {
 public:
  Limits(const SlurmCluster& cluster, const JobSpec& job, const Hardware& hardware, Diagnostics& diagnostics)
      : job_(job), slurm_(*job.slurm), hardware_(hardware), diagnostics_(diagnostics) {
    std::istringstream names(slurm_.partition.value_or(""));
    for (std::string name; std::getline(names, name, ',');)
      if (const SlurmPartition* p = cluster.partition(name)) partitions_.push_back(p);
    if (const SlurmPartition* p = cluster.default_partition(); p && !slurm_.partition) partitions_.push_back(p);
  }

  void check() {
    count();
    time();
    names();
  }

 private:
  void tell(Severity severity, const char* code, std::string message, const std::string& field, std::string label, std::string help) {
    Diagnostic d{.severity = severity, .code = code, .message = std::move(message), .at = Place(Path::parse(field).value_or(Path()))};
    d.label = std::move(label);
    d.help = std::move(help);
    diagnostics_.add(std::move(d));
  }

  // A quality of service may lift what the partition sets.
  Severity limit_severity() const { return slurm_.qos ? Severity::warning : Severity::error; }

  void count() {
    if (is_auto(job_.num_nodes)) return;
    const std::int64_t asked = std::get<std::int64_t>(job_.num_nodes);
    std::int64_t all = 0, usable = 0;
    for (const HostGroup& group : hardware_.groups) all += group.count, usable += group.usable();
    const std::string has = std::to_string(asked) + (asked == 1 ? " node is" : " nodes are") + " asked for, and of such there " +
                            (all == 1 ? "is " : "are ") + std::to_string(all) + " (" + hardware_.source + ')';
    if (asked > all)
      return tell(Severity::error, "FAB5211", has, "num_nodes", "more than there are",
                  "write at most " + std::to_string(all) + ", or another slurm.partition");
    const auto gives = [asked](const SlurmPartition* p) { return !p->most_nodes || *p->most_nodes >= asked; };
    if (!partitions_.empty() && std::none_of(partitions_.begin(), partitions_.end(), gives))
      return tell(
          limit_severity(), "FAB5211",
          "partition " + partitions_.front()->name + " gives a job " + std::to_string(*partitions_.front()->most_nodes) + " nodes at most",
          "num_nodes", "more than that", "write fewer, or another slurm.partition");
    if (asked > usable)
      tell(Severity::warning, "FAB5212", has + ", of which " + std::to_string(usable) + " can take a job now", "num_nodes", "the job waits",
           "`sinfo -R` says why the others do not");
  }

  void time() {
    if (!job_.time_limit) return;
    const double asked = job_.time_limit->seconds;
    const auto gives = [asked](const SlurmPartition* p) { return !p->time_limit || static_cast<double>(*p->time_limit) >= asked; };
    if (partitions_.empty() || std::any_of(partitions_.begin(), partitions_.end(), gives)) return;
    const Duration most{static_cast<double>(*partitions_.front()->time_limit)};
    tell(limit_severity(), "FAB5213", "partition " + partitions_.front()->name + " gives a job " + most.str() + " at most", "time_limit",
         "longer than that", "write at most " + most.str() + ", or another slurm.partition; a longer training goes on by `fabric resume`");
  }

  // Where nobody keeps accounts, SLURM takes any name, and lets the job wait for ever.
  void names() {
    taken("account", slurm_.account, "FAB5214", &SlurmPartition::accounts, &SlurmPartition::accounts_shut_out);
    taken("qos", slurm_.qos, "FAB5245", &SlurmPartition::qos, &SlurmPartition::qos_shut_out);
  }

  using Names = std::vector<std::string> SlurmPartition::*;
  void taken(const std::string& what, const std::optional<std::string>& name, const char* code, Names allowed, Names shut_out) {
    if (!name) return;
    const auto has = [&](const std::vector<std::string>& list) { return std::find(list.begin(), list.end(), *name) != list.end(); };
    const auto takes = [&](const SlurmPartition* p) { return ((p->*allowed).empty() || has(p->*allowed)) && !has(p->*shut_out); };
    if (partitions_.empty() || std::any_of(partitions_.begin(), partitions_.end(), takes)) return;
    const std::string others = joined(partitions_.front()->*allowed);
    tell(Severity::error, code, "partition " + partitions_.front()->name + " does not take the " + what + " `" + *name + '`',
         "slurm." + what, "not taken", others.empty() ? "name another " + what + " or partition" : "it takes " + others);
  }

  const JobSpec& job_;
  const Slurm& slurm_;
  const Hardware& hardware_;
  Diagnostics& diagnostics_;
  std::vector<const SlurmPartition*> partitions_;
};

}  // namespace

void check_slurm_limits(const SlurmCluster& cluster, const JobSpec& job, const Hardware& hardware, Diagnostics& diagnostics) {
  Limits(cluster, job, hardware, diagnostics).check();
}

}  // namespace fabric
