// How ranks work together on one step. Each strategy is a case of make_strategy and a file beside this one.
#pragma once

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/named_tensor.hpp"
#include "runtime/process_group.hpp"
#include "schema/job.hpp"

namespace fabric {

class ParallelStrategy {
 public:
  virtual ~ParallelStrategy() = default;
  // Whether the first backward pass differs from later ones in how ranks add up, so that a run which is resumed would round
  // differently from one that never stopped. Then a pass whose gradients are thrown away must come first.
  virtual bool needs_settling() const { return false; }
  // Before the forward pass of each micro-batch. last: after its backward pass the optimizer steps.
  virtual void before_forward(bool last) = 0;
  // Adds the gradient of loss to those of the parameters. After the last micro-batch of a step they are the mean over ranks.
  // Throws Failure(communication) if a peer is lost.
  virtual void backward(const at::Tensor& loss, bool last) = 0;
};

// The parameters of all ranks become those of rank 0; Failure(internal) if their shapes differ.
std::unique_ptr<ParallelStrategy> make_strategy(Strategy name, const std::vector<NamedTensor>& parameters, const RankGroup& group);

std::unique_ptr<ParallelStrategy> make_single();
std::unique_ptr<ParallelStrategy> make_ddp(const std::vector<NamedTensor>& parameters, const RankGroup& group);

}  // namespace fabric
