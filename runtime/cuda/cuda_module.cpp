#include "runtime/cuda/cuda_module.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <string>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "runtime/cuda/nccl_module.hpp"
#include "runtime/failure.hpp"

namespace fabric {
namespace {

void* module = nullptr;

template <class Function>
Function* symbol(const char* name) {
  void* found = module ? ::dlsym(module, name) : nullptr;
  if (!found) throw Failure(FailureClass::internal, std::string("the CUDA module has no ") + name);
  return reinterpret_cast<Function*>(found);
}

}  // namespace

void open_cuda_module() {
  if (module) return;
  const std::filesystem::path file = std::filesystem::read_symlink("/proc/self/exe").parent_path() / FABRIC_CUDA_MODULE;
  // Global, for LibTorch finds its own CUDA parts by the registrations that loading them makes. Never closed.
  module = ::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!module)
    throw Failure(FailureClass::device,
                  std::string("CUDA cannot be used: ") + ::dlerror() +
                      "; install torch with all its dependencies into the folder that FABRIC_TORCH names, and build again");
}

at::Device take_cuda_device(std::int64_t local_rank) {
  const int count = symbol<decltype(fabric_cuda_device_count)>("fabric_cuda_device_count")();
  if (count == 0)
    throw Failure(FailureClass::device, "no CUDA device can be used; does nvidia-smi see one, and is CUDA_VISIBLE_DEVICES right?");
  const std::int64_t index = count == 1 ? 0 : local_rank;
  if (index >= count)
    throw Failure(FailureClass::device,
                  "local rank " + std::to_string(local_rank) + " has no CUDA device: " + std::to_string(count) + " are visible");
  symbol<decltype(fabric_cuda_set_device)>("fabric_cuda_set_device")(static_cast<int>(index));
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                                    std::chrono::milliseconds timeout) {
  c10::intrusive_ptr<c10d::Store> shared = store;
  const auto make = symbol<decltype(fabric_make_nccl_backend)>("fabric_make_nccl_backend");
  return c10::intrusive_ptr<c10d::Backend>::reclaim(make(shared.release(), rank, size, timeout.count()));
}

}  // namespace fabric
