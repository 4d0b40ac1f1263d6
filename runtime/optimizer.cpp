#include "runtime/optimizer.hpp"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include "runtime/failure.hpp"

namespace fabric {
namespace {

// The parameters of an optimizer and one remembered tensor of each for each of its names.
class Remembered {
 public:
  explicit Remembered(const std::vector<NamedTensor>& parameters) {
    for (const NamedTensor& parameter : parameters) {
      names_.push_back(parameter.name);
      weights.push_back(parameter.tensor.detach());  // the same memory, outside autograd
      owners_.push_back(parameter.tensor);
    }
  }

  std::vector<at::Tensor> zeros() const {
    std::vector<at::Tensor> all;
    for (const at::Tensor& weight : weights) all.push_back(at::zeros_like(weight));
    return all;
  }

  std::vector<at::Tensor> gradients() const {
    std::vector<at::Tensor> all;
    for (const at::Tensor& owner : owners_) {
      // The kernels read memory in order, so both must lie alike; a convolution may leave its gradient in channels-last.
      const at::Tensor& gradient = owner.grad();
      if (!gradient.defined()) throw Failure(FailureClass::internal, "a parameter has no gradient");
      all.push_back(gradient.strides() == owner.strides() ? gradient : gradient.contiguous());
    }
    return all;
  }

  void forget_gradients() {
    for (at::Tensor& owner : owners_) owner.mutable_grad().reset();
  }

  void name(std::vector<NamedTensor>& out, const char* what, const std::vector<at::Tensor>& tensors) const {
    for (std::size_t i = 0; i < tensors.size(); ++i) out.push_back({names_[i] + '.' + what, tensors[i]});
  }

  std::vector<at::Tensor> weights;

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> owners_;
};

class Sgd : public UpdateRule {
 public:
  Sgd(const Optimizer& options, const std::vector<NamedTensor>& parameters) : options_(options), parameters_(parameters) {
    if (options.momentum != 0) velocity_ = parameters_.zeros();
  }

  void step(double lr) override {
    const bool first = steps_ == 0;
    at::_fused_sgd_(parameters_.weights, parameters_.gradients(), velocity_, options_.weight_decay, options_.momentum, lr,
                    /*dampening=*/0, /*nesterov=*/false, /*maximize=*/false, first);
    ++steps_;
    parameters_.forget_gradients();
  }

  void forget_gradients() override { parameters_.forget_gradients(); }

  std::vector<NamedTensor> state() override {
    std::vector<NamedTensor> all;
    parameters_.name(all, "momentum_buffer", velocity_);
    return all;
  }
  std::int64_t steps_made() const override { return steps_; }
  void set_steps_made(std::int64_t steps) override { steps_ = steps; }

 private:
  const Optimizer options_;
  Remembered parameters_;
  std::vector<at::Tensor> velocity_;  // none without momentum
  std::int64_t steps_ = 0;
};

class AdamW : public UpdateRule {
 public:
  AdamW(const Optimizer& options, const std::vector<NamedTensor>& parameters)
      : options_(options), parameters_(parameters), mean_(parameters_.zeros()), square_(parameters_.zeros()) {
    set_steps_made(0);
  }

  void step(double lr) override {
    at::_foreach_add_(step_counts_, 1);
    at::_fused_adamw_(parameters_.weights, parameters_.gradients(), mean_, square_, /*max_exp_avg_sqs=*/{}, step_counts_, lr,
                      options_.betas[0], options_.betas[1], options_.weight_decay, options_.eps, /*amsgrad=*/false, /*maximize=*/false);
    ++steps_;
    parameters_.forget_gradients();
  }

  void forget_gradients() override { parameters_.forget_gradients(); }

  std::vector<NamedTensor> state() override {
    std::vector<NamedTensor> all;
    parameters_.name(all, "exp_avg", mean_);
    parameters_.name(all, "exp_avg_sq", square_);
    return all;
  }
  std::int64_t steps_made() const override { return steps_; }
  void set_steps_made(std::int64_t steps) override {
    steps_ = steps;
    step_counts_.clear();
    for (const at::Tensor& weight : parameters_.weights)
      step_counts_.push_back(at::full({}, static_cast<double>(steps), at::TensorOptions().dtype(at::kFloat).device(weight.device())));
  }

 private:
  const Optimizer options_;
  Remembered parameters_;
  std::vector<at::Tensor> mean_, square_;
  std::vector<at::Tensor> step_counts_;  // the kernel wants a tensor for each parameter
  std::int64_t steps_ = 0;
};

}  // namespace

std::unique_ptr<UpdateRule> make_update_rule(const Optimizer& options, const std::vector<NamedTensor>& parameters) {
  switch (options.name) {
    case OptimizerName::sgd: return std::make_unique<Sgd>(options, parameters);
    case OptimizerName::adamw: return std::make_unique<AdamW>(options, parameters);
  }
  throw Failure(FailureClass::internal, "an optimizer without code");
}

}  // namespace fabric
