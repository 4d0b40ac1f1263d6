#include "launch_backends/probes/doctor.hpp"

#include <dlfcn.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "launch_backends/probes/cgroup.hpp"
#include "launch_backends/probes/host.hpp"
#include "launch_backends/probes/nvidia.hpp"
#include "launch_backends/probes/resource_limits.hpp"
#include "launch_backends/probes/untrusted_text.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t mib = std::int64_t{1} << 20;
constexpr std::int64_t gib = std::int64_t{1} << 30;

std::string bytes(std::int64_t n) {
  char text[32];
  if (n >= gib) std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(n) / static_cast<double>(gib));
  else std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(n) / static_cast<double>(mib));
  return text;
}

std::string decimal(double d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", d);
  return text;
}

Finding cpus(const DoctorSubject& s) {
  Diagnostics unread;
  const std::size_t usable = affinity_cpus(s.root, unread).size();
  const std::size_t online = online_cpus(s.root, unread).size();
  const CgroupLimits limits = cgroup_limits(s.root, unread);
  std::string what = std::to_string(usable) + " of " + std::to_string(online) + (online == 1 ? " CPU" : " CPUs") + " may be used";
  if (!unread.all().empty()) return {"cpus", Health::warn, what + "; " + unread.all().front().message, unread.all().front().help};
  if (!limits.cpus) return {"cpus", Health::ok, what, ""};
  what += ", with the time of " + decimal(*limits.cpus) + " (" + limits.cpus_file + ')';
  if (*limits.cpus >= static_cast<double>(usable)) return {"cpus", Health::ok, what, ""};
  const bool less_than_one = *limits.cpus < 1;
  return {"cpus", less_than_one ? Health::warn : Health::ok, what,
          less_than_one ? "every rank will be stopped for a part of the time: raise the CPU quota of the container or batch job" : ""};
}

Finding memory(const DoctorSubject& s) {
  Diagnostics unread;
  const std::int64_t physical = physical_memory(s.root, unread);
  if (physical == 0) return {"memory", Health::warn, "the memory of this machine cannot be read", "is /proc mounted?"};
  const CgroupLimits limits = cgroup_limits(s.root, unread);
  const bool limited = limits.memory_bytes && *limits.memory_bytes < physical;
  const std::int64_t usable = limited ? *limits.memory_bytes : physical;
  const std::string what =
      limited ? bytes(usable) + " of " + bytes(physical) + " may be used (" + limits.memory_file + ')' : bytes(physical);
  if (usable >= 2 * gib) return {"memory", Health::ok, what, ""};
  return {"memory", Health::warn, what, "a rank needs about 0.5 GiB before its data: raise the memory limit, or run fewer ranks"};
}

Finding shared_memory(const DoctorSubject& s) {
  const auto space = s.space(s.root.at("/dev/shm"));
  if (!space)
    return {"shared-memory", Health::warn, "/dev/shm is missing",
            "NCCL and data loaders of other programs need it: mount a tmpfs on /dev/shm"};
  const std::string what = "/dev/shm has " + bytes(space->total_bytes);
  if (space->total_bytes >= gib) return {"shared-memory", Health::ok, what, ""};
  return {"shared-memory", Health::warn, what,
          "data loaders of other programs die of a bus error when it is full: start the container with --shm-size=8g or --ipc=host"};
}

// One row of the table of limits: warns below `least`.
// unit: what to count in, and its name as it is printed.
Finding limit(const DoctorSubject& s, const char* name, std::string_view row, std::uint64_t least, std::string_view help,
              std::pair<std::uint64_t, const char*> unit = {1, ""}) {
  const auto found = resource_limit(s.root, row);
  if (!found) return {name, Health::warn, "/proc/self/limits does not say", "is /proc mounted?"};
  const auto in_words = [&unit](std::uint64_t limit) { return std::to_string(limit / unit.first) + unit.second; };
  std::string what = found->soft == unlimited ? "unlimited" : in_words(found->soft);
  if (found->hard != found->soft)
    what += found->hard == unlimited ? ", may be raised without limit" : ", may be raised to " + in_words(found->hard);
  if (found->soft >= least) return {name, Health::ok, what, ""};
  return {name, Health::warn, what, std::string(help)};
}

Finding open_files(const DoctorSubject& s) {
  constexpr std::uint64_t plenty = 65536;
  const auto found = resource_limit(s.root, "Max open files");
  const std::uint64_t most = found ? std::min(found->hard, plenty) : plenty;
  const std::string help = found && found->soft >= most
                               ? "the hard limit is as low: raise it in limits.conf, or by --ulimit nofile of a container"
                               : "ranks with many data files or peers run out: `ulimit -n " + std::to_string(most) + '`';
  return limit(s, "open-files", "Max open files", 1024, help);
}

Finding processes(const DoctorSubject& s) {
  return limit(s, "processes", "Max processes", 1024, "each thread counts: `ulimit -u 32768`, or ask the administrator");
}

Finding locked_memory(const DoctorSubject& s) {
  return limit(s, "locked-memory", "Max locked memory", 64 * 1024,
               "InfiniBand and pinned memory need it: `ulimit -l unlimited`, or in a container --ulimit memlock=-1", {1024, " KiB"});
}

Finding core_files(const DoctorSubject& s) {
  const auto found = resource_limit(s.root, "Max core file size");
  if (!found) return {"core-files", Health::warn, "/proc/self/limits does not say", "is /proc mounted?"};
  if (found->soft == 0) return {"core-files", Health::ok, "off: a rank that crashes leaves none (`ulimit -c unlimited` turns them on)", ""};
  return {"core-files", Health::ok, "on: a rank that crashes may write one of the size of its memory", ""};
}

// PCI devices of NVIDIA (vendor 0x10de) that are display controllers (class 0x03....).
std::size_t nvidia_cards(const ProbeRoot& root) {
  std::size_t cards = 0;
  std::error_code none;
  for (fs::directory_iterator it(root.at("/sys/bus/pci/devices"), none), end; !none && it != end; it.increment(none)) {
    const std::string folder = "/sys/bus/pci/devices/" + it->path().filename().string();
    if (!root.read(folder + "/vendor").value_or("").starts_with("0x10de")) continue;
    cards += root.read(folder + "/class").value_or("").starts_with("0x03") ? 1 : 0;
  }
  return cards;
}

Finding nvidia(const DoctorSubject& s) {
  Diagnostics found;
  const NvidiaDevices devices = probe_nvidia(s.root, found);
  if (!found.all().empty()) {
    const Diagnostic& first = found.all().front();
    return {"nvidia", devices.gpus.empty() ? Health::bad : Health::warn, first.message, first.help};
  }
  if (!devices.gpus.empty()) {
    std::string what = std::to_string(devices.gpus.size()) + (devices.gpus.size() == 1 ? " GPU" : " GPUs") + ", the first " +
                       devices.gpus.front().name + ", driver " + devices.driver.value_or("of unknown version");
    const std::string cuda = s.library("libcuda.so.1");
    if (cuda.empty()) return {"nvidia", Health::ok, what, ""};
    return {"nvidia", Health::bad, what + ", but libcuda.so.1 does not open: " + cuda,
            "install the whole driver; in a container let NVIDIA_DRIVER_CAPABILITIES hold `compute`"};
  }
  if (devices.driver)
    return {"nvidia", Health::warn, "driver " + *devices.driver + ", no visible GPU",
            "is CUDA_VISIBLE_DEVICES empty, or did the batch job ask for no GPU?"};
  if (s.root.read("/proc/driver/nvidia/version"))
    return {"nvidia", Health::bad, "the NVIDIA driver is loaded, but its library " + s.root.nvml + " is not here",
            "start the container with --gpus all (docker) or --nv (apptainer)"};
  if (const std::size_t cards = nvidia_cards(s.root))
    return {"nvidia", Health::bad, std::to_string(cards) + (cards == 1 ? " NVIDIA GPU" : " NVIDIA GPUs") + " on the bus and no driver",
            "install the NVIDIA driver, and load it with `modprobe nvidia`"};
  return {"nvidia", Health::ok, "no NVIDIA GPU; jobs run on the CPU", ""};
}

Finding jsonnet(const DoctorSubject& s) {
  const std::string error = s.library("libjsonnet.so.0");
  if (error.empty()) return {"jsonnet", Health::ok, "libjsonnet.so.0 is here", ""};
  return {"jsonnet", Health::warn, "libjsonnet.so.0 does not open: " + valid_utf8(error),
          "only .jsonnet files need it: apt install libjsonnet0 (Debian, Ubuntu), dnf install jsonnet-libs (Fedora)"};
}

std::string first_line(const std::string& text) { return valid_utf8(text.substr(0, text.find('\n'))); }

Finding worker(const DoctorSubject& s) {
  std::error_code none;
  if (!fs::is_regular_file(s.worker, none))
    return {"worker", Health::warn, s.worker + " is not there",
            "jobs with `train` need it, those with `program` do not: build with -DFABRIC_RUNTIME=ON, and keep it beside fabric"};
  const ProgramAnswer answer = s.run_program({s.worker, "--version"});
  if (answer.started && answer.exit_code == 0) return {"worker", Health::ok, first_line(answer.output), ""};
  const std::string why = answer.started ? "ends with code " + std::to_string(answer.exit_code) : "does not start";
  return {"worker", Health::bad, s.worker + ' ' + why + (answer.output.empty() ? "" : ": " + first_line(answer.output)),
          "its libraries are those of LibTorch: build again with scripts/build, and let LD_LIBRARY_PATH name no other LibTorch"};
}

// Lightning's Python package installs a console script of the same name.
bool is_lightning(const std::string& program) {
  std::ifstream file(program, std::ios::binary);
  std::string head(4096, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  return head.starts_with("#!") && head.find("lightning") != std::string::npos;
}

Finding on_path(const DoctorSubject& s) {
  std::error_code none;
  const fs::path self = fs::weakly_canonical(s.self, none);
  for (std::size_t begin = 0; begin <= s.path.size();) {
    const std::size_t end = std::min(s.path.find(':', begin), s.path.size());
    const std::string folder = s.path.substr(begin, end - begin);
    begin = end + 1;
    const fs::path found = fs::path(folder.empty() ? "." : folder) / "fabric";
    if (!fs::is_regular_file(found, none) || (fs::status(found, none).permissions() & fs::perms::owner_exec) == fs::perms::none) continue;
    if (fs::weakly_canonical(found, none) == self) return {"path", Health::ok, "`fabric` is this program", ""};
    const std::string whose = is_lightning(found.string()) ? ", the launcher of Lightning's Python package" : ", another program";
    return {"path", Health::warn, "`fabric` on PATH is " + valid_utf8(found.string()) + whose,
            "put " + self.parent_path().string() + " first on PATH, or start " + self.string() + "; runs are not affected"};
  }
  return {"path", Health::ok, "no `fabric` on PATH; this one is " + s.self, ""};
}

Finding clock(const DoctorSubject& s) {
  std::error_code error;
  const auto written = fs::last_write_time(s.self, error);
  const auto since_epoch = std::chrono::file_clock::to_sys(written).time_since_epoch();
  constexpr double day = 86400;
  if (!error && s.now + day < std::chrono::duration<double>(since_epoch).count())
    return {"clock", Health::bad, "the clock stands before the day on which fabric was built",
            "set it, by NTP or `date -s`: runs are named by time, and certificates are judged by it"};
  std::string source = s.root.read("/sys/devices/system/clocksource/clocksource0/current_clocksource").value_or("");
  source.resize(std::min(source.find('\n'), source.size()));
  for (const std::string_view slow : {"hpet", "acpi_pm", "jiffies", "refined-jiffies"})
    if (source == slow)
      return {"clock", Health::warn, "the kernel reads time from " + source + ", about a microsecond each",
              "`dmesg | grep -i tsc` tells why the processor's own counter was given up"};
  return {"clock", Health::ok, source.empty() ? "set" : "set, read from " + valid_utf8(source), ""};
}

Finding disk(const DoctorSubject& s) {
  // runs/ is made when the first run is; its disk is that of the nearest folder that exists.
  fs::path folder = s.runs;
  auto space = s.space(folder.string());
  while (!space && folder.has_relative_path()) {
    folder = folder.parent_path();
    space = s.space(folder.string());
  }
  if (!space) return {"disk", Health::warn, "the disk of " + s.runs + " does not tell its size", "is the folder there?"};
  const std::string what = bytes(space->free_bytes) + " free for " + s.runs;
  if (space->free_bytes < 100 * mib) return {"disk", Health::bad, what, "a checkpoint will not fit: make room, or run from another folder"};
  if (space->free_bytes < 5 * gib)
    return {"disk", Health::warn, what, "checkpoints may fill it: make room, or write a smaller checkpoint.keep"};
  return {"disk", Health::ok, what, ""};
}

}  // namespace

std::optional<DiskSpace> disk_space(const std::string& path) {
  struct statvfs found {};
  if (statvfs(path.c_str(), &found) != 0) return std::nullopt;
  const auto of_blocks = [&](std::uint64_t blocks) { return static_cast<std::int64_t>(blocks * found.f_frsize); };
  return DiskSpace{of_blocks(found.f_blocks), of_blocks(found.f_bavail)};
}

std::string try_library(const std::string& name) {
  if (void* library = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL)) {
    dlclose(library);
    return "";
  }
  const char* error = dlerror();
  return error ? error : "unknown error";
}

std::vector<Finding> diagnose_host(const DoctorSubject& subject) {
  return {
      cpus(subject),          memory(subject),     shared_memory(subject), open_files(subject), processes(subject),
      locked_memory(subject), core_files(subject), nvidia(subject),        jsonnet(subject),    worker(subject),
      on_path(subject),       clock(subject),      disk(subject),
  };
}

std::vector<Finding> hindrances_of(const Plan& plan, const DoctorSubject& subject) {
  const bool gpus =
      std::any_of(plan.groups.begin(), plan.groups.end(), [](const NodeGroup& g) { return g.accelerator == Accelerator::cuda; });
  const bool python = plan.job.program && !plan.job.program->command;
  std::vector<Finding> all = {open_files(subject), processes(subject)};
  // How much a program writes is not known.
  if (Finding room = disk(subject); plan.job.train || room.health == Health::bad) all.push_back(std::move(room));
  if (python || (gpus && plan.world_size > 1)) all.push_back(shared_memory(subject));
  if (gpus) all.push_back(locked_memory(subject));
  std::erase_if(all, [](const Finding& f) { return f.health == Health::ok; });
  return all;
}

}  // namespace fabric
