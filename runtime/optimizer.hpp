// How weights follow gradients: SGD and AdamW with the arithmetic of torch.optim, on LibTorch's fused kernels. What an optimizer
// remembers is named as PyTorch names it, so that a checkpoint can hold it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/named_tensor.hpp"
#include "schema/job.hpp"

namespace fabric {

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  // Changes the parameters by their gradients, then forgets the gradients. lr: of this step.
  virtual void step(double lr) = 0;
  virtual void forget_gradients() = 0;
  // What must be kept to go on: exp_avg, exp_avg_sq or momentum_buffer of each parameter, as NAME.exp_avg. Empty if nothing is
  // remembered. The tensors are those in use: copying into them restores a state.
  virtual std::vector<NamedTensor> state() = 0;
  // Steps made; with state() all that is remembered.
  virtual std::int64_t steps_made() const = 0;
  virtual void set_steps_made(std::int64_t steps) = 0;
};

// sgd: g' = g + weight_decay w;  v = momentum v + g' (first step: v = g');  w = w - lr v, or w - lr g' without momentum.
//   Source: torch.optim.SGD with dampening 0, nesterov off.
// adamw: w = w (1 - lr weight_decay);  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
//   w = w - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps), t counted from 1. Source: torch.optim.AdamW, amsgrad off.
std::unique_ptr<UpdateRule> make_update_rule(const Optimizer& options, const std::vector<NamedTensor>& parameters);

}  // namespace fabric
