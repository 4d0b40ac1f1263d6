// The part of NVML's interface that is asked here, as its library exports it, and the library itself while it is open. Declared anew
// because nvml.h is no part of a machine that only runs. Source: NVML API Reference, stable since driver 510 (2022).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "schema/diagnostic.hpp"

namespace fabric {

enum NvmlReturn : int {
  nvml_success = 0,
  nvml_not_supported = 3,
  nvml_no_permission = 4,
  nvml_not_found = 6,
  nvml_insufficient_size = 7,
  nvml_driver_not_loaded = 9,
  nvml_library_not_found = 12,
  nvml_gpu_is_lost = 15,
  nvml_reset_required = 16,
  nvml_version_mismatch = 18,
};

struct NvmlMemory {
  unsigned long long total, free, used;  // bytes
};

struct NvmlPciInfo {
  char bus_id_legacy[16];
  unsigned domain, bus, device, device_id, subsystem_id;
  char bus_id[32];  // 00000000:3B:00.0
};

struct NvmlProcess {
  unsigned pid;
  unsigned long long used_memory;  // bytes; ~0 where unknown
  unsigned gpu_instance, compute_instance;
};

using NvmlDevice = void*;

struct CloseNvml {
  int (*shutdown)() = nullptr;  // set once the library is initialised
  void operator()(void* library) const;
};

// Open and initialised from open() on until it dies. A call that the library lacks is a null pointer.
class Nvml {
 public:
  // nullopt without a diagnostic where there is no library or no driver; with a warning where there is and it cannot be used.
  static std::optional<Nvml> open(const std::string& library, Diagnostics& diagnostics);

  // "GPU is lost (NVML error 15)"
  std::string describe(int error) const;

  int (*device_count)(unsigned*) = nullptr;
  int (*device_by_index)(unsigned, NvmlDevice*) = nullptr;
  int (*device_name)(NvmlDevice, char*, unsigned) = nullptr;
  int (*device_uuid)(NvmlDevice, char*, unsigned) = nullptr;
  int (*device_memory)(NvmlDevice, NvmlMemory*) = nullptr;
  int (*device_capability)(NvmlDevice, int*, int*) = nullptr;
  // These may be absent.
  int (*driver_version)(char*, unsigned) = nullptr;
  int (*device_pci)(NvmlDevice, NvmlPciInfo*) = nullptr;
  int (*device_mig_mode)(NvmlDevice, unsigned*, unsigned*) = nullptr;
  int (*device_by_uuid)(const char*, NvmlDevice*) = nullptr;
  int (*device_of_mig_slice)(NvmlDevice, NvmlDevice*) = nullptr;
  int (*device_processes)(NvmlDevice, unsigned*, NvmlProcess*) = nullptr;

 private:
  Nvml() = default;
  std::unique_ptr<void, CloseNvml> library_;
  const char* (*error_string_)(int) = nullptr;
};

// What a user can do about an error of the driver.
std::string nvml_way_out(int error);

}  // namespace fabric
