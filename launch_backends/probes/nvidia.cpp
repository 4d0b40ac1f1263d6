#include "launch_backends/probes/nvidia.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "launch_backends/probes/gpu_holder.hpp"
#include "launch_backends/probes/meminfo.hpp"
#include "launch_backends/probes/nvml.hpp"
#include "launch_backends/probes/untrusted_text.hpp"
#include "launch_backends/probes/visible_devices.hpp"
#include "schema/joined.hpp"

namespace fabric {
namespace {

using Text = std::array<char, 96>;  // NVML's longest, a device's name in its second version

std::string text_of(Text& text) {
  text.back() = '\0';
  return valid_utf8(text.data());
}

// A GPU that the driver counts. handle is null where it cannot be asked, and it keeps its place so that the others keep their numbers.
struct Device {
  NvmlDevice handle = nullptr;
  NvmlDevice whole = nullptr;  // the GPU that a MIG slice is a part of, else the same
  std::string name;
  std::string uuid;
  bool divided = false;  // in MIG mode: only its slices compute
};

class Driver {
 public:
  Driver(const ProbeRoot& root, Diagnostics& diagnostics) : root_(root), diagnostics_(diagnostics) {
    if (!root.nvml.empty()) nvml_ = Nvml::open(root.nvml, diagnostics);
  }

  bool is_open() const { return nvml_.has_value(); }

  std::optional<std::string> version() {
    Text text{};
    if (!has(nvml_->driver_version, "nvmlSystemGetDriverVersion", "the driver's version is unknown")) return std::nullopt;
    if (!succeeds("the NVIDIA driver", "nvmlSystemGetDriverVersion", nvml_->driver_version(text.data(), 80))) return std::nullopt;
    return text_of(text);
  }

  // By CUDA's ordinal.
  std::vector<Device> visible() {
    const auto& variable = root_.cuda.visible_devices;
    if (variable && variable->starts_with("MIG-")) return one_slice(variable->substr(0, variable->find(',')));
    const std::vector<Device> all = every();
    std::vector<std::string> uuids;
    for (const Device& device : all) uuids.push_back(device.uuid);
    const VisibleGpus chosen = visible_devices(variable, uuids);
    if (!chosen.problem.empty()) warn_of_variable(*variable, chosen.problem);
    if (!variable || !variable->starts_with("GPU-")) warn_of_order(all);
    std::vector<Device> visible;
    for (const std::size_t position : chosen.order) visible.push_back(all[position]);
    return visible;
  }

  std::optional<Gpu> facts(std::int64_t index, const Device& device) {
    if (!device.handle) return std::nullopt;
    const std::string who = "GPU " + std::to_string(index) + (device.name.empty() ? "" : " (" + device.name + ')');
    if (device.divided) {
      diagnostics_.add({.severity = Severity::warning,
                        .code = "FAB4033",
                        .message = who + " is divided into MIG slices and is left out; CUDA shows a program one slice at most",
                        .help = "choose a slice by its UUID, which `nvidia-smi -L` lists: export CUDA_VISIBLE_DEVICES=MIG-..."});
      return std::nullopt;
    }
    int major = 0, minor = 0;
    const std::optional<std::int64_t> memory = memory_of(who, device);
    if (!memory || !succeeds(who, "nvmlDeviceGetCudaComputeCapability", nvml_->device_capability(device.whole, &major, &minor)))
      return std::nullopt;
    return Gpu{index, device.name, device.uuid, *memory, major, minor, numa_node(who, device)};
  }

  std::optional<Occupancy> occupancy(std::int64_t index, const Device& device) {
    constexpr const char* call = "nvmlDeviceGetComputeRunningProcesses_v3";
    if (!device.handle || device.divided || !has(nvml_->device_processes, call, "who uses the GPUs is unknown")) return std::nullopt;
    std::vector<NvmlProcess> processes(64);
    unsigned count = 0;
    int answer = nvml_insufficient_size;
    // The list may grow between two calls; three tries are plenty.
    for (int attempt = 0; attempt < 3 && answer == nvml_insufficient_size; ++attempt) {
      if (count > processes.size()) processes.resize(std::min<std::size_t>(count, 65536) * 2);
      count = static_cast<unsigned>(processes.size());
      answer = nvml_->device_processes(device.handle, &count, processes.data());
    }
    if (!succeeds("GPU " + std::to_string(index), call, answer)) return std::nullopt;
    processes.resize(std::min<std::size_t>(count, processes.size()));
    Occupancy occupancy{.gpu = index, .holders = {}};
    for (const NvmlProcess& process : processes) occupancy.holders.push_back(gpu_holder(root_, process.pid, bytes(process.used_memory)));
    if (occupancy.holders.empty()) add_unseen(device, occupancy);
    return occupancy;
  }

 private:
  std::vector<Device> every() {
    std::vector<Device> devices;
    unsigned count = 0;
    if (!succeeds("the NVIDIA driver", "nvmlDeviceGetCount_v2", nvml_->device_count(&count))) return devices;
    for (unsigned i = 0; i < std::min(count, 1024u); ++i) {
      Device device;
      const int answer = nvml_->device_by_index(i, &device.handle);
      // The driver counts GPUs that the container or batch job was not given; CUDA does not number them.
      if (answer == nvml_no_permission) continue;
      const std::string who = "GPU " + std::to_string(devices.size());
      if (!succeeds(who, "nvmlDeviceGetHandleByIndex_v2", answer)) device.handle = nullptr;
      device.whole = device.handle;
      if (device.handle && !identify(who, device)) device.handle = nullptr;
      devices.push_back(device);
    }
    return devices;
  }

  // One only: CUDA shows no more of them to a process.
  std::vector<Device> one_slice(const std::string& uuid) {
    if (!has(nvml_->device_by_uuid, "nvmlDeviceGetHandleByUUID", "MIG slices cannot be found") ||
        !has(nvml_->device_of_mig_slice, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", "MIG slices cannot be found"))
      return {};
    Device slice;
    if (nvml_->device_by_uuid(uuid.c_str(), &slice.handle) != nvml_success) {
      warn_of_variable(uuid, "this machine has no MIG slice of that UUID");
      return {};
    }
    const std::string who = "MIG slice " + uuid;
    if (!succeeds(who, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", nvml_->device_of_mig_slice(slice.handle, &slice.whole))) return {};
    if (!identify(who, slice)) return {};
    slice.divided = false;
    return {slice};
  }

  bool identify(const std::string& who, Device& device) {
    Text name{}, uuid{};
    if (!succeeds(who, "nvmlDeviceGetName", nvml_->device_name(device.handle, name.data(), name.size()))) return false;
    device.name = text_of(name);
    if (!succeeds(who, "nvmlDeviceGetUUID", nvml_->device_uuid(device.handle, uuid.data(), uuid.size()))) return false;
    device.uuid = text_of(uuid);
    unsigned now = 0, after_reset = 0;
    // GPUs that cannot be divided answer "not supported", and drivers before MIG lack the call.
    device.divided = nvml_->device_mig_mode && nvml_->device_mig_mode(device.whole, &now, &after_reset) == nvml_success && now == 1;
    return true;
  }

  std::optional<std::int64_t> memory_of(const std::string& who, const Device& device) {
    NvmlMemory memory{};
    const int answer = nvml_->device_memory(device.handle, &memory);
    // A GPU that is one chip with its CPU has no memory of its own and uses the machine's.
    if (answer == nvml_not_supported)
      if (const auto text = root_.read("/proc/meminfo"))
        if (const auto shared = total_memory(*text)) return shared;
    if (!succeeds(who, "nvmlDeviceGetMemoryInfo", answer)) return std::nullopt;
    return bytes(memory.total);
  }

  std::optional<std::int64_t> numa_node(const std::string& who, const Device& device) {
    NvmlPciInfo pci{};
    if (!has(nvml_->device_pci, "nvmlDeviceGetPciInfo_v3", "the NUMA nodes of the GPUs are unknown")) return std::nullopt;
    if (!succeeds(who, "nvmlDeviceGetPciInfo_v3", nvml_->device_pci(device.whole, &pci), "its NUMA node is unknown")) return std::nullopt;
    pci.bus_id[sizeof pci.bus_id - 1] = '\0';
    std::string id = pci.bus_id;  // 00000000:3B:00.0, where /sys has 0000:3b:00.0
    for (char& c : id) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (id.find('/') != std::string::npos) return std::nullopt;
    if (id.find(':') == 8 && id.starts_with("0000")) id.erase(0, 4);
    const auto text = root_.read("/sys/bus/pci/devices/" + id + "/numa_node");
    std::int64_t node = -1;
    if (text) std::from_chars(text->data(), text->data() + text->size(), node);
    return node >= 0 ? std::optional(node) : std::nullopt;  // -1: the firmware does not tell
  }

  // Processes of other containers are not listed, but their memory is. The driver itself keeps some hundred MiB on large GPUs.
  void add_unseen(const Device& device, Occupancy& occupancy) {
    NvmlMemory memory{};
    if (nvml_->device_memory(device.handle, &memory) != nvml_success) return;
    const unsigned long long own_of_driver = std::max(1ull << 30, memory.total / 50);
    if (memory.used > own_of_driver) occupancy.holders.push_back({.pid = 0, .memory_bytes = bytes(memory.used)});
  }

  void warn_of_variable(const std::string& value, const std::string& why) {
    diagnostics_.add({.severity = Severity::warning,
                      .code = "FAB4034",
                      .message = "CUDA_VISIBLE_DEVICES=" + valid_utf8(value) + " shows fewer GPUs than it lists: " + valid_utf8(why),
                      .help = "`nvidia-smi -L` lists the GPUs with index and UUID; unset CUDA_VISIBLE_DEVICES to use all"});
  }

  void warn_of_order(const std::vector<Device>& devices) {
    if (root_.cuda.device_order == std::optional<std::string>("PCI_BUS_ID")) return;
    std::vector<std::string> names;
    for (const Device& device : devices)
      if (device.handle && std::find(names.begin(), names.end(), device.name) == names.end()) names.push_back(device.name);
    if (names.size() < 2) return;
    diagnostics_.add(
        {.severity = Severity::warning,
         .code = "FAB4035",
         .message = "the GPUs of this machine differ (" + joined(names, ", ") + "), and CUDA may number them otherwise than fabric",
         .help = "export CUDA_DEVICE_ORDER=PCI_BUS_ID, so that both take the order of the PCI bus"});
  }

  // Whether the library has a call; says once what it costs if not.
  template <class Function>
  bool has(Function* function, const std::string& name, const std::string& cost) {
    if (function) return true;
    if (std::find(lacking_.begin(), lacking_.end(), name) == lacking_.end()) {
      lacking_.push_back(name);
      diagnostics_.add({.severity = Severity::warning,
                        .code = "FAB4030",
                        .message = "the NVIDIA driver's library lacks " + name + ": " + cost,
                        .help = "install a newer NVIDIA driver"});
    }
    return false;
  }

  bool succeeds(const std::string& who, const char* call, int answer, const std::string& cost = "it is left out") {
    if (answer == nvml_success) return true;
    diagnostics_.add({.severity = Severity::warning,
                      .code = "FAB4032",
                      .message = who + ": " + call + " answers \"" + nvml_->describe(answer) + "\"; " + cost,
                      .help = nvml_way_out(answer)});
    return false;
  }

  // The driver's "unknown" is the greatest number there is.
  static std::int64_t bytes(unsigned long long n) {
    return n > static_cast<unsigned long long>(INT64_MAX) ? 0 : static_cast<std::int64_t>(n);
  }

  const ProbeRoot& root_;
  Diagnostics& diagnostics_;
  std::optional<Nvml> nvml_;
  std::vector<std::string> lacking_;
};

}  // namespace

NvidiaDevices probe_nvidia(const ProbeRoot& root, Diagnostics& diagnostics) {
  Driver driver(root, diagnostics);
  NvidiaDevices found;
  if (!driver.is_open()) return found;
  found.driver = driver.version();
  const std::vector<Device> devices = driver.visible();
  for (std::size_t i = 0; i < devices.size(); ++i)
    if (auto gpu = driver.facts(static_cast<std::int64_t>(i), devices[i])) found.gpus.push_back(std::move(*gpu));
  return found;
}

std::vector<Occupancy> gpu_occupancy(const ProbeRoot& root, Diagnostics& diagnostics) {
  Driver driver(root, diagnostics);
  std::vector<Occupancy> found;
  if (!driver.is_open()) return found;
  const std::vector<Device> devices = driver.visible();
  for (std::size_t i = 0; i < devices.size(); ++i)
    if (auto occupancy = driver.occupancy(static_cast<std::int64_t>(i), devices[i])) found.push_back(std::move(*occupancy));
  return found;
}

}  // namespace fabric
