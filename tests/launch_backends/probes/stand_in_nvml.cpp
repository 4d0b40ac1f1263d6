// Stands in for libnvidia-ml.so.1: the same symbols and structs, and a machine of eight H100 unless FABRIC_STAND_IN_NVML says otherwise, as
// words apart by spaces:
//   gpus=N  mixed  integrated            how many; GPU 1 is a T4; memory is shared with the CPU
//   holder=GPU:PID:BYTES  used=GPU:BYTES a process on a GPU; memory in use without one
//   fail=CALL:GPU:ERROR                  that call on that GPU (-1 for calls that name none) fails
//   mig=GPU                              that GPU is divided; its only slice is MIG-0000000N
// A counter of open sessions in FABRIC_STAND_IN_NVML_OPEN shows whether each nvmlInit met its nvmlShutdown.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int not_supported = 3, not_found = 6, insufficient_size = 7;

struct Memory {
  unsigned long long total, free, used;
};
struct PciInfo {
  char legacy[16];
  unsigned domain, bus, device, id, subsystem;
  char bus_id[32];
};
struct Process {
  unsigned pid;
  unsigned long long used;
  unsigned gpu_instance, compute_instance;
};
using Device = void*;

std::vector<std::string> words(const std::string& key) {
  std::vector<std::string> found;
  const char* text = std::getenv("FABRIC_STAND_IN_NVML");
  std::istringstream stream(text ? text : "");
  for (std::string word; stream >> word;)
    if (word == key || word.rfind(key + '=', 0) == 0) found.push_back(word.substr(std::min(key.size() + 1, word.size())));
  return found;
}

int count() {
  const auto given = words("gpus");
  return given.empty() ? 8 : std::stoi(given[0]);
}

// GPU i is the handle i + 1, its slice i + 1001.
int index_of(Device device) { return static_cast<int>(reinterpret_cast<std::intptr_t>(device) - 1) % 1000; }
bool is_slice(Device device) { return reinterpret_cast<std::intptr_t>(device) > 1000; }
Device handle(int index, bool slice = false) {
  return reinterpret_cast<Device>(static_cast<std::intptr_t>(index + 1 + (slice ? 1000 : 0)));
}

int failure(const char* call, int gpu = -1) {
  for (const std::string& word : words("fail")) {
    const std::string start = std::string(call) + ':' + std::to_string(gpu) + ':';
    if (word.rfind(start, 0) == 0) return std::stoi(word.substr(start.size()));
  }
  return 0;
}

bool is_t4(int gpu) { return gpu == 1 && !words("mixed").empty(); }

void count_session(int by) {
  const char* open = std::getenv("FABRIC_STAND_IN_NVML_OPEN");
  setenv("FABRIC_STAND_IN_NVML_OPEN", std::to_string((open ? std::atoi(open) : 0) + by).c_str(), 1);
}

}  // namespace

extern "C" {

int nvmlInit_v2() {
  const int error = failure("nvmlInit_v2");
  if (error == 0) count_session(1);
  return error;
}

int nvmlShutdown() {
  count_session(-1);
  return 0;
}

const char* nvmlErrorString(int error) {
  switch (error) {
    case 4: return "Insufficient Permissions";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
  }
}

int nvmlDeviceGetCount_v2(unsigned* out) {
  *out = static_cast<unsigned>(count());
  return failure("nvmlDeviceGetCount_v2");
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* out) {
  *out = handle(static_cast<int>(index));
  return failure("nvmlDeviceGetHandleByIndex_v2", static_cast<int>(index));
}

int nvmlDeviceGetName(Device device, char* out, unsigned size) {
  const int gpu = index_of(device);
  std::snprintf(out, size, "%s",
                is_slice(device) ? "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
                : is_t4(gpu)     ? "Tesla T4"
                                 : "NVIDIA H100 80GB HBM3");
  return failure("nvmlDeviceGetName", gpu);
}

int nvmlDeviceGetUUID(Device device, char* out, unsigned size) {
  const int gpu = index_of(device);
  std::snprintf(out, size, is_slice(device) ? "MIG-0000000%d" : "GPU-0000000%d", gpu);
  return failure("nvmlDeviceGetUUID", gpu);
}

int nvmlDeviceGetCudaComputeCapability(Device device, int* major, int* minor) {
  const int gpu = index_of(device);
  *major = is_t4(gpu) ? 7 : 9;
  *minor = is_t4(gpu) ? 5 : 0;
  return is_slice(device) ? not_supported : failure("nvmlDeviceGetCudaComputeCapability", gpu);
}

#ifndef WITHOUT_MEMORY
int nvmlDeviceGetMemoryInfo(Device device, Memory* out) {
  const int gpu = index_of(device);
  if (!words("integrated").empty()) return not_supported;
  *out = {is_slice(device) ? 10ull << 30 : 80ull << 30, 0, 500ull << 20};
  for (const std::string& word : words("used"))
    if (std::stoi(word) == gpu) out->used = std::stoull(word.substr(word.find(':') + 1));
  return failure("nvmlDeviceGetMemoryInfo", gpu);
}
#endif

#ifndef WITHOUT_EXTRAS
int nvmlSystemGetDriverVersion(char* out, unsigned size) {
  std::snprintf(out, size, "580.65.06");
  return failure("nvmlSystemGetDriverVersion");
}

int nvmlDeviceGetPciInfo_v3(Device device, PciInfo* out) {
  const int gpu = index_of(device);
  std::snprintf(out->bus_id, sizeof out->bus_id, "00000000:%dB:00.0", gpu + 1);
  return failure("nvmlDeviceGetPciInfo_v3", gpu);
}

int nvmlDeviceGetMigMode(Device device, unsigned* now, unsigned* pending) {
  *now = *pending = 0;
  for (const std::string& word : words("mig"))
    if (!is_slice(device) && std::stoi(word) == index_of(device)) *now = *pending = 1;
  return failure("nvmlDeviceGetMigMode", index_of(device));
}

int nvmlDeviceGetHandleByUUID(const char* uuid, Device* out) {
  for (const std::string& word : words("mig"))
    if ("MIG-0000000" + word == uuid) {
      *out = handle(std::stoi(word), true);
      return 0;
    }
  return not_found;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device slice, Device* out) {
  *out = handle(index_of(slice));
  return 0;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned* size, Process* out) {
  const int gpu = index_of(device);
  std::vector<Process> found;
  for (const std::string& word : words("holder")) {
    int on = 0;
    unsigned pid = 0;
    unsigned long long bytes = 0;
    std::sscanf(word.c_str(), "%d:%u:%llu", &on, &pid, &bytes);
    if (on == gpu) found.push_back({pid, bytes, 0, 0});
  }
  const unsigned room = *size;
  *size = static_cast<unsigned>(found.size());
  if (room < found.size()) return insufficient_size;
  std::copy(found.begin(), found.end(), out);
  return failure("nvmlDeviceGetComputeRunningProcesses_v3", gpu);
}
#endif

}  // extern "C"
