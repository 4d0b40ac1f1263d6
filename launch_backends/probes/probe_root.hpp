// Where a probe looks: this machine, or a recorded tree of its /proc and /sys, which is how tests show it other machines.
// Whatever is read there is text of others: it may be absent, empty or garbage, and no probe fails because of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schema/diagnostic.hpp"

namespace fabric {

// The two variables by which CUDA chooses and numbers GPUs; absent when not set.
struct CudaVariables {
  std::optional<std::string> visible_devices;  // CUDA_VISIBLE_DEVICES
  std::optional<std::string> device_order;     // CUDA_DEVICE_ORDER

  static CudaVariables of_this_process();
};

struct ProbeRoot {
  std::string path = "/";
  std::string nvml = "libnvidia-ml.so.1";  // as dlopen takes it; empty: GPUs are not looked at, which costs no driver call
  CudaVariables cuda = CudaVariables::of_this_process();

  bool is_this_machine() const { return path == "/"; }
  // The path below the root of an absolute path of the machine.
  std::string at(std::string_view absolute) const;
  // The text of a file, or nullopt if it cannot be read. Files of /proc and /sys have no size of their own; reading stops at 16 MiB.
  std::optional<std::string> read(std::string_view absolute) const;
};

// A warning (FAB4020) that a file of the system does not say what it should, and what is assumed in its place.
Diagnostic misread(std::string_view file, std::string_view assumed);

}  // namespace fabric
