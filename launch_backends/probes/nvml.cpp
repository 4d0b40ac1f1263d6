#include "launch_backends/probes/nvml.hpp"

#include <dlfcn.h>

#include "launch_backends/probes/untrusted_text.hpp"

namespace fabric {
namespace {

Diagnostic unusable(std::string message, std::string help) {
  return {.severity = Severity::warning, .code = "FAB4030", .message = std::move(message), .help = std::move(help)};
}

// True if the library has the call.
template <class Function>
bool find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

std::optional<Nvml> Nvml::open(const std::string& library, Diagnostics& diagnostics) {
  Nvml nvml;
  nvml.library_.reset(dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL));
  if (!nvml.library_) {
    const char* error = dlerror();
    const std::string why = valid_utf8(error ? error : "");
    // A machine without a driver is nothing to talk about; a library that is there and does not open is.
    if (why.find("No such file or directory") == std::string::npos)
      diagnostics.add(unusable("NVIDIA GPUs are not usable: the driver's library does not open: " + why,
                               "install the NVIDIA driver again, or in a container take the libraries of the host's driver"));
    return std::nullopt;
  }
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  std::string missing;
  const auto need = [&](const char* name, auto*& function) {
    if (!find(nvml.library_.get(), name, function)) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  need("nvmlInit_v2", init);
  need("nvmlShutdown", shutdown);
  need("nvmlDeviceGetCount_v2", nvml.device_count);
  need("nvmlDeviceGetHandleByIndex_v2", nvml.device_by_index);
  need("nvmlDeviceGetName", nvml.device_name);
  need("nvmlDeviceGetUUID", nvml.device_uuid);
  need("nvmlDeviceGetMemoryInfo", nvml.device_memory);
  need("nvmlDeviceGetCudaComputeCapability", nvml.device_capability);
  if (!missing.empty()) {
    diagnostics.add(unusable("NVIDIA GPUs are not usable: " + library + " lacks " + missing, "install a newer NVIDIA driver"));
    return std::nullopt;
  }
  find(nvml.library_.get(), "nvmlErrorString", nvml.error_string_);
  find(nvml.library_.get(), "nvmlSystemGetDriverVersion", nvml.driver_version);
  find(nvml.library_.get(), "nvmlDeviceGetPciInfo_v3", nvml.device_pci);
  find(nvml.library_.get(), "nvmlDeviceGetMigMode", nvml.device_mig_mode);
  find(nvml.library_.get(), "nvmlDeviceGetHandleByUUID", nvml.device_by_uuid);
  find(nvml.library_.get(), "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", nvml.device_of_mig_slice);
  find(nvml.library_.get(), "nvmlDeviceGetComputeRunningProcesses_v3", nvml.device_processes);
  const int answer = init();
  if (answer == nvml_success) {
    nvml.library_.get_deleter().shutdown = shutdown;
    return nvml;
  }
  const bool no_driver = answer == nvml_driver_not_loaded || answer == nvml_library_not_found || answer == nvml_not_found;
  if (!no_driver)
    diagnostics.add({.severity = Severity::warning,
                     .code = "FAB4031",
                     .message = "NVIDIA GPUs are not usable: the driver answers \"" + nvml.describe(answer) + '"',
                     .help = nvml_way_out(answer)});
  return std::nullopt;
}

void CloseNvml::operator()(void* library) const {
  if (shutdown) shutdown();
  dlclose(library);
}

std::string Nvml::describe(int error) const {
  const char* words = error_string_ ? error_string_(error) : nullptr;
  const std::string number = "NVML error " + std::to_string(error);
  return words ? valid_utf8(words) + " (" + number + ')' : number;
}

std::string nvml_way_out(int error) {
  switch (error) {
    case nvml_no_permission:
      return "this user may not open /dev/nvidia*: ask for GPUs in the batch job or container, or for access to them";
    case nvml_gpu_is_lost: return "the GPU has fallen off the bus: `dmesg | grep -i xid` tells why; restart the machine";
    case nvml_reset_required: return "reset the GPU as root with `nvidia-smi --gpu-reset`, or restart the machine";
    case nvml_version_mismatch: return "the driver was updated while the old one was loaded: restart the machine";
    default: return "`nvidia-smi` shows what the driver itself says";
  }
}

}  // namespace fabric
