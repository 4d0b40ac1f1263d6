// What is learnt: a task owns its data and its network, and knows no rank, optimizer or file of the run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/data/batch_pipeline.hpp"
#include "runtime/data/idx_dataset.hpp"
#include "runtime/named_tensor.hpp"
#include "schema/job.hpp"

namespace fabric {

// Sums over the samples of an evaluation, so that those of several batches and ranks may be added up.
struct Tally {
  double loss = 0;
  double correct = 0;
  double samples = 0;
};

class Task {
 public:
  virtual ~Task() = default;
  virtual std::int64_t sample_count(Split split) const = 0;
  // The samples with these indices, on the CPU. Called in the threads of a batch pipeline, several at a time.
  virtual Batch batch(Split split, std::span<const std::int64_t> indices) const = 0;
  // What is trained, in the order in which PyTorch lists it and by its names.
  virtual const std::vector<NamedTensor>& parameters() const = 0;
  // Mean loss over a batch on the device of the parameters: a scalar with a gradient.
  virtual at::Tensor loss(const Batch& batch) const = 0;
  // Called without gradients being recorded.
  virtual Tally evaluate(const Batch& batch) const = 0;
};

// Reads the data, and draws the weights from the CPU's default generator in dtype. Throws Failure(data).
std::unique_ptr<Task> make_task(const Train<Resolved>& train, at::ScalarType dtype, at::Device device);

}  // namespace fabric
