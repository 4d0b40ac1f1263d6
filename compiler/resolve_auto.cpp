#include "compiler/resolve_auto.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "compiler/share_batch.hpp"
#include "schema/catalog.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

std::string count_of(std::int64_t n, const std::string& noun) { return std::to_string(n) + ' ' + noun + (n == 1 ? "" : "s"); }

constexpr std::int64_t most_data_workers = 4;  // of a rank, chosen by auto

std::string number(double d) { return canonical_json(Value(d)); }

class Resolver {
 public:
  Resolver(const JobSpec& job, const Host& host, Diagnostics& diagnostics) : spec_(job), host_(host), diagnostics_(diagnostics) {}

  std::optional<Resolution> run() {
    copy_what_is_written();
    accelerator();
    devices();
    num_nodes();
    strategy();
    precision();
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
    if (!is_auto(spec_.accelerator)) out_.written_accelerator = name_of(std::get<Accelerator>(spec_.accelerator));
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
    const auto gpus = static_cast<std::int64_t>(host_.gpus.size());
    settle("accelerator", spec_.accelerator, out_.job.accelerator, [&](Decision& d) {
      d.inputs = {{"host.gpus.count", gpus}};
      if (gpus > 0) {
        d.rule = "gpu-is-visible";
        d.because = count_of(gpus, "usable NVIDIA GPU") + (gpus == 1 ? " is visible" : " are visible");
        d.rejected = {{"cpu", "slower for this work"}};
        return Accelerator::cuda;
      }
      d.rule = "no-gpu";
      d.because = "0 usable NVIDIA GPUs are visible";
      d.rejected = {{"cuda", "needs a visible GPU and its driver"}};
      return Accelerator::cpu;
    });
    if (cuda() && gpus == 0) {
      Diagnostic d{.code = "FAB4002",
                   .message = "accelerator `cuda` needs an NVIDIA GPU, and this machine shows none",
                   .at = Place("accelerator"),
                   .label = "no GPU",
                   .help = "write `accelerator: cpu` or `auto`; `fabric doctor` tells what is missing"};
      diagnostics_.add(std::move(d));
    }
  }

  void devices() {
    const auto gpus = static_cast<std::int64_t>(host_.gpus.size());
    settle("devices", spec_.devices, out_.job.devices, [&](Decision& d) {
      Devices devices;
      if (cuda()) {
        devices.count = std::max<std::int64_t>(gpus, 1);
        d.rule = "all-visible";
        d.inputs = {{"accelerator", "cuda"}, {"host.gpus.count", gpus}};
        d.because = "accelerator cuda, and " + count_of(gpus, "GPU") + (gpus == 1 ? " is" : " are") +
                    " visible; idle ones are bound first, at start";
      } else {
        devices.count = 1;
        d.rule = "one-rank-on-a-cpu";
        d.inputs = {{"accelerator", "cpu"}};
        d.because = "accelerator cpu: one rank uses all cores; write a count for more ranks";
      }
      return devices;
    });
    Devices& devices = out_.job.devices;
    if (!cuda()) {
      if (is_auto(spec_.accelerator) && (!devices.ids.empty() || devices.all))
        diagnostics_.add({.code = "FAB4003",
                          .message = "devices " + devices.str() + " names GPUs, and this machine shows none",
                          .at = Place("devices"),
                          .label = "no GPU here",
                          .help = "write a count of ranks for the CPU, such as `devices: 2`"});
      return;
    }
    if (gpus == 0) return;  // reported by accelerator
    if (devices.all) {      // Lightning's -1: what the user wrote means this number here
      devices = Devices{.count = gpus};
      Decision d{.field = "devices",
                 .value = to_value(devices),
                 .rule = "written-as-all",
                 .because = "all was written, and " + count_of(gpus, "GPU") + (gpus == 1 ? " is" : " are") + " visible"};
      d.inputs = {{"host.gpus.count", gpus}};
      out_.decisions.push_back(std::move(d));
    }
    std::string visible;
    for (const Gpu& gpu : host_.gpus) visible += (visible.empty() ? "" : ", ") + std::to_string(gpu.index);
    for (const std::int64_t id : devices.ids) {
      const bool there = std::any_of(host_.gpus.begin(), host_.gpus.end(), [&](const Gpu& g) { return g.index == id; });
      if (there) continue;
      diagnostics_.add({.code = "FAB4001",
                        .message = "device " + std::to_string(id) + " does not exist: this machine shows " + count_of(gpus, "GPU") + " (" +
                                   visible + ")",
                        .at = Place("devices"),
                        .label = "asks for " + std::to_string(id),
                        .help = "write indices from " + visible + ", or a count"});
    }
    if (devices.ids.empty() && devices.count > gpus)
      diagnostics_.add({.code = "FAB4004",
                        .message = count_of(devices.count, "device") + " asked for, and this machine shows " + count_of(gpus, "GPU"),
                        .at = Place("devices"),
                        .label = "more than " + std::to_string(gpus),
                        .help = "write `devices: " + std::to_string(gpus) + "`, or `auto` for all"});
  }

  void num_nodes() {
    settle("num_nodes", spec_.num_nodes, out_.job.num_nodes, [&](Decision& d) {
      d.rule = "one-machine";
      d.inputs = {{"backend", name_of(spec_.backend)}};
      d.because = "backend " + std::string(name_of(spec_.backend)) + " is this machine alone";
      return std::int64_t{1};
    });
    ranks_ = spec_.program && spec_.program->contract == Contract::none ? 1 : out_.job.devices.count;
    world_ = ranks_ * out_.job.num_nodes;
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
    const auto lowest = std::min_element(host_.gpus.begin(), host_.gpus.end(), [](const Gpu& a, const Gpu& b) {
      return std::pair(a.compute_major, a.compute_minor) < std::pair(b.compute_major, b.compute_minor);
    });
    const bool seen = cuda() && lowest != host_.gpus.end();
    const std::string capability = seen ? std::to_string(lowest->compute_major) + '.' + std::to_string(lowest->compute_minor) : "";
    settle("precision", spec_.precision, out_.job.precision, [&](Decision& d) {
      d.inputs = {{"accelerator", name_of(out_.job.accelerator)}};
      if (!seen) {
        d.rule = "full-on-cpu";
        d.because = "accelerator cpu: 32 bits are the safe choice";
        d.rejected = {{"bf16-mixed", "pays off on few CPUs; write it to have it"}};
        return Precision::fp32_true;
      }
      d.inputs.push_back({"host.gpus.lowest_compute_capability", capability});
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
    if (!is_auto(spec_.precision) && out_.job.precision == Precision::bf16_mixed && seen && !has_bfloat16(*lowest))
      diagnostics_.add({.code = "FAB4006",
                        .message = "precision `bf16-mixed` needs compute capability 8.0, and GPU " + std::to_string(lowest->index) +
                                   " has " + capability,
                        .at = Place("precision"),
                        .label = "no bfloat16 on this GPU",
                        .help = "write `precision: 32-true`, or `auto`"});
  }

  // How many CPUs' worth of time this job may use, and that in words. Reads host.cpus.count and host.cpu_quota.
  std::int64_t cpu_budget(Decision& d, std::string& words) const {
    const auto cpus = std::max<std::int64_t>(1, static_cast<std::int64_t>(host_.cpus.size()));
    d.inputs.push_back({"host.cpus.count", static_cast<std::int64_t>(host_.cpus.size())});
    d.inputs.push_back({"host.cpu_quota", host_.cpu_quota ? Value(*host_.cpu_quota) : Value()});
    words = count_of(static_cast<std::int64_t>(host_.cpus.size()), "CPU") + " in the affinity mask";
    if (!host_.cpu_quota) return cpus;
    words += ", a quota of " + number(*host_.cpu_quota);
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(*host_.cpu_quota)), 1, cpus);
  }

  void threads() {
    settle("threads", spec_.threads, out_.job.threads, [&](Decision& d) {
      std::string words;
      const std::int64_t budget = cpu_budget(d, words);
      d.inputs.push_back({"ranks_per_node", ranks_});
      d.rule = "cpus-per-rank";
      d.because = words + ", " + count_of(ranks_, "rank") + " a node";
      const std::int64_t each = budget / std::max<std::int64_t>(1, ranks_);
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
      const std::int64_t budget = cpu_budget(d, words);
      d.inputs.push_back({"ranks_per_node", ranks_});
      d.inputs.push_back({"threads", out_.job.threads});
      d.rule = "cpus-left";
      d.because = words + ", " + count_of(ranks_, "rank") + " a node with " + count_of(out_.job.threads, "thread") + " each; 1 to " +
                  std::to_string(most_data_workers);
      return std::clamp<std::int64_t>(budget / std::max<std::int64_t>(1, ranks_) - out_.job.threads, 1, most_data_workers);
    });
  }

  // Nobody can know these before the start; the decision says who will.
  void address() {
    const std::int64_t nodes = out_.job.num_nodes;
    if (!out_.job.main_address)
      out_.decisions.push_back({.field = "main_address",
                                .value = Value(),
                                .rule = "bound-at-start",
                                .because = "bound at start by the controller; " + count_of(nodes, "node") +
                                           (nodes == 1 ? ": the loopback address" : ": an address that the others reach"),
                                .inputs = {{"num_nodes", nodes}}});
    if (!out_.job.main_port)
      out_.decisions.push_back({.field = "main_port",
                                .value = Value(),
                                .rule = "bound-at-start",
                                .because = "bound at start by the agent of node 0, which holds a free port from before the ranks start"});
  }

  bool cuda() const { return out_.job.accelerator == Accelerator::cuda; }

  const JobSpec& spec_;
  const Host& host_;
  Diagnostics& diagnostics_;
  Resolution out_;
  std::int64_t ranks_ = 1;
  std::int64_t world_ = 1;
};

}  // namespace

std::optional<Resolution> resolve_auto(const JobSpec& job, const Hardware& hardware, Diagnostics& diagnostics) {
  assert(!hardware.groups.empty());
  return Resolver(job, hardware.groups.front().host, diagnostics).run();
}

}  // namespace fabric
