#include "runtime/cuda/nccl_module.hpp"

#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

extern "C" {

int fabric_cuda_device_count() { return c10::cuda::device_count(); }

void fabric_cuda_set_device(int index) { c10::cuda::set_device(static_cast<c10::DeviceIndex>(index)); }

c10d::Backend* fabric_make_nccl_backend(c10d::Store* store, int rank, int size, std::int64_t timeout_ms) {
  const auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::milliseconds(timeout_ms);
  const auto taken = c10::intrusive_ptr<c10d::Store>::reclaim(store);
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(taken, rank, size, options).release();
}
}
