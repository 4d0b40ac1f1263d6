// The door to CUDA and NCCL: a module that is opened at run time, so that a CPU run neither needs nor loads them. Compiled without a
// CUDA toolkit, and never run so far: no machine with a GPU was at hand.
#pragma once

#include <chrono>

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace fabric {

// Loads the module from beside the running program. It must come before any seed, generator or device query: LibTorch remembers for
// good that there is no CUDA when it is asked too early. Throws Failure(device) that says what is missing.
void open_cuda_module();

// The device of a rank: its own if the agent shows it one alone, else the one with the index local_rank. Makes it the current device of
// this thread. Throws Failure(device) if there is none. Only after open_cuda_module.
at::Device take_cuda_device(std::int64_t local_rank);

// Collectives by NCCL on the current device. Waits for all ranks. Throws what c10d throws.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                                    std::chrono::milliseconds timeout);

}  // namespace fabric
