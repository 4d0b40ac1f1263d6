// What the module exports, by C names. Pointers carry one reference each way.
#pragma once

#include <cstdint>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

extern "C" {
int fabric_cuda_device_count();                                                                            // 0 without a driver
void fabric_cuda_set_device(int index);                                                                    // throws c10::Error
c10d::Backend* fabric_make_nccl_backend(c10d::Store* store, int rank, int size, std::int64_t timeout_ms);  // throws c10::Error
}
