#include "launch_backends/probes/nvidia.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "tests/launch_backends/probes/recorded_tree.hpp"
#include "tests/launch_backends/probes/stand_in.hpp"

namespace {

using namespace fabric;
using test::codes;
using test::RecordedTree;
using test::StandIn;

constexpr std::int64_t gib = std::int64_t{1} << 30;

struct Probed {
  NvidiaDevices devices;
  Diagnostics diagnostics;
};

Probed probe(const std::string& machine, const CudaVariables& cuda = {}, const std::string& library = test::stand_in_library(),
             const RecordedTree& tree = RecordedTree()) {
  const StandIn playing(machine);
  ProbeRoot root = tree.root();
  root.nvml = library;
  root.cuda = cuda;
  Probed probed;
  probed.devices = probe_nvidia(root, probed.diagnostics);
  BOOST_TEST(StandIn::open_sessions() == 0);
  BOOST_TEST(!probed.diagnostics.has_errors());  // a job for the CPU must be able to go on
  for (const Diagnostic& d : probed.diagnostics.all()) BOOST_TEST(!d.help.empty());
  return probed;
}

std::string indices(const std::vector<Gpu>& gpus) {
  std::string out;
  for (const Gpu& gpu : gpus) out += (out.empty() ? "" : " ") + std::to_string(gpu.index) + ':' + gpu.uuid.substr(gpu.uuid.size() - 1);
  return out;
}

CudaVariables visible(const std::string& value) { return {value, std::nullopt}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(nvidia)

BOOST_AUTO_TEST_CASE(eight_gpus) {
  const RecordedTree tree({{"/sys/bus/pci/devices/0000:1b:00.0/numa_node", "0\n"},
                           {"/sys/bus/pci/devices/0000:2b:00.0/numa_node", "1\n"},
                           {"/sys/bus/pci/devices/0000:3b:00.0/numa_node", "-1\n"},
                           {"/sys/bus/pci/devices/0000:4b:00.0/numa_node", "garbage"}});
  const Probed p = probe("", {}, test::stand_in_library(), tree);
  BOOST_TEST(codes(p.diagnostics) == "");
  BOOST_TEST(p.devices.driver.value() == "580.65.06");
  BOOST_TEST(indices(p.devices.gpus) == "0:0 1:1 2:2 3:3 4:4 5:5 6:6 7:7");
  BOOST_CHECK((p.devices.gpus[1] == Gpu{1, "NVIDIA H100 80GB HBM3", "GPU-00000001", 80 * gib, 9, 0, 1}));
  BOOST_CHECK(p.devices.gpus[0].numa_node == std::optional<std::int64_t>(0));
  for (const std::size_t unknown : {2, 3, 4}) BOOST_TEST(!p.devices.gpus[unknown].numa_node.has_value());
}

BOOST_AUTO_TEST_CASE(no_library_is_no_gpu_and_no_word) {
  for (const char* library : {"", "libnvidia-ml-that-is-not-there.so.1", "/nonexistent/libnvidia-ml.so.1"}) {
    const Probed p = probe("", {}, library);
    BOOST_TEST(codes(p.diagnostics) == "");
    BOOST_TEST(p.devices.gpus.empty());
    BOOST_TEST(!p.devices.driver.has_value());
  }
}

BOOST_AUTO_TEST_CASE(no_driver_is_no_gpu_and_no_word) {
  for (const char* error : {"9", "12", "6"}) {
    const Probed p = probe(std::string("fail=nvmlInit_v2:-1:") + error);
    BOOST_TEST(codes(p.diagnostics) == "");
    BOOST_TEST(p.devices.gpus.empty());
    BOOST_TEST(!p.devices.driver.has_value());
  }
}

BOOST_AUTO_TEST_CASE(no_gpus_under_a_driver) {
  const Probed p = probe("gpus=0");
  BOOST_TEST(codes(p.diagnostics) == "");
  BOOST_TEST(p.devices.gpus.empty());
  BOOST_TEST(p.devices.driver.has_value());
}

BOOST_AUTO_TEST_CASE(a_library_that_is_none) {
  const RecordedTree tree({{"/empty.so", ""}, {"/text.so", std::string(5000, 'x')}});
  for (const char* name : {"/empty.so", "/text.so"}) {
    const Probed p = probe("", {}, tree.path() + name);
    BOOST_TEST(codes(p.diagnostics) == "FAB4030");
    BOOST_TEST(p.devices.gpus.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_driver_that_does_not_start) {
  const Probed mismatch = probe("fail=nvmlInit_v2:-1:18");
  BOOST_TEST(codes(mismatch.diagnostics) == "FAB4031");
  BOOST_TEST(mismatch.diagnostics.all()[0].message.find("version mismatch (NVML error 18)") != std::string::npos);
  BOOST_TEST(mismatch.diagnostics.all()[0].help.find("restart") != std::string::npos);
  BOOST_TEST(codes(probe("fail=nvmlInit_v2:-1:4").diagnostics) == "FAB4031");
  BOOST_TEST(codes(probe("fail=nvmlInit_v2:-1:999").diagnostics) == "FAB4031");
}

BOOST_AUTO_TEST_CASE(a_missing_symbol_that_is_needed) {
  const Probed p = probe("", {}, test::stand_in_library("stand_in_nvml_without_memory"));
  BOOST_TEST(codes(p.diagnostics) == "FAB4030");
  BOOST_TEST(p.diagnostics.all()[0].message.find("nvmlDeviceGetMemoryInfo") != std::string::npos);
  BOOST_TEST(p.devices.gpus.empty());
  BOOST_TEST(!p.devices.driver.has_value());
}

BOOST_AUTO_TEST_CASE(missing_symbols_that_cost_a_fact) {
  const Probed p = probe("", {}, test::stand_in_library("stand_in_nvml_without_extras"));
  BOOST_TEST(codes(p.diagnostics) == "FAB4030 FAB4030");  // each once: the driver's version, the NUMA nodes
  BOOST_TEST(p.devices.gpus.size() == 8u);
  BOOST_TEST(!p.devices.driver.has_value());
  BOOST_TEST(!p.devices.gpus[0].numa_node.has_value());
}

BOOST_AUTO_TEST_CASE(a_failing_gpu_is_left_out_and_the_others_keep_their_numbers) {
  for (const char* call : {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetMemoryInfo",
                           "nvmlDeviceGetCudaComputeCapability"}) {
    BOOST_TEST_CONTEXT(call) {
      const Probed p = probe("gpus=4 fail=" + std::string(call) + ":2:15");
      BOOST_TEST(codes(p.diagnostics) == "FAB4032");
      BOOST_TEST(p.diagnostics.all()[0].message.find("GPU 2") == 0u);
      BOOST_TEST(p.diagnostics.all()[0].message.find("GPU is lost (NVML error 15)") != std::string::npos);
      BOOST_TEST(p.diagnostics.all()[0].help.find("dmesg") != std::string::npos);
      BOOST_TEST(indices(p.devices.gpus) == "0:0 1:1 3:3");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_failing_call_that_costs_a_fact) {
  const Probed pci = probe("gpus=2 fail=nvmlDeviceGetPciInfo_v3:0:999");
  BOOST_TEST(codes(pci.diagnostics) == "FAB4032");
  BOOST_TEST(pci.devices.gpus.size() == 2u);
  const Probed version = probe("gpus=2 fail=nvmlSystemGetDriverVersion:-1:999");
  BOOST_TEST(codes(version.diagnostics) == "FAB4032");
  BOOST_TEST(version.devices.gpus.size() == 2u);
  const Probed count = probe("fail=nvmlDeviceGetCount_v2:-1:999");
  BOOST_TEST(codes(count.diagnostics) == "FAB4032");
  BOOST_TEST(count.devices.gpus.empty());
}

BOOST_AUTO_TEST_CASE(gpus_that_were_not_given_are_not_numbered) {
  const Probed p = probe("gpus=4 fail=nvmlDeviceGetHandleByIndex_v2:0:4 fail=nvmlDeviceGetHandleByIndex_v2:2:4");
  BOOST_TEST(codes(p.diagnostics) == "");
  BOOST_TEST(indices(p.devices.gpus) == "0:1 1:3");
}

BOOST_AUTO_TEST_CASE(cuda_visible_devices_chooses_and_orders) {
  BOOST_TEST(indices(probe("", visible("5,2")).devices.gpus) == "0:5 1:2");
  BOOST_TEST(indices(probe("", visible("GPU-00000007,GPU-00000000")).devices.gpus) == "0:7 1:0");
  const Probed none = probe("", visible(""));
  BOOST_TEST(none.devices.gpus.empty());
  BOOST_TEST(codes(none.diagnostics) == "");
  BOOST_TEST(none.devices.driver.has_value());
  const Probed ended = probe("", visible("1,-1,2"));
  BOOST_TEST(indices(ended.devices.gpus) == "0:1");
  BOOST_TEST(codes(ended.diagnostics) == "");
  const Probed beyond = probe("gpus=2", visible("1,2"));
  BOOST_TEST(indices(beyond.devices.gpus) == "0:1");
  BOOST_TEST(codes(beyond.diagnostics) == "FAB4034");
  const Probed hostile = probe("", visible("\xff\x1b[2J"));
  BOOST_TEST(hostile.devices.gpus.empty());
  BOOST_TEST(codes(hostile.diagnostics) == "FAB4034");
  BOOST_TEST(hostile.diagnostics.all()[0].message.find('\xff') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_broken_gpu_keeps_its_place_among_the_visible) {
  const Probed p = probe("gpus=4 fail=nvmlDeviceGetHandleByIndex_v2:1:15", visible("3,1,0"));
  BOOST_TEST(indices(p.devices.gpus) == "0:3 2:0");
}

BOOST_AUTO_TEST_CASE(gpus_that_differ_have_an_open_order) {
  BOOST_TEST(codes(probe("gpus=2 mixed").diagnostics) == "FAB4035");
  BOOST_TEST(codes(probe("gpus=2 mixed", visible("1")).diagnostics) == "FAB4035");
  BOOST_TEST(codes(probe("gpus=2 mixed", visible("GPU-00000001")).diagnostics) == "");
  BOOST_TEST(codes(probe("gpus=2 mixed", {std::nullopt, "PCI_BUS_ID"}).diagnostics) == "");
  const Probed p = probe("gpus=2 mixed", {std::nullopt, "FASTEST_FIRST"});
  BOOST_TEST(codes(p.diagnostics) == "FAB4035");
  BOOST_CHECK((p.devices.gpus[1].compute_major == 7 && p.devices.gpus[1].compute_minor == 5));
}

BOOST_AUTO_TEST_CASE(a_divided_gpu_computes_through_its_slices) {
  const Probed whole = probe("gpus=2 mig=1");
  BOOST_TEST(codes(whole.diagnostics) == "FAB4033");
  BOOST_TEST(indices(whole.devices.gpus) == "0:0");
  const Probed slice = probe("gpus=2 mig=1", visible("MIG-00000001,MIG-00000002"));
  BOOST_TEST(codes(slice.diagnostics) == "");
  BOOST_TEST_REQUIRE(slice.devices.gpus.size() == 1u);
  BOOST_CHECK((slice.devices.gpus[0] == Gpu{0, "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "MIG-00000001", 10 * gib, 9, 0, {}}));
  const Probed none = probe("gpus=2 mig=1", visible("MIG-7"));
  BOOST_TEST(codes(none.diagnostics) == "FAB4034");
  BOOST_TEST(none.devices.gpus.empty());
}

BOOST_AUTO_TEST_CASE(a_gpu_without_memory_of_its_own_has_that_of_the_machine) {
  const RecordedTree tree(test::Files{{"/proc/meminfo", "MemTotal:       1024 kB\n"}});
  const Probed p = probe("gpus=1 integrated", {}, test::stand_in_library(), tree);
  BOOST_TEST(codes(p.diagnostics) == "");
  BOOST_TEST((p.devices.gpus.at(0).memory_bytes == 1024 * 1024));
  BOOST_TEST(codes(probe("gpus=1 integrated").diagnostics) == "FAB4032");
}

BOOST_AUTO_TEST_CASE(who_holds_the_gpus) {
  const RecordedTree tree({{"/proc/71/cmdline", std::string("/usr/bin/python3\0/home/ada/train.py\0--token\0secret\0", 51)},
                           {"/proc/71/status", "Name:\tpython3\nUid:\t1234\t1234\t1234\t1234\n"},
                           {"/proc/72/cmdline", ""},
                           {"/proc/72/comm", "w\xf6rker\n"},
                           {"/proc/72/status", "garbage"}});
  const StandIn playing(
      "gpus=4 holder=1:71:1000 holder=1:72:18446744073709551615 holder=1:73:5 used=2:40000000000 fail=nvmlDeviceGetComputeRunningProcesses_v3:3:15");
  ProbeRoot root = tree.root();
  root.nvml = test::stand_in_library();
  Diagnostics diagnostics;
  const std::vector<Occupancy> all = gpu_occupancy(root, diagnostics);
  BOOST_TEST(codes(diagnostics) == "FAB4032");
  BOOST_TEST_REQUIRE(all.size() == 3u);
  BOOST_TEST(all[0].gpu == 0);
  BOOST_TEST(all[0].holders.empty());
  BOOST_TEST_REQUIRE(all[1].holders.size() == 3u);
  const auto is = [](const GpuHolder& h, std::int64_t pid, const std::string& program, const std::string& user, std::int64_t bytes) {
    return h.pid == pid && h.program == program && h.user == user && h.memory_bytes == bytes;
  };
  BOOST_CHECK(is(all[1].holders[0], 71, "python3 train.py", "1234", 1000));
  BOOST_CHECK(is(all[1].holders[1], 72, "w\xef\xbf\xbdrker", "", 0));
  BOOST_CHECK(is(all[1].holders[2], 73, "", "", 5));
  BOOST_TEST_REQUIRE(all[2].holders.size() == 1u);
  BOOST_CHECK(is(all[2].holders[0], 0, "", "", 40000000000));
}

BOOST_AUTO_TEST_CASE(holders_are_numbered_as_cuda_does) {
  const StandIn playing("gpus=4 holder=3:1:1000");
  const RecordedTree tree;
  ProbeRoot root = tree.root();
  root.nvml = test::stand_in_library();
  root.cuda = visible("3,0");
  Diagnostics diagnostics;
  const auto all = gpu_occupancy(root, diagnostics);
  BOOST_TEST_REQUIRE(all.size() == 2u);
  BOOST_TEST(all[0].gpu == 0);
  BOOST_TEST(all[0].holders.size() == 1u);
  BOOST_TEST(all[1].holders.empty());
}

BOOST_AUTO_TEST_CASE(more_holders_than_expected) {
  std::string machine = "gpus=1";
  for (int pid = 1; pid <= 200; ++pid) machine += " holder=0:" + std::to_string(pid) + ":1";
  const StandIn playing(machine);
  const RecordedTree tree;
  ProbeRoot root = tree.root();
  root.nvml = test::stand_in_library();
  Diagnostics diagnostics;
  BOOST_TEST(gpu_occupancy(root, diagnostics).at(0).holders.size() == 200u);
  BOOST_TEST(codes(diagnostics) == "");
}

BOOST_AUTO_TEST_CASE(this_process_as_a_holder) {
  const StandIn playing("gpus=1 holder=0:" + std::to_string(getpid()) + ":1");
  Diagnostics diagnostics;
  const auto all = gpu_occupancy({.path = "/", .nvml = test::stand_in_library(), .cuda = {}}, diagnostics);
  BOOST_TEST(all.at(0).holders.at(0).program == "probe_test");
  BOOST_TEST(!all.at(0).holders.at(0).user.empty());
}

BOOST_AUTO_TEST_CASE(occupancy_without_the_call_or_the_library) {
  const RecordedTree tree;
  ProbeRoot root = tree.root();
  root.nvml = test::stand_in_library("stand_in_nvml_without_extras");
  Diagnostics diagnostics;
  BOOST_TEST(gpu_occupancy(root, diagnostics).empty());
  BOOST_TEST(codes(diagnostics) == "FAB4030");
  root.nvml = "/nonexistent.so";
  Diagnostics silent;
  BOOST_TEST(gpu_occupancy(root, silent).empty());
  BOOST_TEST(codes(silent) == "");
}

BOOST_AUTO_TEST_SUITE_END()
