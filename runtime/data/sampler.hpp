// Which samples a rank takes, in which order: the same indices as torch.utils.data.DistributedSampler(shuffle=True, seed,
// drop_last=False) after set_epoch(epoch). A place in the order is (epoch, position), so a resumed run takes the same samples.
#pragma once

#include <cstdint>
#include <vector>

namespace fabric {

class DistributedSampler {
 public:
  // n samples over world ranks. Needs n >= 1 and 0 <= rank < world.
  DistributedSampler(std::int64_t n, std::int64_t world, std::int64_t rank, std::int64_t seed);

  // ceil(n / world): every rank takes as many. The order is padded by itself from its start where n is not a multiple.
  std::int64_t samples_per_rank() const { return per_rank_; }

  // A permutation by a generator seeded with seed + epoch (epochs count from 0), padded; then every world-th index from rank on.
  std::vector<std::int64_t> indices(std::int64_t epoch) const;

 private:
  std::int64_t n_, world_, rank_, seed_, per_rank_;
};

// The share of rank when n samples are looked at once each, for evaluation: rank, rank + world, ...: no padding, so that no sample
// is counted twice; ranks may differ by one sample, or have none.
std::vector<std::int64_t> evaluation_indices(std::int64_t n, std::int64_t world, std::int64_t rank);

}  // namespace fabric
