// The ranks of a run as one group: how they meet, add numbers up, and part. The adapter to c10d: LibTorch's changes to it end here
// and in strategies/ddp.cpp.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

#include "runtime/rank_environment.hpp"
#include "schema/units.hpp"

namespace c10d {
class ProcessGroup;
}

namespace fabric {

// A sum over ranks that is under way.
class PendingSum {
 public:
  // Returns when the tensor holds the sum. Throws Failure(communication) if a peer is gone or the group's timeout has passed.
  void wait();

 private:
  friend class RankGroup;
  struct State;
  std::shared_ptr<State> state_;  // none: there was nothing to add
};

class RankGroup {
 public:
  // Waits until all ranks have come. One rank alone needs no store and no socket. CPU tensors travel by Gloo over the network
  // interface that leads to place.main_address, CUDA tensors by NCCL. Throws Failure(communication).
  RankGroup(const RankEnvironment& place, at::Device device, Duration timeout);
  ~RankGroup();
  RankGroup(RankGroup&&) noexcept;

  std::int64_t rank() const { return rank_; }
  std::int64_t size() const { return size_; }

  // Adds tensor up over all ranks, in place. All ranks must ask for the same sums in the same order.
  PendingSum begin_sum(const at::Tensor& tensor);
  void sum(const at::Tensor& tensor) { begin_sum(tensor).wait(); }

  // For c10d's own classes. Only in a group of more than one rank.
  const c10::intrusive_ptr<c10d::ProcessGroup>& handle() const;

  // Returns when all ranks have called it: none closes its connections while another still reads from them.
  void leave();

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::int64_t rank_ = 0, size_ = 1;
};

// Whether an exception out of a collective, or out of a backward pass that runs some, means that peers are out of reach.
bool is_communication_error(const std::exception& error);

// The message of an exception without LibTorch's stack traces: its first line.
std::string first_line(const std::exception& error);

}  // namespace fabric
