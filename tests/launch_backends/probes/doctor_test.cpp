#include "launch_backends/probes/doctor.hpp"

#include <boost/test/unit_test.hpp>
#include <ctime>

#include "tests/launch_backends/probes/recorded_tree.hpp"
#include "tests/launch_backends/probes/stand_in.hpp"

namespace {

using namespace fabric;
namespace fs = std::filesystem;
using test::RecordedTree;
using test::StandIn;

constexpr std::int64_t gib = std::int64_t{1} << 30;

const std::string limits =
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max core file size        0                    unlimited            bytes     \n"
    "Max processes             96364                96364                processes \n"
    "Max open files            20000                1048576              files     \n"
    "Max locked memory         8388608              8388608              bytes     \n";

// A healthy machine without a GPU; each test breaks one thing.
struct Patient {
  RecordedTree tree{{{"/proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-3\n"},
                     {"/sys/devices/system/cpu/online", "0-3\n"},
                     {"/proc/meminfo", "MemTotal:       16777216 kB\n"},
                     {"/proc/self/limits", limits},
                     {"/proc/self/cgroup", "0::/\n"},
                     {"/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
                     {"/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"},
                     {"/bin/fabric",
                      "\x7f"
                      "ELF"},
                     {"/bin/fabric-worker",
                      "\x7f"
                      "ELF"}}};
  DoctorSubject subject;

  Patient() {
    subject.root = tree.root();
    subject.self = tree.path() + "/bin/fabric";
    subject.worker = tree.path() + "/bin/fabric-worker";
    subject.path = tree.path() + "/bin";
    subject.runs = tree.path() + "/work/runs";
    subject.now = static_cast<double>(std::time(nullptr));
    subject.run_program = [](const std::vector<std::string>& argv) {
      BOOST_TEST(argv.size() == 2u);
      BOOST_TEST(argv.at(1) == "--version");
      return ProgramAnswer{true, 0, "fabric-worker 0.1.0\nLibTorch 2.11.0\n"};
    };
    subject.space = [](const std::string&) { return std::optional(DiskSpace{100 * gib, 50 * gib}); };
    subject.library = [](const std::string&) { return std::string(); };
    for (const char* program : {"/bin/fabric", "/bin/fabric-worker"}) fs::permissions(tree.path() + program, fs::perms::owner_all);
  }

  Finding look(const std::string& name) const {
    for (Finding& finding : diagnose_host(subject))
      if (finding.name == name) return finding;
    BOOST_FAIL("no check is named " + name);
    return {};
  }
};

// The check answers that health, and says these words.
void expect(const Patient& patient, const std::string& name, Health health, const std::string& words) {
  const Finding finding = patient.look(name);
  BOOST_TEST_CONTEXT(name << ": " << finding.what << " = " << finding.help) {
    BOOST_TEST(static_cast<int>(finding.health) == static_cast<int>(health));
    BOOST_TEST((finding.what + '\n' + finding.help).find(words) != std::string::npos, "expected: " << words);
    BOOST_TEST(finding.help.empty() == (health == Health::ok));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(doctor)

BOOST_AUTO_TEST_CASE(a_healthy_machine) {
  const Patient patient;
  std::string names;
  for (const Finding& finding : diagnose_host(patient.subject)) {
    BOOST_TEST_CONTEXT(finding.name << ": " << finding.what) {
      BOOST_TEST(static_cast<int>(finding.health) == static_cast<int>(Health::ok));
      BOOST_TEST(finding.help == "");
      BOOST_TEST(!finding.what.empty());
    }
    names += finding.name + ' ';
  }
  BOOST_TEST(names == "cpus memory shared-memory open-files processes locked-memory core-files nvidia jsonnet worker path clock disk ");
}

BOOST_AUTO_TEST_CASE(nothing_to_read_breaks_nothing) {
  const RecordedTree empty;
  DoctorSubject subject;
  subject.root = empty.root();
  subject.space = [](const std::string&) { return std::optional<DiskSpace>(); };
  const auto findings = diagnose_host(subject);
  BOOST_TEST(findings.size() == 13u);
  for (const Finding& finding : findings) BOOST_TEST((finding.health == Health::ok) == finding.help.empty(), finding.name);
}

BOOST_AUTO_TEST_CASE(cpus_and_memory) {
  Patient p;
  p.tree.write("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  expect(p, "cpus", Health::ok, "with the time of 1.5 (/sys/fs/cgroup/cpu.max)");
  p.tree.write("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  expect(p, "cpus", Health::warn, "the time of 0.5");
  p.tree.write("/sys/fs/cgroup/cpu.max", "lots");
  expect(p, "cpus", Health::warn, "/sys/fs/cgroup/cpu.max does not say");
  p.tree.write("/sys/fs/cgroup/memory.max", "1073741824\n");
  expect(p, "memory", Health::warn, "1.0 GiB of 16.0 GiB may be used (/sys/fs/cgroup/memory.max)");
  p.tree.write("/sys/fs/cgroup/memory.max", "4294967296\n");
  expect(p, "memory", Health::ok, "4.0 GiB of 16.0 GiB");
  p.tree.write("/proc/meminfo", "");
  expect(p, "memory", Health::warn, "cannot be read");
}

BOOST_AUTO_TEST_CASE(shared_memory_and_disk) {
  Patient p;
  p.subject.space = [&](const std::string& path) {
    return path.ends_with("/dev/shm") ? std::optional(DiskSpace{64 << 20, 64 << 20}) : std::nullopt;
  };
  expect(p, "shared-memory", Health::warn, "/dev/shm has 64.0 MiB");
  expect(p, "disk", Health::warn, "does not tell");
  p.subject.space = [&](const std::string& path) { return path == p.tree.path() ? std::optional(DiskSpace{gib, gib}) : std::nullopt; };
  expect(p, "shared-memory", Health::warn, "missing");
  expect(p, "disk", Health::warn, "1.0 GiB free");  // of the nearest folder that exists
  p.subject.space = [&](const std::string&) { return std::optional(DiskSpace{gib, 1 << 20}); };
  expect(p, "disk", Health::bad, "1.0 MiB free");
}

BOOST_AUTO_TEST_CASE(limits_of_the_process) {
  Patient p;
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = limits;
    text.replace(text.find(from), from.size(), to);
    p.tree.write("/proc/self/limits", text);
  };
  with("20000  ", "256    ");
  expect(p, "open-files", Health::warn, "256, may be raised to 1048576");
  with("20000    ", "unlimited");
  expect(p, "open-files", Health::ok, "unlimited, may be raised to");
  with("96364  ", "50     ");
  expect(p, "processes", Health::warn, "ulimit -u");
  with("8388608  ", "32768    ");
  expect(p, "locked-memory", Health::warn, "ulimit -l");
  with("0                    unlimited", "unlimited            unlimited");
  expect(p, "core-files", Health::ok, "on:");
  for (const std::string& garbage :
       {std::string(), std::string("\nMax open files"), std::string("\nMax open files x y"), std::string("\nMax open files  -3 4 f")}) {
    p.tree.write("/proc/self/limits", garbage);
    expect(p, "open-files", Health::warn, "does not say");
    expect(p, "core-files", Health::warn, "does not say");
  }
}

// What hinders this run and not another.
BOOST_AUTO_TEST_CASE(hindrances_by_plan) {
  Patient p;
  const auto names = [&p](const Plan& plan) {
    std::string text;
    for (const Finding& finding : hindrances_of(plan, p.subject)) text += (text.empty() ? "" : " ") + finding.name;
    return text;
  };
  Plan command, script, gpus, training;
  command.job.program.emplace().command = {"true"};
  script.job.program.emplace().script = "/train.py";
  gpus = command;
  gpus.world_size = 2;
  gpus.groups = {NodeGroup{.accelerator = Accelerator::cuda}};
  training.job.train.emplace();
  for (const Plan* plan : {&command, &script, &gpus, &training}) BOOST_TEST(names(*plan) == "");
  p.subject.space = [](const std::string&) { return std::optional(DiskSpace{64 << 20, 1 * gib}); };
  std::string low = limits;
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"20000  ", "256    "}, {"8388608  ", "32768    "}})
    low.replace(low.find(from), from.size(), to);
  p.tree.write("/proc/self/limits", low);
  BOOST_TEST(names(command) == "open-files");
  BOOST_TEST(names(script) == "open-files shared-memory");
  BOOST_TEST(names(gpus) == "open-files shared-memory locked-memory");
  BOOST_TEST(names(training) == "open-files disk");
  p.subject.space = [](const std::string&) { return std::optional(DiskSpace{64 << 20, 1 << 20}); };
  BOOST_TEST(names(command) == "open-files disk");
}

BOOST_AUTO_TEST_CASE(gpus) {
  Patient p;
  p.tree.write("/sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
  p.tree.write("/sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n");
  p.tree.write("/sys/bus/pci/devices/0000:01:00.1/vendor", "0x10de\n");
  p.tree.write("/sys/bus/pci/devices/0000:01:00.1/class", "0x040300\n");  // its sound
  p.tree.write("/sys/bus/pci/devices/0000:02:00.0/vendor", "0x8086\n");
  p.tree.write("/sys/bus/pci/devices/0000:02:00.0/class", "0x030000\n");
  expect(p, "nvidia", Health::bad, "1 NVIDIA GPU on the bus and no driver");
  p.tree.write("/proc/driver/nvidia/version", "NVRM version: 580\n");
  expect(p, "nvidia", Health::bad, "--gpus all");
  p.subject.root.nvml = test::stand_in_library();
  {
    const StandIn playing("gpus=2");
    expect(p, "nvidia", Health::ok, "2 GPUs, the first NVIDIA H100 80GB HBM3, driver 580.65.06");
    p.subject.library = [](const std::string& name) { return name == "libcuda.so.1" ? std::string("no such file") : std::string(); };
    expect(p, "nvidia", Health::bad, "libcuda.so.1 does not open: no such file");
  }
  {
    const StandIn playing("gpus=2 fail=nvmlDeviceGetMemoryInfo:1:15");
    expect(p, "nvidia", Health::warn, "GPU is lost");
  }
  {
    const StandIn playing("fail=nvmlInit_v2:-1:18");
    expect(p, "nvidia", Health::bad, "version mismatch");
  }
  const StandIn playing("gpus=0");
  expect(p, "nvidia", Health::warn, "no visible GPU");
}

BOOST_AUTO_TEST_CASE(jsonnet_library) {
  Patient p;
  p.subject.library = [](const std::string& name) {
    return name == "libjsonnet.so.0" ? std::string("cannot open shared object file") : std::string();
  };
  expect(p, "jsonnet", Health::warn, "apt install libjsonnet0");
  BOOST_TEST(try_library("libc.so.6") == "");
  BOOST_TEST(try_library("libthere-is-none.so.9") != "");
}

BOOST_AUTO_TEST_CASE(the_worker) {
  Patient p;
  expect(p, "worker", Health::ok, "fabric-worker 0.1.0");
  p.subject.run_program = [](const std::vector<std::string>&) {
    return ProgramAnswer{true, 127, "error while loading shared libraries: libc10.so\n"};
  };
  expect(p, "worker", Health::bad, "ends with code 127: error while loading shared libraries: libc10.so");
  p.subject.run_program = [](const std::vector<std::string>&) { return ProgramAnswer{false, 0, "Permission denied"}; };
  expect(p, "worker", Health::bad, "does not start: Permission denied");
  p.subject.worker = p.tree.path() + "/bin/none";
  p.subject.run_program = nullptr;  // what is not there is not started
  expect(p, "worker", Health::warn, "FABRIC_RUNTIME=ON");
}

BOOST_AUTO_TEST_CASE(another_fabric_on_path) {
  Patient p;
  p.tree.write("/other/fabric", "#!/usr/bin/python3\nfrom lightning.fabric.cli import _main\n");
  p.subject.path = "/nonexistent:" + p.tree.path() + "/other:" + p.tree.path() + "/bin";
  expect(p, "path", Health::ok, "this program");  // what cannot be executed is passed over
  fs::permissions(p.tree.path() + "/other/fabric", fs::perms::owner_all);
  expect(p, "path", Health::warn, "Lightning");
  p.tree.write("/other/fabric", "#!/bin/sh\n");
  expect(p, "path", Health::warn, "another program");
  p.subject.path = "";
  expect(p, "path", Health::ok, "no `fabric` on PATH");
  fs::create_directories(p.tree.path() + "/links");
  fs::create_symlink(p.subject.self, p.tree.path() + "/links/fabric");
  p.subject.path = p.tree.path() + "/links:" + p.tree.path() + "/other";
  expect(p, "path", Health::ok, "this program");
}

BOOST_AUTO_TEST_CASE(the_clock) {
  Patient p;
  p.subject.now = 1e9;  // 2001
  expect(p, "clock", Health::bad, "before the day");
  p.subject.now = static_cast<double>(std::time(nullptr));
  p.tree.write("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
  expect(p, "clock", Health::warn, "hpet");
}

BOOST_AUTO_TEST_CASE(this_machine) {
  DoctorSubject subject;
  subject.self = fs::read_symlink("/proc/self/exe").string();
  subject.worker = "/nonexistent";
  subject.path = "/usr/bin:/bin";
  subject.runs = fs::current_path().string() + "/runs";
  subject.now = static_cast<double>(std::time(nullptr));
  for (const Finding& finding : diagnose_host(subject)) {
    BOOST_TEST(!finding.what.empty(), finding.name);
    BOOST_TEST((finding.health == Health::ok) == finding.help.empty(), finding.name);
  }
}

BOOST_AUTO_TEST_SUITE_END()
