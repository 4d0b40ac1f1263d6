#include "launch_backends/probes/cgroup.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/launch_backends/probes/recorded_tree.hpp"

namespace {

using namespace fabric;
using test::Files;
using test::RecordedTree;

const std::string v2_mount = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const std::string v1_mounts =
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "38 31 0:35 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
const std::string v1_groups = "5:memory:/slurm/job_7\n3:cpu,cpuacct:/slurm/job_7\n2:cpuset:/slurm/job_7\n1:name=systemd:/init\n";

struct Case {
  const char* name;
  std::string cgroup;
  std::string mountinfo;
  Files files;
  std::optional<double> cpus;
  std::optional<std::int64_t> memory;
  const char* warnings = "";
};

// clang-format off
const Case cases[] = {
    {"no limit in version 2", "0::/user.slice\n", v2_mount, {{"/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n"}, {"/sys/fs/cgroup/user.slice/memory.max", "max\n"}}, {}, {}},
    {"a quota of one and a half", "0::/job\n", v2_mount, {{"/sys/fs/cgroup/job/cpu.max", "150000 100000\n"}, {"/sys/fs/cgroup/job/memory.max", "2147483648\n"}}, 1.5, 2147483648},
    {"the parent is tighter",
     "0::/a/b/c\n",
     v2_mount,
     {{"/sys/fs/cgroup/a/cpu.max", "200000 100000\n"},
      {"/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n"},
      {"/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n"},
      {"/sys/fs/cgroup/a/memory.max", "1000\n"},
      {"/sys/fs/cgroup/a/b/c/memory.max", "3000\n"}},
     2.0,
     1000},
    {"the child is tighter", "0::/a/b\n", v2_mount, {{"/sys/fs/cgroup/a/cpu.max", "400000 100000\n"}, {"/sys/fs/cgroup/a/b/cpu.max", "50000 200000\n"}}, 0.25, {}},
    {"a container sees its own group as the root", "0::/\n", v2_mount, {{"/sys/fs/cgroup/cpu.max", "300000 100000\n"}}, 3.0, {}},
    {"a container of the host's namespace: only its group is mounted",
     "0::/docker/4f2a\n",
     "31 23 0:28 /docker/4f2a /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
     {{"/sys/fs/cgroup/cpu.max", "300000 100000\n"}, {"/sys/fs/cgroup/job/cpu.max", "1 100\n"}},
     3.0,
     {}},
    {"below what is mounted", "0::/docker/4f2a/job\n", "31 23 0:28 /docker/4f2a /sys/fs/cgroup ro - cgroup2 cgroup rw\n", {{"/sys/fs/cgroup/job/cpu.max", "100000 100000\n"}}, 1.0, {}},
    {"a group beside what is mounted: its name only begins alike",
     "0::/docker/4f2abc/cpu\n",
     "31 23 0:28 /docker/4f2a /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
     {{"/sys/fs/cgroup/cpu.max", "500000 100000\n"}},
     5.0,
     {}},
    {"a group outside of the namespace", "0::/../other\n", v2_mount, {{"/sys/fs/cgroup/cpu.max", "700000 100000\n"}, {"/sys/fs/other/cpu.max", "1 100\n"}}, 7.0, {}},
    {"a mount point with a space", "0::/j\n", "31 23 0:28 / /mnt/my\\040groups rw - cgroup2 c rw\n", {{"/mnt/my groups/j/cpu.max", "200000 100000\n"}}, 2.0, {}},
    {"no limit in version 1",
     v1_groups,
     v1_mounts,
     {{"/sys/fs/cgroup/cpu,cpuacct/slurm/job_7/cpu.cfs_quota_us", "-1\n"},
      {"/sys/fs/cgroup/cpu,cpuacct/slurm/job_7/cpu.cfs_period_us", "100000\n"},
      {"/sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "9223372036854771712\n"}},
     {},
     {}},
    {"nested limits in version 1",
     v1_groups,
     v1_mounts,
     {{"/sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_quota_us", "800000\n"},
      {"/sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_period_us", "100000\n"},
      {"/sys/fs/cgroup/cpu,cpuacct/slurm/job_7/cpu.cfs_quota_us", "-1\n"},
      {"/sys/fs/cgroup/cpu,cpuacct/slurm/job_7/cpu.cfs_period_us", "100000\n"},
      {"/sys/fs/cgroup/memory/slurm/memory.limit_in_bytes", "9000000000\n"},
      {"/sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "4000000000\n"}},
     8.0,
     4000000000},
    {"both versions at once",
     v1_groups + "0::/job\n",
     v1_mounts + v2_mount,
     {{"/sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "4000\n"}, {"/sys/fs/cgroup/job/memory.max", "3000\n"}, {"/sys/fs/cgroup/job/cpu.max", "100000 100000\n"}},
     1.0,
     3000},
    {"a number beyond 64 bits is no limit", "0::/j\n", v2_mount, {{"/sys/fs/cgroup/j/memory.max", "99999999999999999999999\n"}}, {}, {}},
    {"an empty limit", "0::/j\n", v2_mount, {{"/sys/fs/cgroup/j/cpu.max", ""}, {"/sys/fs/cgroup/j/memory.max", ""}}, {}, {}, "FAB4020 FAB4020"},
    {"garbage beside a limit", "0::/a/b\n", v2_mount, {{"/sys/fs/cgroup/a/cpu.max", "100000 100000\n"}, {"/sys/fs/cgroup/a/b/cpu.max", "\xff\xfe lots"}}, 1.0, {}, "FAB4020"},
    {"a period of zero", "0::/j\n", v2_mount, {{"/sys/fs/cgroup/j/cpu.max", "100000 0\n"}}, {}, {}, "FAB4020"},
    {"a negative limit", "0::/j\n", v2_mount, {{"/sys/fs/cgroup/j/memory.max", "-5\n"}}, {}, {}, "FAB4020"},
    {"a negative quota", "0::/j\n", v2_mount, {{"/sys/fs/cgroup/j/cpu.max", "-7 100000\n"}}, {}, {}, "FAB4020"},
    {"a mount table of garbage", "0::/j\n", "cgroup2\n - cgroup2\n31 23 - cgroup2 x y\n1 2 3 / relative rw - cgroup2 c rw\n\\777 - cgroup", {}, {}, {}},
    {"a group table of garbage", "::\n:\nx\n0:\n\n0::", v2_mount, {}, {}, {}},
    {"a folder where a file should be", "0::/j\n", v2_mount, {{"/sys/fs/cgroup/j/cpu.max/x", ""}}, {}, {}},
    {"version 2 without its mount", "0::/j\n", "22 1 0:1 / / rw - ext4 /dev/vda rw\n", {}, {}, {}},
};
// clang-format on

}  // namespace

BOOST_AUTO_TEST_SUITE(cgroup)

BOOST_AUTO_TEST_CASE(limits_of_recorded_machines) {
  for (const Case& c : cases) {
    BOOST_TEST_CONTEXT(c.name) {
      const RecordedTree tree(c.files);
      tree.write("/proc/self/cgroup", c.cgroup);
      tree.write("/proc/self/mountinfo", c.mountinfo);
      Diagnostics diagnostics;
      const CgroupLimits limits = cgroup_limits(tree.root(), diagnostics);
      BOOST_TEST(limits.cpus.value_or(-1) == c.cpus.value_or(-1));
      BOOST_TEST(limits.memory_bytes.value_or(-1) == c.memory.value_or(-1));
      BOOST_TEST(limits.cpus_file.empty() == !c.cpus.has_value());
      BOOST_TEST(limits.memory_file.empty() == !c.memory.has_value());
      BOOST_TEST(test::codes(diagnostics) == c.warnings);
    }
  }
}

BOOST_AUTO_TEST_CASE(names_the_file_that_limits) {
  const RecordedTree tree({{"/proc/self/cgroup", "0::/a/b\n"},
                           {"/proc/self/mountinfo", v2_mount},
                           {"/sys/fs/cgroup/a/cpu.max", "200000 100000\n"},
                           {"/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n"}});
  Diagnostics diagnostics;
  BOOST_TEST(cgroup_limits(tree.root(), diagnostics).cpus_file == "/sys/fs/cgroup/a/cpu.max");
}

BOOST_AUTO_TEST_CASE(no_proc_is_no_limit) {
  const RecordedTree tree;
  Diagnostics diagnostics;
  const CgroupLimits limits = cgroup_limits(tree.root(), diagnostics);
  BOOST_TEST(!limits.cpus.has_value());
  BOOST_TEST(!limits.memory_bytes.has_value());
  BOOST_TEST(test::codes(diagnostics) == "");
}

BOOST_AUTO_TEST_SUITE_END()
