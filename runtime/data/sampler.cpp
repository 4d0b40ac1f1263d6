#include "runtime/data/sampler.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randperm.h>

#include <cassert>

namespace fabric {

DistributedSampler::DistributedSampler(std::int64_t n, std::int64_t world, std::int64_t rank, std::int64_t seed)
    : n_(n), world_(world), rank_(rank), seed_(seed), per_rank_((n + world - 1) / world) {
  assert(n >= 1 && rank >= 0 && rank < world);
}

std::vector<std::int64_t> DistributedSampler::indices(std::int64_t epoch) const {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(seed_ + epoch));
  const at::Tensor order = at::randperm(n_, generator, at::TensorOptions().dtype(at::kLong));
  const std::int64_t* permutation = order.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> mine;
  mine.reserve(static_cast<std::size_t>(per_rank_));
  for (std::int64_t i = 0; i < per_rank_; ++i) mine.push_back(permutation[(rank_ + i * world_) % n_]);
  return mine;
}

std::vector<std::int64_t> evaluation_indices(std::int64_t n, std::int64_t world, std::int64_t rank) {
  std::vector<std::int64_t> mine;
  for (std::int64_t i = rank; i < n; i += world) mine.push_back(i);
  return mine;
}

}  // namespace fabric
