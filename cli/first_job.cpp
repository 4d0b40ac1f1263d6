#include "cli/first_job.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/job_as_yaml.hpp"
#include "schema/catalog.hpp"

namespace fabric {
namespace {

struct Line {
  std::string text;
  std::string why;
};

constexpr std::size_t widest_text = 48;  // columns that reasons line up behind

std::string counted(std::size_t n, std::string_view noun) { return std::to_string(n) + ' ' + std::string(noun) + (n == 1 ? "" : "s"); }

std::string gpus_of(const Host& host) {
  std::string text = counted(host.gpus.size(), "GPU");
  const bool alike = std::all_of(host.gpus.begin(), host.gpus.end(), [&](const Gpu& gpu) { return gpu.name == host.gpus.front().name; });
  return alike ? text + " (" + host.gpus.front().name + ")" : text;
}

std::string cpus_of(const Host& host) {
  std::string text = counted(host.cpus.size(), "CPU");
  if (host.cpu_quota) text += ", of which its control group allows the time of " + yaml_flow(Value(*host.cpu_quota));
  return text;
}

bool alone(const FirstJob& job) { return !job.script.empty() && !job.look.joins_ranks && !job.look.starts_ranks; }

std::string contract_of(const FirstJob& job) {
  if (job.look.starts_ranks) return "none";
  return job.look.lightning_fabric && !job.look.launches ? "fabric-cli" : "torchrun";
}

// What `devices` is to be, and why.
Line devices(const FirstJob& job) {
  const auto gpus = static_cast<std::int64_t>(job.host.gpus.size());
  if (alone(job)) return {"1", "the script names nothing by which ranks find each other: each of several would do all the work"};
  if (job.look.starts_ranks && gpus > 0) return {std::to_string(gpus), "all GPUs of this machine are shown to the one process"};
  if (gpus > 0) return {std::to_string(gpus), "one rank for each GPU here; auto takes all that are visible"};
  return {"1", "ranks: one uses all of a CPU, and a number starts so many"};
}

void program(const FirstJob& job, std::vector<Line>& lines) {
  lines.push_back({"program:", "what each rank starts"});
  if (!job.script.empty()) {
    lines.push_back({"  script: " + yaml_flow(Value(job.script)), "counts from this file's folder"});
    if (!job.python.empty()) lines.push_back({"  python: " + yaml_flow(Value(job.python)), "the virtual environment that stands there"});
    else lines.push_back({"  # python: python3", "by default the virtual environment that is active, else python3"});
  } else {
    lines.push_back({"  command: " + yaml_flow(Value(Value::Array{Value(job.command)})), "counts from this file's folder"});
  }
  lines.push_back({"  # args: {lr: 0.1}", "becomes --lr 0.1; --set program.args.lr=0.2 changes it for one run"});
  const std::string contract = contract_of(job);
  lines.push_back({"  contract: " + contract, contract == "none" ? "the script starts processes of its own: it runs once"
                                              : contract == "fabric-cli"
                                                  ? "the script makes a Fabric object and never calls launch()"
                                                  : "ranks find RANK, WORLD_SIZE, MASTER_ADDR, ... as under torchrun"});
  if (!job.look.local_rank_option.empty() && !job.look.local_rank_variable && contract != "none")
    lines.push_back({"  local_rank_option: " + job.look.local_rank_option, "the script parses it, and does not read LOCAL_RANK"});
  if (!job.cwd.empty()) lines.push_back({"  cwd: " + yaml_flow(Value(job.cwd)), "where ranks start; by default in this file's folder"});
}

void training(const FirstJob& job, std::vector<Line>& lines) {
  const auto gpus = static_cast<std::int64_t>(job.host.gpus.size());
  const bool bfloat16 = gpus > 0 && std::all_of(job.host.gpus.begin(), job.host.gpus.end(), has_bfloat16);
  if (bfloat16) lines.push_back({"precision: bf16-mixed", "weights in 32 bits, computing in bfloat16, which these GPUs have"});
  else lines.push_back({"precision: 32-true", gpus > 0 ? "these GPUs lack bfloat16" : "the safe choice on a CPU"});
  const std::int64_t ranks = std::max<std::int64_t>(gpus, 1);
  lines.push_back({"train:", "fabric's own runtime"});
  lines.push_back({"  task: image_classifier", "a class for each picture"});
  lines.push_back({"  model: cnn", "or mlp; {name: cnn, width: 64} is a wider one"});
  lines.push_back({"  data: " + yaml_flow(Value(job.data)), "a folder in MNIST's format"});
  lines.push_back({"  optimizer: {name: adamw, lr: 0.002}", "or sgd; `fabric explain train.optimizer` has the rest"});
  lines.push_back({"  batch_size: " + std::to_string(128 * ranks), "samples of all ranks together in one step"});
  lines.push_back({"  epochs: 3", "or steps"});
  lines.push_back({"checkpoint: {every: 1 epoch, keep: 2}", "in runs/" + job.name + "/ID/checkpoints; `fabric resume` goes on from it"});
  lines.push_back({"seed: 1", "the same numbers give the same weights"});
}

}  // namespace

std::string first_job_text(const FirstJob& job) {
  const bool gpu = !job.host.gpus.empty();
  const Line count = devices(job);
  std::vector<Line> lines = {
      {"fabric: 1", "the version of this language"},
      {"name: " + yaml_flow(Value(job.name)), "runs are kept in runs/" + job.name},
      {"accelerator: auto",
       gpu ? "here cuda: this machine shows " + gpus_of(job.host) : "here cpu: this machine shows no usable GPU, and " + cpus_of(job.host)},
      {"devices: " + count.text, count.why},
  };
  if (job.data.empty()) program(job, lines);
  else training(job, lines);
  const std::size_t written = lines.size();
  lines.insert(lines.end(), {{"# env: {NCCL_DEBUG: WARN}", "variables for every rank"},
                             {"# restart: 3", "so often all ranks start again when one has failed"},
                             {"# stall: 10m", "after so long a silence, say which rank the others wait for"},
                             {"# time_limit: 36h", "stop in order then, restarts included"}});
  std::size_t column = 0;
  for (const Line& line : lines)
    if (line.text.size() <= widest_text) column = std::max(column, line.text.size());
  std::string text = "# `fabric plan " + job.file + "` shows what this runs here, `fabric apply " + job.file +
                     "` runs it, and `fabric explain FIELD` says\n# more of each field.\n";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i == written) text += "\n# Take the # away from what you want.\n";
    text +=
        lines[i].text + std::string(lines[i].text.size() < column ? column - lines[i].text.size() : 0, ' ') + "  # " + lines[i].why + '\n';
  }
  return text;
}

std::string first_job_summary(const FirstJob& job) {
  const std::size_t gpus = job.host.gpus.size();
  const bool one = alone(job) || job.look.starts_ranks || gpus == 0;
  std::string text = counted(one ? 1 : gpus, "rank");
  if (gpus == 0) text += " on the CPU";
  else text += one && alone(job) ? " on one GPU" : " on " + gpus_of(job.host);
  return job.data.empty() ? text + ", contract " + contract_of(job) : text;
}

}  // namespace fabric
