#include "launch_backends/slurm_options.hpp"

#include <algorithm>
#include <iterator>

namespace fabric {
namespace {

using enum OptionValue;

constexpr SlurmOption options_of_sbatch[] = {
    {"account", 'A', needed, true, "slurm.account"},
    {"acctg-freq"},
    {"array", 'a', needed, true, "slurm.array"},
    {"batch"},
    {"bb"},
    {"bbf"},
    {"begin", 'b'},
    {"chdir", 'D', needed, true, "program.cwd"},
    {"cluster-constraint"},
    {"clusters", 'M'},
    {"comment"},
    {"consolidate-segments", 0, none},
    {"constraint", 'C', needed, true, "slurm.constraint"},
    {"container"},
    {"container-id"},
    {"contiguous", 0, none},
    {"core-spec", 'S'},
    {"cores-per-socket"},
    {"cpu-freq"},
    {"cpus-per-gpu", 0, needed, true, "slurm.cpus_per_rank"},
    {"cpus-per-task", 'c', needed, true, "slurm.cpus_per_rank"},
    {"deadline"},
    {"delay-boot"},
    {"dependency", 'd', needed, true, "slurm.dependency"},
    {"distribution", 'm'},
    {"error", 'e', needed, true, "slurm.output"},
    {"exclude", 'x', needed, true, "slurm.exclude"},
    {"exclude-topo", 0, none},
    {"exclusive", 0, optional, true, "slurm.exclusive"},
    {"export", 0, needed, true, "program.inherit"},
    {"export-file", 0, needed, true, "program.env_file"},
    {"extra"},
    {"extra-node-info", 'B'},
    {"get-user-env", 0, optional},
    {"gid"},
    {"gpu-bind", 0, needed, true, "visible_devices"},
    {"gpu-freq"},
    {"gpus", 'G', needed, true, "devices"},
    {"gpus-per-node", 0, needed, true, "devices"},
    {"gpus-per-socket", 0, needed, true, "devices"},
    {"gpus-per-task", 0, needed, true, "devices"},
    {"gres", 0, needed, true, "devices"},
    {"gres-flags"},
    {"help", 'h', none, true},
    {"hint"},
    {"hold", 'H', none},
    {"ignore-pbs", 0, none},
    {"input", 'i', needed, true},
    {"job-name", 'J', needed, true, "name"},
    {"kill-on-invalid-dep", 0, needed, true, "slurm.dependency"},
    {"licenses", 'L'},
    {"mail-type"},
    {"mail-user"},
    {"mcs-label"},
    {"mem", 0, needed, true, "slurm.mem"},
    {"mem-bind"},
    {"mem-per-cpu", 0, needed, true, "slurm.mem"},
    {"mem-per-gpu", 0, needed, true, "slurm.mem"},
    {"mincpus"},
    {"network"},
    {"nice", 0, optional},
    {"no-kill", 'k', optional},
    {"no-requeue", 0, none, true, "slurm.requeue"},
    {"nodefile", 'F', needed, true, "slurm.nodelist"},
    {"nodelist", 'w', needed, true, "slurm.nodelist"},
    {"nodes", 'N', needed, true, "num_nodes"},
    {"ntasks", 'n', needed, true, "devices"},
    {"ntasks-per-core", 0, needed, true, "devices"},
    {"ntasks-per-gpu", 0, needed, true, "devices"},
    {"ntasks-per-node", 0, needed, true, "devices"},
    {"ntasks-per-socket", 0, needed, true, "devices"},
    {"oom-kill-step", 0, optional},
    {"open-mode", 0, needed, true},
    {"output", 'o', needed, true, "slurm.output"},
    {"overcommit", 'O', none},
    {"oversubscribe", 's', optional},
    {"parsable", 0, none, true},
    {"partition", 'p', needed, true, "slurm.partition"},
    {"power"},
    {"prefer"},
    {"priority"},
    {"profile"},
    {"propagate", 0, optional},
    {"qos", 'q', needed, true, "slurm.qos"},
    {"quiet", 'Q', none, true},
    {"reboot", 0, none},
    {"requeue", 0, none, true, "slurm.requeue"},
    {"reservation", 0, needed, true, "slurm.reservation"},
    {"resv-ports", 0, optional},
    {"segment"},
    {"signal", 0, needed, true, "stop.signal"},
    {"sockets-per-node"},
    {"spread-job", 0, none},
    {"stepmgr", 0, none},
    {"switches"},
    {"tasks-per-node", 0, needed, true, "devices"},
    {"test-only", 0, none, true},
    {"thread-spec"},
    {"threads-per-core"},
    {"time", 't', needed, true, "time_limit"},
    {"time-min"},
    {"tmp"},
    {"tres-bind", 0, needed, true, "visible_devices"},
    {"tres-per-task"},
    {"uid"},
    {"usage", 0, none, true},
    {"use-min-nodes", 0, none},
    {"verbose", 'v', none, true},
    {"version", 'V', none, true},
    {"wait", 'W', none, true},
    {"wait-all-nodes"},
    {"wckey"},
    {"wrap", 0, needed, true},
};

}  // namespace

std::span<const SlurmOption> slurm_options() { return options_of_sbatch; }

const SlurmOption* find_slurm_option(std::string_view name) {
  const auto found =
      std::find_if(std::begin(options_of_sbatch), std::end(options_of_sbatch), [name](const SlurmOption& o) { return o.name == name; });
  return found == std::end(options_of_sbatch) ? nullptr : found;
}

const SlurmOption* find_slurm_option(char letter) {
  const auto found = std::find_if(std::begin(options_of_sbatch), std::end(options_of_sbatch),
                                  [letter](const SlurmOption& o) { return o.letter == letter; });
  return letter == 0 || found == std::end(options_of_sbatch) ? nullptr : found;
}

const SlurmOption* abbreviated_slurm_option(std::string_view name) {
  if (name.empty() || find_slurm_option(name)) return nullptr;
  const auto found = std::find_if(std::begin(options_of_sbatch), std::end(options_of_sbatch),
                                  [name](const SlurmOption& o) { return o.name.starts_with(name); });
  return found == std::end(options_of_sbatch) ? nullptr : found;
}

}  // namespace fabric
