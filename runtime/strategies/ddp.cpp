// Distributed data parallel on c10d's Reducer: gradients travel in buckets while the backward pass still computes.
#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "runtime/failure.hpp"
#include "runtime/strategies/strategy.hpp"

namespace fabric {
namespace {

// PyTorch's own limits: a small first bucket, so that the first gradients leave early.
constexpr std::size_t first_bucket_bytes = 1 << 20;
constexpr std::size_t bucket_bytes = 25 << 20;

using Buckets = std::vector<std::vector<std::size_t>>;

// The constructor differs between versions: 2.8 lacks the last argument. A template, so that the form that does not exist is
// not compiled.
template <class Reducer>
std::unique_ptr<Reducer> make_reducer(std::vector<at::Tensor> parameters, Buckets buckets, c10::intrusive_ptr<c10d::ProcessGroup> group,
                                      std::vector<bool> sparse, std::unordered_map<std::size_t, std::string> names) {
  const auto cap = static_cast<std::int64_t>(bucket_bytes);
  const auto first = static_cast<std::int64_t>(first_bucket_bytes);
  if constexpr (std::is_constructible_v<Reducer, std::vector<at::Tensor>, Buckets, c10::intrusive_ptr<c10d::ProcessGroup>,
                                        std::vector<bool>, std::int64_t, bool, bool, std::unordered_map<std::size_t, std::string>,
                                        std::int64_t, bool, bool, std::vector<std::int64_t>>)
    return std::make_unique<Reducer>(std::move(parameters), std::move(buckets), std::move(group), std::move(sparse), cap, false, true,
                                     std::move(names), first, false, false, std::vector<std::int64_t>{});
  else
    return std::make_unique<Reducer>(std::move(parameters), std::move(buckets), std::move(group), std::move(sparse), cap, false, true,
                                     std::move(names), first, false, false);
}

class Ddp : public ParallelStrategy {
 public:
  Ddp(const std::vector<NamedTensor>& named, const RankGroup& group) {
    std::vector<at::Tensor> parameters;
    std::unordered_map<std::size_t, std::string> names;
    for (const NamedTensor& parameter : named) {
      names[parameters.size()] = parameter.name;
      parameters.push_back(parameter.tensor);
    }
    c10d::verify_params_across_processes(group.handle(), parameters, std::nullopt);
    {
      const at::NoGradGuard no_grad;
      c10d::broadcast_coalesced(group.handle(), parameters, bucket_bytes);
    }
    const std::vector<bool> sparse(parameters.size(), false);
    auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(parameters, {first_bucket_bytes, bucket_bytes}, sparse);
    std::reverse(buckets.begin(), buckets.end());  // gradients come last layer first
    reducer_ = make_reducer<c10d::Reducer>(parameters, buckets, group.handle(), sparse, names);
  }

  // The first pass goes by buckets in the order of the parameters, all later ones in the order in which gradients became ready; the
  // place in a bucket decides in which order Gloo adds up.
  bool needs_settling() const override { return true; }

  void before_forward(bool last) override {
    if (!last) return;
    reducer_->prepare_for_forward();
    reducer_->rebuild_buckets();
  }

  void backward(const at::Tensor& loss, bool last) override {
    if (last) reducer_->prepare_for_backward({});
    loss.backward();
  }

 private:
  std::unique_ptr<c10d::Reducer> reducer_;
};

}  // namespace

std::unique_ptr<ParallelStrategy> make_ddp(const std::vector<NamedTensor>& parameters, const RankGroup& group) {
  return std::make_unique<Ddp>(parameters, group);
}

}  // namespace fabric
