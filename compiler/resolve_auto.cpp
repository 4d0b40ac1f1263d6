#include "compiler/resolve_auto.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <numeric>

#include "compiler/bind_cpus.hpp"
#include "compiler/choose_binding.hpp"
#include "compiler/choose_hosts.hpp"
#include "compiler/machines.hpp"
#include "compiler/share_batch.hpp"
#include "schema/catalog.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

std::string count_of(std::int64_t n, const std::string& noun) { return std::to_string(n) + ' ' + noun + (n == 1 ? "" : "s"); }

constexpr std::int64_t most_data_workers = 4;  // of a rank, chosen by auto

class Resolver {
 public:
  Resolver(const JobSpec& job, std::vector<Machine> machines, Diagnostics& diagnostics, const BackendRules& rules)
      : spec_(job), machines_(std::move(machines)), diagnostics_(diagnostics), rules_(rules) {}

  std::optional<Resolution> run() {
    copy_what_is_written();
    accelerator();
    devices();
    num_nodes();
    strategy();
    precision();
    binding();
    threads();
    group_backend();
    if (spec_.train) {
      batch(*spec_.train);
      data_workers(*spec_.train);
    }
    address();
    if (diagnostics_.has_errors()) return std::nullopt;
    // A program decides these for itself, and hears of none of them.
    if (!spec_.train)
      std::erase_if(out_.decisions, [](const Decision& d) {
        return d.field == "strategy" || d.field == "precision" || d.field == "process_group.backend";
      });
    return std::move(out_);
  }

 private:
  // Whether each machine said itself what it has.
  bool seen() const { return machines_.front().source.empty(); }
  // Who says so, where that was another.
  // Not its version: a plan is the same whichever answers.
  std::string by_source() const {
    const std::string& source = machines_.front().source;
    return source.starts_with("scheduler") ? ", says the scheduler" : " (" + source + ')';
  }

  void copy_what_is_written() {
    ResolvedJob& job = out_.job;
    job.fabric = spec_.fabric;
    job.name = spec_.name;
    job.process_group.timeout = spec_.process_group.timeout;
    job.main_address = spec_.main_address;
    job.main_port = spec_.main_port;
    job.program = spec_.program;
    job.env = spec_.env;
    job.checkpoint = spec_.checkpoint;
    job.stop = spec_.stop;
    job.restart = spec_.restart;
    job.stall = spec_.stall;
    job.time_limit = spec_.time_limit;
    job.seed = spec_.seed;
    job.backend = spec_.backend;
    if (spec_.backend == BackendName::slurm) job.slurm = spec_.slurm;
    if (spec_.backend == BackendName::ssh) job.ssh = spec_.ssh;
    job.visible_devices = spec_.visible_devices;
    if (!spec_.train) return;
    const Train<Spec>& from = *spec_.train;
    Train<Resolved>& to = job.train.emplace();
    to.task = from.task;
    to.model = from.model;
    to.data = from.data;
    to.optimizer = from.optimizer;
    to.schedule = from.schedule;
    to.batch_size = from.batch_size;
    to.epochs = from.epochs;
    to.steps = from.steps;
    to.log_every = from.log_every;
    to.initial_weights = from.initial_weights;
  }

  // A written value stands; auto takes what `decide` answers and keeps the decision.
  template <class T, class Decide>
  void settle(const char* field, const std::variant<Auto, T>& written, T& value, Decide&& decide) {
    if (!is_auto(written)) {
      value = std::get<T>(written);
      return;
    }
    Decision decision{.field = field};
    value = decide(decision);
    decision.value = to_value(value);
    out_.decisions.push_back(std::move(decision));
  }

  void accelerator() {
    settle("accelerator", spec_.accelerator, out_.job.accelerator, [&](Decision& d) {
      d.inputs = {{"host.gpus.count", of_all([](const Machine& m) { return m.gpus(); })}};
      const Machine* with = first_where([](const Machine& m) { return m.gpus() > 0; });
      const Machine* without = first_where([](const Machine& m) { return m.gpus() == 0; });
      if (with && without)
        diagnostics_.add({.code = "FAB4009",
                          .message = "the hosts differ: " + with->name() + " shows " + count_of(with->gpus(), "GPU") + ", and " +
                                     without->name() + " none",
                          .at = Place("accelerator"),
                          .label = "on all of them?",
                          .help = "leave out the hosts that have none, or write `accelerator: cpu`"});
      if (with) {
        d.rule = "gpu-is-visible";
        d.because = seen()
                        ? gpus_in_words("usable NVIDIA GPU") + (machines_.size() == 1 && with->gpus() == 1 ? " is visible" : " are visible")
                        : "a node has " + count_of(with->gpus(), "GPU") + by_source();
        d.rejected = {{"cpu", "slower for this work"}};
        return Accelerator::cuda;
      }
      d.rule = "no-gpu";
      d.because = seen() ? "0 usable NVIDIA GPUs are visible" : "a node has no NVIDIA GPU" + by_source();
      d.rejected = {{"cuda", "needs a visible GPU and its driver"}};
      return Accelerator::cpu;
    });
    const Machine* without = first_where([](const Machine& m) { return m.gpus() == 0; });
    if (!is_auto(spec_.accelerator) && cuda() && without)
      diagnostics_.add({.code = "FAB4002",
                        .message = "accelerator `cuda` needs an NVIDIA GPU, and " + without->name() + " shows none",
                        .at = Place("accelerator"),
                        .label = "no GPU",
                        .help = "write `accelerator: cpu` or `auto`; `fabric doctor` tells what is missing"});
  }

  void devices() {
    for (Machine& machine : machines_) shape(machine);
    const auto count = [&](const Machine& m) { return shape_of(m).devices.count; };
    const bool differ = !all_alike(count);
    Devices& devices = out_.job.devices = out_.nodes.front().devices;
    const auto settled = [&](Decision& d) {
      d.field = "devices";
      d.value = differ ? of_all(count) : to_value(devices);
      if (differ)
        for (const Machine& machine : machines_)
          d.because +=
              (&machine == &machines_.front() ? ": " : ", ") + names_in_words(machine.names) + ' ' + std::to_string(count(machine));
      out_.decisions.push_back(std::move(d));
    };
    Decision d;
    const std::int64_t gpus = machines_.front().gpus();
    if (!is_auto(spec_.devices)) {
      if (std::get<Devices>(spec_.devices).all && !machines_.front().devices && cuda() && gpus > 0) {
        d.rule = "written-as-all";
        d.inputs = {{"host.gpus.count", of_all([](const Machine& m) { return m.gpus(); })}};
        d.because = "all was written, and " + gpus_in_words("GPU") + (machines_.size() == 1 && gpus == 1 ? " is" : " are") + " visible";
        settled(d);
      }
    } else if (first_where([](const Machine& m) { return m.devices || m.slots; })) {
      d.rule = "written-for-the-host";
      d.inputs = {{"hosts.devices", of_all(count)}};
      d.because = "the list of hosts says so";
      settled(d);
    } else if (cuda()) {
      d.rule = "all-visible";
      d.inputs = {{"accelerator", "cuda"}, {"host.gpus.count", of_all([](const Machine& m) { return m.gpus(); })}};
      d.because = seen() ? "accelerator cuda, and " + gpus_in_words("GPU") + (machines_.size() == 1 && gpus == 1 ? " is" : " are") +
                               " visible; idle ones are bound first, at start"
                         : "accelerator cuda, and a node has " + count_of(gpus, "GPU") + by_source();
      settled(d);
    } else {
      d.rule = "one-rank-on-a-cpu";
      d.inputs = {{"accelerator", "cpu"}};
      d.because = "accelerator cpu: one rank uses all cores; write a count for more ranks";
      settled(d);
    }
    if (differ && alone())
      diagnostics_.add({.code = "FAB4011",
                        .message = "under contract `none` each host gives as many devices as the others, and these differ",
                        .at = Place("program.contract"),
                        .label = "its one process has all of a host's",
                        .help = "write `devices`, a number that all of them have, or leave out those that have fewer"});
  }

  // What a host's own entry says, else what the job says of all, else what there is.
  void shape(const Machine& machine) {
    const std::int64_t gpus = machine.gpus();
    const bool written = machine.devices || !is_auto(spec_.devices);
    Devices devices = machine.devices           ? *machine.devices
                      : !is_auto(spec_.devices) ? std::get<Devices>(spec_.devices)
                      : machine.slots           ? Devices{.count = *machine.slots}
                                                : Devices{.count = cuda() ? std::max<std::int64_t>(gpus, 1) : 1};
    if (cuda() && devices.all && gpus > 0) devices = Devices{.count = gpus};
    out_.nodes.push_back({machine.nodes, machine.names, devices, {}});
    const Place at = machine.devices && spec_.ssh ? Place(spec_.ssh->hostfile ? "ssh.hostfile" : "ssh.hosts") : Place("devices");
    if (machine.slots && devices.count > *machine.slots)
      diagnostics_.add(
          {.code = "FAB3308",
           .message = count_of(devices.count, "device") + " asked for, and " + machine.name() + " has " + count_of(*machine.slots, "slot"),
           .at = at,
           .label = "more than " + std::to_string(*machine.slots),
           .help = "ask for fewer, or raise its `slots`"});
    if (!cuda()) {
      if ((is_auto(spec_.accelerator) || machine.devices) && (!devices.ids.empty() || devices.all))
        diagnostics_.add({.code = "FAB4003",
                          .message = "devices " + devices.str() + " names GPUs, and " + machine.name() + " shows none",
                          .at = at,
                          .label = "no GPU here",
                          .help = "write a count of ranks for the CPU, such as `devices: 2`"});
      return;
    }
    if (gpus == 0) return;  // reported by accelerator
    std::string visible;
    for (const Gpu& gpu : machine.host->gpus) visible += (visible.empty() ? "" : ", ") + std::to_string(gpu.index);
    for (const std::int64_t id : devices.ids) {
      const auto& all = machine.host->gpus;
      if (std::any_of(all.begin(), all.end(), [&](const Gpu& g) { return g.index == id; })) continue;
      diagnostics_.add({.code = "FAB4001",
                        .message = "device " + std::to_string(id) + " does not exist: " + machine.name() + " shows " +
                                   count_of(gpus, "GPU") + " (" + visible + ")",
                        .at = at,
                        .label = "asks for " + std::to_string(id),
                        .help = "write indices from " + visible + ", or a count"});
    }
    if (devices.ids.empty() && devices.count > gpus)
      diagnostics_.add({.code = "FAB4004",
                        .message = count_of(devices.count, written ? "device" : "slot") + " asked for, and " + machine.name() + " shows " +
                                   count_of(gpus, "GPU"),
                        .at = at,
                        .label = "more than " + std::to_string(gpus),
                        .help = "write `devices: " + std::to_string(gpus) + "`, or `auto` for all"});
  }

  void num_nodes() {
    std::int64_t nodes = 0;
    for (const Machine& machine : machines_) nodes += machine.nodes;
    settle("num_nodes", spec_.num_nodes, out_.job.num_nodes, [&](Decision& d) {
      const bool local = spec_.backend == BackendName::local;
      const bool named = !machines_.front().names.empty();
      d.rule = named ? "all-hosts" : local ? "one-machine" : "one-node";
      d.inputs = {{"backend", name_of(spec_.backend)}};
      if (named) d.inputs.push_back({"hosts.count", nodes});
      d.because = named ? "backend " + std::string(name_of(spec_.backend)) + ", and " + count_of(nodes, "host") +
                              (nodes == 1 ? " is" : " are") + " named"
                  : local ? "backend local is this machine alone"
                          : "more than one node is not taken unless it is written";
      return nodes;
    });
    for (std::size_t i = 0; i < machines_.size(); ++i) {
      const std::int64_t ranks = ranks_on(i);
      world_ += ranks * machines_[i].nodes;
      // What holds for the ranks with the least to share holds for all.
      if (share(i) < share(tight_)) tight_ = i;
    }
    ranks_ = ranks_on(tight_);
  }

  void strategy() {
    settle("strategy", spec_.strategy, out_.job.strategy, [&](Decision& d) {
      d.inputs = {{"world_size", world_}};
      if (world_ == 1) {
        d.rule = "one-rank";
        d.because = "1 rank needs no process group";
        return Strategy::single;
      }
      d.rule = "several-ranks";
      d.because = std::to_string(world_) + " ranks average their gradients";
      d.rejected = {{"single", "is one rank"}};
      return Strategy::ddp;
    });
    if (out_.job.strategy == Strategy::single && world_ > 1 && !diagnostics_.has_errors())
      diagnostics_.add({.code = "FAB4005",
                        .message = "strategy `single` is one rank, and this job has " + std::to_string(world_),
                        .at = Place("strategy"),
                        .label = "one rank",
                        .help = "write `devices: 1`, or `strategy: ddp`"});
  }

  void precision() {
    const Gpu* lowest = nullptr;
    std::string of;
    for (const Machine& machine : machines_)
      for (const Gpu& gpu : machine.host->gpus)
        if (!lowest || std::pair(gpu.compute_major, gpu.compute_minor) < std::pair(lowest->compute_major, lowest->compute_minor))
          lowest = &gpu, of = machine.names.empty() ? "" : " of " + machine.name();
    const bool seen = cuda() && lowest;
    // A scheduler has a word for a GPU, and that may say nothing of what it can do.
    const bool known = seen && lowest->compute_major && lowest->compute_minor;
    const std::string capability = known ? std::to_string(*lowest->compute_major) + '.' + std::to_string(*lowest->compute_minor) : "";
    settle("precision", spec_.precision, out_.job.precision, [&](Decision& d) {
      d.inputs = {{"accelerator", name_of(out_.job.accelerator)}};
      if (!seen) {
        d.rule = "full-on-cpu";
        d.because = "accelerator cpu: 32 bits are the safe choice";
        d.rejected = {{"bf16-mixed", "pays off on few CPUs; write it to have it"}};
        return Precision::fp32_true;
      }
      d.inputs.push_back({"host.gpus.lowest_compute_capability", known ? Value(capability) : Value()});
      if (!known) {
        d.inputs.push_back({"host.gpus.not_known", lowest->name});
        d.rule = "gpu-is-not-known";
        d.because = "accelerator cuda, and it is not known what a GPU `" + lowest->name + "` can do: 32 bits are right on any";
        d.rejected = {{"bf16-mixed", "needs compute capability 8.0; write it to have it"}};
        return Precision::fp32_true;
      }
      if (has_bfloat16(*lowest)) {
        d.rule = "gpu-has-bfloat16";
        d.because = "accelerator cuda, lowest compute capability " + capability + ": bfloat16 in hardware";
        d.rejected = {{"32-true", "slower, no more range"}};
        return Precision::bf16_mixed;
      }
      d.rule = "gpu-lacks-bfloat16";
      d.because = "accelerator cuda, lowest compute capability " + capability + ": bfloat16 needs 8.0";
      d.rejected = {{"bf16-mixed", "is emulated on this GPU"}};
      return Precision::fp32_true;
    });
    if (!is_auto(spec_.precision) && out_.job.precision == Precision::bf16_mixed && known && !has_bfloat16(*lowest))
      diagnostics_.add({.code = "FAB4006",
                        .message = "precision `bf16-mixed` needs compute capability 8.0, and GPU " + std::to_string(lowest->index) + of +
                                   " has " + capability,
                        .at = Place("precision"),
                        .label = "no bfloat16 on this GPU",
                        .help = "write `precision: 32-true`, or `auto`"});
  }

  CpuBinding binding_of(std::size_t machine, Decision& d) const {
    return choose_binding(ranks_to_bind(machine), machines_[machine], spec_.threads, d);
  }

  RanksToBind ranks_to_bind(std::size_t machine) const {
    RanksToBind ranks{out_.job.accelerator, ranks_on(machine), out_.nodes[machine].devices.ids};
    if (cuda() && ranks.devices.empty())
      for (const Gpu& gpu : machines_[machine].host->gpus) ranks.devices.push_back(gpu.index);
    return ranks;
  }

  void binding() {
    const bool alone = this->alone();
    settle("binding", spec_.binding, out_.job.binding, [&](Decision& d) {
      if (alone) {
        d.inputs = {{"program.contract", "none"}};
        d.rule = "starts-its-own-peers";
        d.because = "contract none: what the program starts has its place from the program";
        return CpuBinding::none;
      }
      if (!rules_.cpus_from.empty()) {
        d.rule = "not-the-plans-to-say";
        d.because = rules_.cpus_from + " chooses which CPUs of a node the job has";
        return CpuBinding::none;
      }
      const CpuBinding first = binding_of(0, d);
      for (std::size_t i = 1; i < machines_.size(); ++i) {
        Decision other;
        if (binding_of(i, other) == first) continue;
        d = Decision{.field = "binding", .rule = "hosts-differ", .inputs = d.inputs};
        d.because = "what suits " + machines_.front().name() + " does not suit " + machines_[i].name();
        return CpuBinding::none;
      }
      return first;
    });
    // What is written all the same, the backend refuses.
    if (alone || out_.job.binding == CpuBinding::none || !rules_.cpus_from.empty()) return;
    for (std::size_t i = 0; i < machines_.size(); ++i) {
      CpuShares shares = share_cpus(out_.job.binding, ranks_to_bind(i), *machines_[i].host);
      if (!shares.hindrance.empty() && !diagnostics_.has_errors())
        diagnostics_.add({.code = "FAB4008",
                          .message = "binding `" + std::string(name_of(out_.job.binding)) + "` cannot be had " +
                                     (machines_[i].names.empty() ? "here" : "on " + machines_[i].name()) + ": " + shares.hindrance,
                          .at = Place("binding"),
                          .label = "does not go with " + machines_[i].name(),
                          .help = "leave it to `auto`, or write `binding: none`"});
      fewest_bound_cpus_ = std::min(fewest_bound_cpus_.value_or(shares.fewest_cpus), shares.fewest_cpus);
      out_.nodes[i].cpus = std::move(shares.shares);
    }
  }

  // That of the host whose ranks have the least.
  std::int64_t tight_budget(Decision& d, std::string& words) const {
    const std::int64_t budget = cpu_budget(machines_[tight_], d, words);
    if (machines_.size() > 1) words = machines_[tight_].name() + " has the least: " + words;
    return budget;
  }

  void threads() {
    settle("threads", spec_.threads, out_.job.threads, [&](Decision& d) {
      std::string words;
      const std::int64_t budget = tight_budget(d, words);
      d.inputs.push_back({"ranks_per_node", ranks_});
      d.rule = "cpus-per-rank";
      d.because = words + ", " + count_of(ranks_, "rank") + " a node";
      std::int64_t each = budget / std::max<std::int64_t>(1, ranks_);
      if (fewest_bound_cpus_) {
        d.inputs.push_back({"binding.fewest_cpus", *fewest_bound_cpus_});
        d.because += ", each tied to CPUs of which it has " + std::to_string(*fewest_bound_cpus_) + " for itself";
        each = std::min(each, *fewest_bound_cpus_);
      }
      // A GPU computes while CPUs prepare its batches; where CPUs compute, preparing is the small part.
      std::int64_t preparing = 0;
      if (spec_.train) d.inputs.push_back({"accelerator", name_of(out_.job.accelerator)});
      if (spec_.train && cuda()) {
        const auto& written = spec_.train->data_workers;
        preparing = is_auto(written) ? std::min<std::int64_t>(each / 2, most_data_workers) : std::get<std::int64_t>(written);
        d.inputs.push_back({"train.data_workers", is_auto(written) ? Value("auto") : Value(preparing)});
        d.because +=
            "; accelerator cuda: " + count_of(preparing, "CPU") + " of each rank for data_workers" + (is_auto(written) ? " auto" : "");
      } else if (spec_.train) {
        d.because += "; accelerator cpu";
      }
      return std::max<std::int64_t>(1, each - preparing);
    });
  }

  void group_backend() {
    settle("process_group.backend", spec_.process_group.backend, out_.job.process_group.backend, [&](Decision& d) {
      d.inputs = {{"accelerator", name_of(out_.job.accelerator)}};
      d.rule = "by-accelerator";
      if (cuda()) {
        d.because = "accelerator cuda: NCCL moves GPU memory directly";
        d.rejected = {{"gloo", "goes through CPU memory"}};
        return GroupBackend::nccl;
      }
      d.because = "accelerator cpu";
      d.rejected = {{"nccl", "needs GPUs"}};
      return GroupBackend::gloo;
    });
    if (is_auto(spec_.accelerator) && !is_auto(spec_.process_group.backend)) {
      const GroupBackend backend = out_.job.process_group.backend;
      if ((backend == GroupBackend::nccl) != cuda())
        diagnostics_.add({.code = "FAB4007",
                          .message = "process_group.backend `" + std::string(name_of(backend)) + "` does not go with accelerator `" +
                                     std::string(name_of(out_.job.accelerator)) + "`, which `auto` became here",
                          .at = Place("process_group.backend"),
                          .label = "for another accelerator",
                          .help = "leave it to `auto`"});
    }
  }

  void batch(const Train<Spec>& train) {
    const std::optional<BatchShares> shares = share_batch(train, world_, diagnostics_);
    if (!shares) return;
    const auto over = [&](Decision& d, const std::string& rest) {
      d.inputs = {{"train.batch_size", train.batch_size}, {"world_size", world_}};
      d.because = "batch_size " + std::to_string(train.batch_size) + " over " + count_of(world_, "rank") + rest;
    };
    settle("train.micro_batch_size", train.micro_batch_size, out_.job.train->micro_batch_size, [&](Decision& d) {
      const bool open = is_auto(train.accumulation);
      over(d, ", accumulation " + (open ? "auto" : std::to_string(shares->accumulation)));
      d.inputs.push_back({"train.accumulation", open ? Value("auto") : Value(shares->accumulation)});
      d.rule = "batch-over-ranks";
      return shares->micro_batch_size;
    });
    settle("train.accumulation", train.accumulation, out_.job.train->accumulation, [&](Decision& d) {
      over(d, " x micro_batch_size " + std::to_string(shares->micro_batch_size));
      d.inputs.push_back({"train.micro_batch_size", shares->micro_batch_size});
      d.rule = "what-is-left";
      return shares->accumulation;
    });
  }

  void data_workers(const Train<Spec>& train) {
    settle("train.data_workers", train.data_workers, out_.job.train->data_workers, [&](Decision& d) {
      std::string words;
      const std::int64_t budget = tight_budget(d, words);
      d.inputs.push_back({"ranks_per_node", ranks_});
      d.inputs.push_back({"threads", out_.job.threads});
      d.rule = "cpus-left";
      std::int64_t each = budget / std::max<std::int64_t>(1, ranks_);
      d.because = words + ", " + count_of(ranks_, "rank") + " a node with " + count_of(out_.job.threads, "thread") + " each";
      if (fewest_bound_cpus_) {
        d.inputs.push_back({"binding.fewest_cpus", *fewest_bound_cpus_});
        d.because += " and at least " + count_of(*fewest_bound_cpus_, "CPU") + " for itself";
        each = std::min(each, *fewest_bound_cpus_);
      }
      d.because += "; 1 to " + std::to_string(most_data_workers);
      return std::clamp<std::int64_t>(each - out_.job.threads, 1, most_data_workers);
    });
  }

  // Nobody can know these before the start; the decision says who will.
  void address() {
    const std::int64_t nodes = out_.job.num_nodes;
    const bool ours = rules_.address_from.empty();
    const std::string what = !ours ? rules_.address : nodes == 1 && seen() ? "the loopback address" : "an address that the others reach";
    if (!out_.job.main_address)
      out_.decisions.push_back(
          {.field = "main_address",
           .value = Value(),
           .rule = "bound-at-start",
           .because = "bound at start by " + (ours ? "the controller" : rules_.address_from) + "; " + count_of(nodes, "node") + ": " + what,
           .inputs = {{"num_nodes", nodes}}});
    if (!out_.job.main_port)
      out_.decisions.push_back(
          {.field = "main_port",
           .value = Value(),
           .rule = "bound-at-start",
           .because =
               "bound at start by " +
               (rules_.port_from.empty() ? "the agent of node 0, which holds a free port from before the ranks start" : rules_.port_from)});
  }

  bool cuda() const { return out_.job.accelerator == Accelerator::cuda; }

  const NodeShape& shape_of(const Machine& machine) const { return out_.nodes[static_cast<std::size_t>(&machine - machines_.data())]; }

  bool alone() const { return spec_.program && spec_.program->contract == Contract::none; }
  // Of one node; without a contract one process a node has all devices.
  std::int64_t ranks_on(std::size_t machine) const { return alone() ? 1 : out_.nodes[machine].devices.count; }
  // CPUs of each rank.
  std::int64_t share(std::size_t machine) const {
    return usable_cpus(*machines_[machine].host) / std::max<std::int64_t>(1, ranks_on(machine));
  }

  template <class Of>
  const Machine* first_where(Of&& of) const {
    const auto found = std::find_if(machines_.begin(), machines_.end(), of);
    return found == machines_.end() ? nullptr : &*found;
  }
  template <class Of>
  bool all_alike(Of&& of) const {
    return std::all_of(machines_.begin(), machines_.end(), [&](const Machine& m) { return of(m) == of(machines_.front()); });
  }
  // One number where they agree, else that of each host.
  template <class Of>
  Value of_all(Of&& of) const {
    Value out;
    if (all_alike(of)) {
      out = of(machines_.front());
      return out;
    }
    out = Value::array();
    for (const Machine& machine : machines_)
      for (std::int64_t i = 0; i < machine.nodes; ++i) out.as_array().emplace_back(of(machine));
    return out;
  }
  // 2 GPUs; or of hosts that differ: gpu1 4, gpu2 2 GPUs
  std::string gpus_in_words(const std::string& noun) const {
    if (all_alike([](const Machine& m) { return m.gpus(); }))
      return count_of(machines_.front().gpus(), noun) + (machines_.front().names.size() > 1 || machines_.size() > 1 ? " on each host" : "");
    std::string text;
    for (const Machine& machine : machines_)
      text += (text.empty() ? "" : ", ") + names_in_words(machine.names) + ' ' + std::to_string(machine.gpus());
    return text + ' ' + noun + 's';
  }

  const JobSpec& spec_;
  std::vector<Machine> machines_;
  Diagnostics& diagnostics_;
  const BackendRules& rules_;
  Resolution out_;
  std::size_t tight_ = 0;   // of machines_, where a rank has the fewest CPUs
  std::int64_t ranks_ = 1;  // of a node there
  std::int64_t world_ = 0;
  std::optional<std::int64_t> fewest_bound_cpus_;  // of a rank, where ranks are bound
};

}  // namespace

std::optional<Resolution> resolve_auto(const JobSpec& job, const Hardware& hardware, Diagnostics& diagnostics, const BackendRules& rules) {
  assert(!hardware.groups.empty());
  std::vector<Machine> machines = machines_of(job, hardware, diagnostics);
  if (machines.empty()) return std::nullopt;
  return Resolver(job, std::move(machines), diagnostics, rules).run();
}

std::optional<std::int64_t> threads_in(std::string_view omp_num_threads) {
  constexpr std::int64_t most = 4096;  // as job.schema.json has it
  const char* const behind = omp_num_threads.data() + omp_num_threads.size();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(omp_num_threads.data(), behind, number);
  const bool good = error == std::errc() && end == behind && number >= 1 && number <= most;
  return good ? std::optional(number) : std::nullopt;
}

}  // namespace fabric
