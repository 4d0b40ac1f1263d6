#include "launch_backends/probes/host.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <chrono>

#include "launch_backends/probes/meminfo.hpp"
#include "launch_backends/probes/network.hpp"
#include "launch_backends/probes/numa.hpp"
#include "launch_backends/probes/untrusted_text.hpp"
#include "schema/number_list.hpp"
#include "tests/launch_backends/probes/recorded_tree.hpp"

namespace {

using namespace fabric;
using test::codes;
using test::Files;
using test::RecordedTree;
using Cpus = std::vector<std::int64_t>;

// Two NUMA nodes, six of eight CPUs allowed, a quota on the group above.
const Files server = {
    {"/proc/sys/kernel/hostname", "node7\n"},
    {"/proc/self/status", "Name:\tfabric\nCpus_allowed:\tfc\nCpus_allowed_list:\t2-7\nMems_allowed_list:\t0-1\n"},
    {"/proc/meminfo", "MemTotal:       16384 kB\nMemFree:        1024 kB\n"},
    {"/proc/self/cgroup", "0::/slice/job\n"},
    {"/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
    {"/sys/fs/cgroup/slice/cpu.max", "450000 100000\n"},
    {"/sys/fs/cgroup/slice/job/memory.max", "8388608\n"},
    {"/sys/devices/system/cpu/online", "0-7\n"},
    {"/sys/devices/system/node/online", "0-1\n"},
    {"/sys/devices/system/node/node0/cpulist", "0-1,4-5\n"},
    {"/sys/devices/system/node/node0/meminfo", "\nNode 0 MemTotal:       8192 kB\nNode 0 MemFree: 1 kB\n"},
    {"/sys/devices/system/node/node1/cpulist", "2-3,6-7\n"},
    {"/sys/devices/system/node/node1/meminfo", "\nNode 1 MemTotal:       8192 kB\n"},
};

Host probed(const RecordedTree& tree, Diagnostics& diagnostics) {
  const Hardware hardware = probe_this_host(tree.root(), diagnostics);
  BOOST_TEST_REQUIRE(hardware.groups.size() == 1u);
  BOOST_TEST(hardware.groups[0].count == 1);
  return hardware.groups[0].host;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(host)

BOOST_AUTO_TEST_CASE(a_recorded_server) {
  const RecordedTree tree(server);
  Diagnostics diagnostics;
  const Host host = probed(tree, diagnostics);
  BOOST_TEST(codes(diagnostics) == "");
  BOOST_TEST(host.hostname == "node7");
  BOOST_TEST(host.cpus == (Cpus{2, 3, 4, 5, 6, 7}), boost::test_tools::per_element());
  BOOST_TEST(host.cpus_online == 8);
  BOOST_TEST(host.cpu_quota.value() == 4.5);
  BOOST_TEST(host.memory_bytes == 16384 * 1024);
  BOOST_TEST(host.memory_limit.value() == 8388608);
  BOOST_TEST_REQUIRE(host.numa_nodes.size() == 2u);
  BOOST_CHECK((host.numa_nodes[0] == NumaNode{0, {0, 1, 4, 5}, 8192 * 1024}));
  BOOST_CHECK((host.numa_nodes[1] == NumaNode{1, {2, 3, 6, 7}, 8192 * 1024}));
  BOOST_TEST(host.interfaces.empty());
  BOOST_TEST(host.gpus.empty());
  BOOST_TEST(!host.nvidia_driver.has_value());
}

BOOST_AUTO_TEST_CASE(threads_of_a_core_are_told) {
  const RecordedTree tree(server);
  Diagnostics diagnostics;
  BOOST_TEST(!probed(tree, diagnostics).smt_siblings.has_value());
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string core = std::to_string(cpu % 4);
    const std::string siblings = cpu % 4 == 3 ? std::to_string(cpu) : core + ',' + std::to_string(cpu % 4 + 4);
    tree.write("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list", siblings + '\n');
  }
  const Host host = probed(tree, diagnostics);
  BOOST_TEST_REQUIRE(host.smt_siblings.has_value());
  BOOST_TEST((*host.smt_siblings == std::vector<Cpus>{{0, 4}, {1, 5}, {2, 6}}));
  BOOST_TEST(codes(diagnostics) == "");
}

BOOST_AUTO_TEST_CASE(a_limit_above_the_memory_limits_nothing) {
  const RecordedTree tree(server);
  tree.write("/sys/fs/cgroup/slice/job/memory.max", std::to_string(16384 * 1024) + '\n');
  Diagnostics diagnostics;
  BOOST_TEST(!probed(tree, diagnostics).memory_limit.has_value());
}

BOOST_AUTO_TEST_CASE(nothing_at_all_is_one_cpu_and_says_so) {
  const RecordedTree tree;
  Diagnostics diagnostics;
  const Host host = probed(tree, diagnostics);
  BOOST_TEST(host.hostname == "localhost");
  BOOST_TEST(host.cpus == (Cpus{0}), boost::test_tools::per_element());
  BOOST_TEST(host.cpus_online == 1);
  BOOST_TEST(host.memory_bytes == 0);
  BOOST_TEST(host.numa_nodes.size() == 1u);
  BOOST_TEST(codes(diagnostics) == "FAB4020 FAB4020 FAB4020");
  BOOST_TEST(!diagnostics.has_errors());
}

BOOST_AUTO_TEST_CASE(interfaces_that_cannot_be_listed_are_a_warning) {
  // No descriptor is left for the netlink socket that getifaddrs opens.
  rlimit before{};
  BOOST_REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 0;
  Diagnostics diagnostics;
  BOOST_REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const std::vector<NetworkInterface> found = network_interfaces(ProbeRoot{}, diagnostics);
  setrlimit(RLIMIT_NOFILE, &before);
  BOOST_TEST(found.empty());
  BOOST_TEST(codes(diagnostics) == "FAB4021");
  BOOST_TEST(!diagnostics.has_errors());
}

BOOST_AUTO_TEST_CASE(one_unreadable_file_is_one_warning_and_the_rest_stands) {
  for (const std::string& garbage :
       {std::string(), std::string("\0\xff\xfe", 3), std::string("0-"), std::string("9-3"), std::string("0-999999999999"),
        std::string(100000, '7'), std::string("MemTotal: -1 kB"), std::string("MemTotal: 99999999999999999 kB"),
        std::string("Cpus_allowed_list:\t0-1"), std::string("\nCpus_allowed_list:"), std::string("MemTotal:")}) {
    for (const std::string file : {"/proc/self/status", "/proc/meminfo", "/sys/devices/system/cpu/online",
                                   "/sys/devices/system/node/online", "/sys/devices/system/node/node1/meminfo"}) {
      BOOST_TEST_CONTEXT(file << " holds " << garbage.substr(0, 40)) {
        const RecordedTree tree(server);
        tree.write(file, garbage);
        Diagnostics diagnostics;
        const Host host = probed(tree, diagnostics);
        BOOST_TEST(codes(diagnostics) == "FAB4020");
        BOOST_TEST(diagnostics.all()[0].message.find(file) != std::string::npos);
        BOOST_TEST(!host.cpus.empty());
        BOOST_TEST(host.cpus_online >= 1);
        BOOST_TEST(!host.numa_nodes.empty());
        BOOST_TEST(host.cpu_quota.value() == 4.5);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_stands_in_for_what_cannot_be_read) {
  const RecordedTree no_status(server);
  no_status.write("/proc/self/status", "");
  Diagnostics diagnostics;
  BOOST_TEST(probed(no_status, diagnostics).cpus.size() == 8u);  // all online ones
  const RecordedTree no_online(server);
  no_online.write("/sys/devices/system/cpu/online", "");
  BOOST_TEST(probed(no_online, diagnostics).cpus_online == 6);  // those allowed
  const RecordedTree no_nodes(server);
  no_nodes.write("/sys/devices/system/node/node1/cpulist", "x");
  BOOST_CHECK((probed(no_nodes, diagnostics).numa_nodes == std::vector<NumaNode>{{0, {0, 1, 2, 3, 4, 5, 6, 7}, 16384 * 1024}}));
}

BOOST_AUTO_TEST_CASE(a_node_without_cpus_is_kept) {
  const RecordedTree tree(server);
  tree.write("/sys/devices/system/node/online", "0-2\n");
  tree.write("/sys/devices/system/node/node2/cpulist", "\n");
  tree.write("/sys/devices/system/node/node2/meminfo", "Node 2 MemTotal:       4 kB\n");
  Diagnostics diagnostics;
  const Host host = probed(tree, diagnostics);
  BOOST_TEST(codes(diagnostics) == "");
  BOOST_CHECK((host.numa_nodes.back() == NumaNode{2, {}, 4096}));
}

BOOST_AUTO_TEST_CASE(a_pipe_in_the_tree_does_not_hang) {
  const RecordedTree tree(server);
  const std::string pipe = tree.path() + "/proc/meminfo";
  std::filesystem::remove(pipe);
  BOOST_REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  Diagnostics diagnostics;
  BOOST_TEST(probed(tree, diagnostics).memory_bytes == 0);
}

BOOST_AUTO_TEST_CASE(names_become_utf8_and_nothing_else) {
  const RecordedTree tree(server);
  tree.write("/proc/sys/kernel/hostname", "n\xf6\x1b[31m\xc3\xb6\xed\xa0\x80\n");
  Diagnostics diagnostics;
  BOOST_TEST(probed(tree, diagnostics).hostname == "n\xef\xbf\xbd\x1b[31m\xc3\xb6\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  BOOST_TEST(valid_utf8("") == "");
  BOOST_TEST(valid_utf8("\xf0\x9f\x98\x80") == "\xf0\x9f\x98\x80");
  BOOST_TEST(valid_utf8("\xf0\x9f\x98") == "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

BOOST_AUTO_TEST_CASE(this_machine) {
  Diagnostics diagnostics;
  ProbeRoot root;
  root.nvml.clear();
  const Host host = probe_this_host(root, diagnostics).groups.at(0).host;
  BOOST_TEST(codes(diagnostics) == "");
  cpu_set_t set;
  BOOST_REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
  BOOST_TEST(host.cpus.size() == static_cast<std::size_t>(CPU_COUNT(&set)));
  for (const std::int64_t cpu : host.cpus) BOOST_TEST(CPU_ISSET(static_cast<std::size_t>(cpu), &set));
  BOOST_TEST(host.memory_bytes > 0);
  BOOST_TEST(!host.hostname.empty());
  for (const NetworkInterface& interface : host.interfaces) BOOST_TEST(!interface.address.starts_with("fe80"));
}

BOOST_AUTO_TEST_CASE(follows_the_affinity_of_this_process) {
  cpu_set_t before, one;
  BOOST_REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  std::size_t last = 0;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &before)) last = cpu;
  CPU_ZERO(&one);
  CPU_SET(last, &one);
  BOOST_REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  Diagnostics diagnostics;
  const Cpus cpus = affinity_cpus({}, diagnostics);
  sched_setaffinity(0, sizeof before, &before);
  BOOST_TEST(cpus == (Cpus{static_cast<std::int64_t>(last)}), boost::test_tools::per_element());
}

// 2 ms is the promise; a machine that is busy with other tests gets ten times that, for the fastest of 20.
BOOST_AUTO_TEST_CASE(takes_milliseconds) {
  using Clock = std::chrono::steady_clock;
  Diagnostics diagnostics;
  ProbeRoot root;
  root.nvml.clear();
  auto best = Clock::duration::max();
  for (int i = 0; i < 20; ++i) {
    const auto start = Clock::now();
    probe_this_host(root, diagnostics);
    best = std::min(best, Clock::now() - start);
  }
  const std::chrono::duration<double, std::milli> milliseconds = best;
  BOOST_TEST(milliseconds.count() < 20.0);
}

BOOST_AUTO_TEST_CASE(cpu_lists) {
  const auto is = [](std::string_view text, const Cpus& cpus) { return parse_number_list(text) == std::optional(cpus); };
  BOOST_CHECK(is("", {}));
  BOOST_CHECK(is("\n", {}));
  BOOST_CHECK(is("0", {0}));
  BOOST_CHECK(is(" \t0-3,8,10-11\n", {0, 1, 2, 3, 8, 10, 11}));
  BOOST_CHECK(is("5,1,1-2", {1, 2, 5}));
  BOOST_CHECK(is("65535", {65535}));
  for (const char* bad :
       {",", "1,", ",1", "-", "1-", "-1", "3-1", "0x1", "1 2", "a", "1-2-3", "65536", "0-65536", "1;2", "+1", "99999999999999999999"})
    BOOST_CHECK_MESSAGE(!parse_number_list(bad), bad);
}

BOOST_AUTO_TEST_CASE(memory_tables) {
  BOOST_CHECK(total_memory("MemTotal:  3 kB\n") == std::optional<std::int64_t>(3072));
  BOOST_CHECK(total_memory("Node 3 MemTotal: 0 kB") == std::optional<std::int64_t>(0));
  for (const char* bad : {"", "MemTotal", "MemTotal:", "MemTotal: kB", "MemTotal: 3", "MemTotal: 3 MB", "MemTotal: -3 kB",
                          "MemTotal: 99999999999999999999 kB"})
    BOOST_CHECK_MESSAGE(!total_memory(bad), bad);
}

BOOST_AUTO_TEST_SUITE_END()
