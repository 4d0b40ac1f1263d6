#include "runtime/training_state.hpp"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <charconv>
#include <cstdio>
#include <map>
#include <set>

#include "runtime/failure.hpp"

namespace fabric {
namespace {

constexpr std::string_view optimizer_prefix = "optim.";

[[noreturn]] void refuse(const std::string& path, const std::string& what) { throw Failure(FailureClass::checkpoint, path + ": " + what); }

std::string exact(double number) {
  char text[64];
  return std::string(text, std::to_chars(text, text + sizeof text, number).ptr);
}

template <class T>
T number(const Checkpoint& checkpoint, const std::string& path, const std::string& key) {
  const auto found = checkpoint.metadata.find(key);
  if (found == checkpoint.metadata.end()) refuse(path, "not a checkpoint of a training run: its metadata has no " + key);
  const std::string& text = found->second;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) refuse(path, "its metadata " + key + " is '" + text + "', not a number");
  return value;
}

std::string to_hex(const at::Tensor& bytes) {
  constexpr char digits[] = "0123456789abcdef";
  const std::uint8_t* data = bytes.const_data_ptr<std::uint8_t>();
  std::string hex;
  hex.reserve(2 * static_cast<std::size_t>(bytes.numel()));
  for (std::int64_t i = 0; i < bytes.numel(); ++i) {
    hex += digits[data[i] >> 4];
    hex += digits[data[i] & 15];
  }
  return hex;
}

at::Tensor from_hex(const std::string& hex, const std::string& path) {
  const at::Tensor bytes = at::empty({static_cast<std::int64_t>(hex.size() / 2)}, at::TensorOptions().dtype(at::kByte));
  std::uint8_t* data = bytes.mutable_data_ptr<std::uint8_t>();
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    if (std::from_chars(hex.data() + i, hex.data() + i + 2, *data++, 16).ptr != hex.data() + i + 2)
      refuse(path, "its metadata rng_cpu is not hexadecimal");
  return bytes;
}

// What must be the same in the run that goes on, and how it is named to the user.
std::map<std::string, std::string> fingerprint(const Plan& plan) {
  const Train<Resolved>& train = *plan.job.train;
  return {{"model", std::string(name_of(train.model.name))},
          {"optimizer", std::string(name_of(train.optimizer.name))},
          {"precision", std::string(name_of(plan.job.precision))},
          {"seed", std::to_string(plan.job.seed)},
          {"world_size", std::to_string(plan.world_size)},
          {"batch_size", std::to_string(train.batch_size)},
          {"micro_batch_size", std::to_string(train.micro_batch_size)}};
}

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (const std::int64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + ']';
}

using TensorsByName = std::map<std::string, at::Tensor>;

TensorsByName by_name(const Checkpoint& checkpoint) {
  TensorsByName all;
  for (const NamedTensor& named : checkpoint.tensors) all[named.name] = named.tensor;
  return all;
}

const at::Tensor& fitting(const TensorsByName& from, const std::string& path, const std::string& name, const at::Tensor& wanted) {
  const auto found = from.find(name);
  if (found == from.end()) refuse(path, "tensor " + name + " is missing; was it made by another model?");
  if (found->second.sizes() != wanted.sizes())
    refuse(path,
           "tensor " + name + " has shape " + shape_text(found->second.sizes()) + ", and this model needs " + shape_text(wanted.sizes()));
  return found->second;
}

std::vector<NamedTensor> all_tensors(const std::vector<NamedTensor>& parameters, UpdateRule& rule) {
  std::vector<NamedTensor> all = parameters;
  for (NamedTensor& remembered : rule.state())
    all.push_back({std::string(optimizer_prefix) + remembered.name, std::move(remembered.tensor)});
  return all;
}

}  // namespace

Checkpoint capture(const Plan& plan, const LoopState& loop, const std::vector<NamedTensor>& parameters, UpdateRule& rule) {
  Checkpoint checkpoint;
  checkpoint.tensors = all_tensors(parameters, rule);
  checkpoint.metadata = fingerprint(plan);
  checkpoint.metadata["plan_id"] = plan_id(plan);
  checkpoint.metadata["step"] = std::to_string(loop.step);
  checkpoint.metadata["epoch"] = std::to_string(loop.epoch);
  checkpoint.metadata["position"] = std::to_string(loop.position);
  checkpoint.metadata["epoch_loss"] = exact(loop.epoch_loss);
  checkpoint.metadata["epoch_samples"] = exact(loop.epoch_samples);
  checkpoint.metadata["optimizer_step"] = std::to_string(rule.steps_made());
  checkpoint.metadata["rng_cpu"] = to_hex(at::globalContext().defaultGenerator(at::kCPU).get_state());
  return checkpoint;
}

LoopState restore(const Checkpoint& checkpoint, const std::string& path, const Plan& plan, const std::vector<NamedTensor>& parameters,
                  UpdateRule& rule) {
  if (!checkpoint.metadata.contains("sha256")) refuse(path, "not a checkpoint of a training run: its metadata has no sha256");
  LoopState loop;
  loop.step = number<std::int64_t>(checkpoint, path, "step");
  loop.epoch = number<std::int64_t>(checkpoint, path, "epoch");
  loop.position = number<std::int64_t>(checkpoint, path, "position");
  loop.epoch_loss = number<double>(checkpoint, path, "epoch_loss");
  loop.epoch_samples = number<double>(checkpoint, path, "epoch_samples");
  const std::int64_t optimizer_step = number<std::int64_t>(checkpoint, path, "optimizer_step");
  for (const auto& [key, value] : fingerprint(plan)) {
    const auto stated = checkpoint.metadata.find(key);
    if (stated == checkpoint.metadata.end()) refuse(path, "its metadata has no " + key);
    if (stated->second != value) refuse(path, "it was made with " + key + ' ' + stated->second + ", and this run has " + value);
  }
  const auto rng = checkpoint.metadata.find("rng_cpu");
  const at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
  if (rng == checkpoint.metadata.end() || rng->second.size() != 2 * static_cast<std::size_t>(generator.get_state().numel()))
    refuse(path, "its metadata rng_cpu is not a state of this version's generator");
  const at::Tensor generator_state = from_hex(rng->second, path);

  const std::vector<NamedTensor> wanted = all_tensors(parameters, rule);
  const TensorsByName stored = by_name(checkpoint);
  std::vector<at::Tensor> sources;
  std::set<std::string> known;
  for (const NamedTensor& named : wanted) {
    sources.push_back(fitting(stored, path, named.name, named.tensor));
    known.insert(named.name);
    if (sources.back().scalar_type() != named.tensor.scalar_type()) refuse(path, "tensor " + named.name + " is of another number format");
  }
  for (const auto& [name, tensor] : stored)
    if (!known.contains(name)) refuse(path, "tensor " + name + " has no place in this model and optimizer");

  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i].tensor.copy_(sources[i]);
  rule.set_steps_made(optimizer_step);
  at::Generator(generator).set_state(generator_state);
  return loop;
}

void load_initial_weights(const std::string& path, const std::vector<NamedTensor>& parameters) {
  const Checkpoint file = read_checkpoint(path);
  const TensorsByName stored = by_name(file);
  for (const NamedTensor& parameter : parameters) fitting(stored, path, parameter.name, parameter.tensor);
  const at::NoGradGuard no_grad;
  for (const NamedTensor& parameter : parameters) parameter.tensor.copy_(stored.at(parameter.name));
}

}  // namespace fabric
