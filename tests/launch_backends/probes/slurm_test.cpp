// What two versions of SLURM said of one cluster, and what is made of it; then the texts that no recorded cluster has.
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "launch_backends/probes/gpu_model.hpp"
#include "launch_backends/probes/slurm.hpp"
#include "schema/hardware_schema.hpp"
#include "schema/json.hpp"
#include "schema/json_schema.hpp"

namespace {

using namespace fabric;
namespace fs = std::filesystem;

const fs::path clusters = fs::path(FABRIC_SOURCE_DIR) / "tests/launch_backends/probes/recorded";
const std::string versions[] = {"slurm-22.05", "slurm-24.11"};

std::string text_in(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

SlurmCluster recorded(const std::string& name) {
  SlurmCluster cluster;
  cluster.partitions = read_slurm_partitions(text_in(clusters / name / "partitions.txt"));
  cluster.nodes = read_slurm_nodes(text_in(clusters / name / "nodes.txt"));
  read_slurm_configuration(text_in(clusters / name / "config.txt"), cluster);
  return cluster;
}

struct Built {
  Hardware hardware;
  Diagnostics diagnostics;

  std::string codes() const {
    std::string text;
    for (const Diagnostic& d : diagnostics.all()) text += (text.empty() ? "" : " ") + d.code;
    return text;
  }
  bool tells(const std::string& part) const {
    for (const Diagnostic& d : diagnostics.all())
      if ((d.message + '\n' + d.help).find(part) != std::string::npos) return true;
    return false;
  }
};

Built build(const SlurmCluster& cluster, const SlurmQuery& query = {}) {
  Built built;
  built.hardware = hardware_of(cluster, query, built.diagnostics);
  return built;
}

const SlurmNode& node(const SlurmCluster& cluster, const std::string& name) {
  for (const SlurmNode& n : cluster.nodes)
    if (n.name == name) return n;
  throw std::runtime_error("no node " + name);
}

// A node as a line of scontrol.
std::string line(const std::string& name, const std::string& gres, const std::string& state = "IDLE", const std::string& rest = "") {
  return "NodeName=" + name + " Arch=x86_64 CPUTot=8 AvailableFeatures=(null) Gres=" + gres +
         " OS=Linux 6.1.0 #1 SMP  RealMemory=1000 Sockets=1 State=" + state + " Partitions=p " + rest + "\n";
}

SlurmCluster cluster_of(const std::string& nodes, const std::string& partition = "PartitionName=p Default=YES State=UP TotalNodes=1\n") {
  SlurmCluster cluster;
  cluster.partitions = read_slurm_partitions(partition);
  cluster.nodes = read_slurm_nodes(nodes);
  return cluster;
}

std::string gpus_in(const std::string& gres) {
  std::string text;
  const SlurmNode node = read_slurm_nodes(line("n", gres)).at(0);
  for (const SlurmGpus& g : node.gpus) text += '[' + g.type + ' ' + std::to_string(g.count) + ']';
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm)

BOOST_AUTO_TEST_CASE(each_partition_gives_the_hardware_that_is_expected) {
  const char* accept = std::getenv("FABRIC_ACCEPT");
  for (const std::string& version : versions)
    for (const char* partition : {"batch", "gpu", "mixed", "everything"}) {
      BOOST_TEST_CONTEXT(version << ' ' << partition) {
        const Hardware hardware = build(recorded(version), {.partition = partition}).hardware;
        const Value value = to_value(hardware);
        BOOST_TEST(JsonSchema(hardware_schema()).validate(value).empty());
        const fs::path file = clusters / version / (std::string(partition) + ".json");
        if (accept && std::string_view(accept) == "1") std::ofstream(file) << pretty_json(value) << '\n';
        BOOST_TEST(text_in(file) == pretty_json(value) + '\n');
      }
    }
}

BOOST_AUTO_TEST_CASE(partitions_are_read_alike_of_both_versions) {
  for (const std::string& version : versions) {
    BOOST_TEST_CONTEXT(version) {
      const SlurmCluster cluster = recorded(version);
      BOOST_TEST(cluster.name == "fabric");
      BOOST_TEST(cluster.version == (version == "slurm-22.05" ? "22.05.8" : "24.11.5"));
      BOOST_TEST(cluster.partitions.size() == 8u);
      BOOST_TEST(cluster.nodes.size() == 14u);
      BOOST_REQUIRE(cluster.default_partition());
      const SlurmPartition& gpu = *cluster.default_partition();
      BOOST_TEST(gpu.name == "gpu");
      BOOST_TEST(gpu.state == "UP");
      BOOST_TEST(gpu.nodes == 6);
      BOOST_TEST(gpu.time_limit.value_or(0) == (2 * 24 + 12) * 3600 + 30 * 60);
      BOOST_TEST(gpu.default_time.value_or(0) == 3600);
      BOOST_TEST(gpu.most_nodes.value_or(0) == 4);
      BOOST_TEST(gpu.accounts == (std::vector<std::string>{"ml", "physics"}), boost::test_tools::per_element());
      BOOST_TEST(gpu.qos == (std::vector<std::string>{"normal", "long"}), boost::test_tools::per_element());
      const SlurmPartition& old = *cluster.partition("old");  // hidden
      BOOST_TEST(old.accounts.empty());
      BOOST_TEST(old.accounts_shut_out == std::vector<std::string>{"guests"}, boost::test_tools::per_element());
      BOOST_TEST(!old.time_limit.has_value());
      BOOST_TEST(!old.most_nodes.has_value());
      BOOST_TEST(cluster.partition("closed")->groups == std::vector<std::string>{"staff"}, boost::test_tools::per_element());
      BOOST_TEST(cluster.partition("empty")->nodes == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(nodes_are_read_alike_of_both_versions) {
  for (const std::string& version : versions) {
    BOOST_TEST_CONTEXT(version) {
      const SlurmCluster cluster = recorded(version);
      const SlurmNode& n5 = node(cluster, "n5");
      BOOST_TEST(n5.cpus == 184);  // without four cores that are kept for the system
      BOOST_TEST(n5.cpus_in_all == 192);
      BOOST_TEST(n5.memory_bytes == std::int64_t{2063000 - 16000} << 20);
      BOOST_TEST(n5.sockets == 2);
      BOOST_TEST(n5.cores_per_socket == 48);
      BOOST_TEST(n5.threads_per_core == 2);
      BOOST_TEST(n5.takes_jobs);
      BOOST_CHECK((n5.gpus == std::vector<SlurmGpus>{{"h100", 8}}));
      BOOST_TEST(n5.features == (std::vector<std::string>{"h100", "nvlink"}), boost::test_tools::per_element());
      // Its reason is `bad DIMM State=IDLE Gres=gpu:h100:8`.
      const SlurmNode& n2 = node(cluster, "n2");
      BOOST_TEST(!n2.takes_jobs);
      BOOST_CHECK((n2.gpus == std::vector<SlurmGpus>{{"a100", 4}}));
      BOOST_TEST(node(cluster, "n3").takes_jobs);
      BOOST_TEST(!node(cluster, "n6").takes_jobs);  // killed
      BOOST_TEST(node(cluster, "n7").takes_jobs);   // a job runs there
      BOOST_TEST(!node(cluster, "n9").takes_jobs);  // drained
      BOOST_TEST(node(cluster, "n10").takes_jobs);  // reserved
      BOOST_TEST(node(cluster, "n12").takes_jobs);  // all of it is in use
      BOOST_CHECK((node(cluster, "n13").gpus == std::vector<SlurmGpus>{{"a100", 1}, {"a100_2g.10gb", 3}, {"v100", 2}}));
      BOOST_CHECK((node(cluster, "n14").gpus == std::vector<SlurmGpus>{{"", 2}}));
    }
  }
}

BOOST_AUTO_TEST_CASE(alike_nodes_are_one_group_and_those_that_are_out_are_counted_apart) {
  for (const std::string& version : versions) {
    const Built gpu = build(recorded(version));
    BOOST_TEST(gpu.codes() == "FAB4049");
    BOOST_TEST(gpu.tells("4 nodes with 4 x a100; 2 nodes with 8 x h100"));
    BOOST_TEST_REQUIRE(gpu.hardware.groups.size() == 2u);
    BOOST_TEST(gpu.hardware.groups[0].count == 4);
    BOOST_TEST(gpu.hardware.groups[0].unavailable.value_or(0) == 1);
    BOOST_TEST(gpu.hardware.groups[0].usable() == 3);
    BOOST_TEST(gpu.hardware.groups[1].usable() == 1);
    BOOST_TEST(gpu.hardware.source.starts_with("scheduler: SLURM 2"));
    BOOST_TEST(gpu.hardware.source.ends_with(", cluster fabric, partition gpu"));
    const Host& host = gpu.hardware.groups[0].host;
    BOOST_TEST(host.hostname == "n1");
    BOOST_TEST(host.cpus.size() == 128u);
    BOOST_TEST(host.gpus.at(3).index == 3);
    BOOST_TEST(host.gpus.at(3).compute_major.value_or(0) == 8);
    BOOST_TEST(!host.nvidia_driver.has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_query_chooses_nodes) {
  const SlurmCluster cluster = recorded("slurm-22.05");
  struct Case {
    SlurmQuery query;
    std::size_t groups;
    std::int64_t count;
    std::string gpus;  // of the first group
  };
  const Case cases[] = {
      {{.partition = "gpu", .constraint = "h100"}, 1, 2, "8 h100"},
      {{.partition = "gpu", .constraint = "a100&nvlink"}, 1, 4, "4 a100"},
      {{.partition = "gpu", .constraint = "a100, ib_hdr"}, 1, 4, "4 a100"},
      {{.partition = "gpu", .constraint = "a100|h100"}, 2, 4, "4 a100"},
      {{.partition = "gpu", .gpu_type = "h100"}, 1, 2, "8 h100"},
      {{.partition = "mixed", .gpu_type = "v100"}, 1, 1, "2 v100"},
      {{.partition = "mixed", .gpu_type = "a100_2g.10gb"}, 1, 1, "3 a100_2g.10gb"},
      {{.partition = "batch", .constraint = "bigmem"}, 1, 1, ""},
      {{.partition = "batch,gpu", .constraint = "nvlink"}, 2, 4, "4 a100"},
  };
  for (const Case& c : cases) {
    BOOST_TEST_CONTEXT(c.query.partition << ' ' << c.query.constraint << ' ' << c.query.gpu_type) {
      const Built built = build(cluster, c.query);
      BOOST_TEST_REQUIRE(built.hardware.groups.size() == c.groups);
      const HostGroup& first = built.hardware.groups.front();
      BOOST_TEST(first.count == c.count);
      BOOST_TEST((first.host.gpus.empty() ? "" : std::to_string(first.host.gpus.size()) + ' ' + first.host.gpus[0].name) == c.gpus);
    }
  }
  // Nodes that differ in memory alone are no news.
  BOOST_TEST(build(cluster, {.partition = "batch"}).codes() == "");
  const Built left = build(cluster, {.partition = "gpu", .constraint = "[a100*2&h100*1]"});
  BOOST_TEST(left.codes() == "FAB4050 FAB4049");
  BOOST_TEST(left.hardware.groups.size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_told_with_what_is) {
  const SlurmCluster cluster = recorded("slurm-24.11");
  Built built = build(cluster, {.partition = "gup"});
  BOOST_TEST(built.codes() == "FAB4043");
  BOOST_TEST(built.tells("did you mean `gpu`?"));
  BOOST_TEST(built.tells("batch, gpu, mixed, maint, old, closed, empty, everything"));
  BOOST_TEST(built.hardware.groups.empty());

  SlurmCluster without = cluster;
  for (SlurmPartition& p : without.partitions) p.is_default = false;
  BOOST_TEST(build(without).codes() == "FAB4044");
  BOOST_TEST(build(without, {.partition = "batch"}).codes() == "");

  built = build(cluster, {.partition = "empty"});
  BOOST_TEST(built.codes() == "FAB4045");
  built = build(cluster, {.partition = "gpu", .constraint = "a100&bigmem"});
  BOOST_TEST(built.codes() == "FAB4045");
  BOOST_TEST(built.tells("the features there are: a100, h100, ib_hdr, nvlink"));
  built = build(cluster, {.partition = "gpu", .gpu_type = "v100"});
  BOOST_TEST(built.codes() == "FAB4045");
  BOOST_TEST(built.tells("the types there are: a100, h100"));
}

BOOST_AUTO_TEST_CASE(a_partition_in_which_no_job_would_start_is_told) {
  const SlurmCluster cluster = recorded("slurm-22.05");
  BOOST_TEST(build(cluster, {.partition = "maint"}).tells("partition maint is DRAIN: SLURM takes no job for it"));
  BOOST_TEST(build(cluster, {.partition = "old"}).tells("partition old is DOWN: a job waits in it and does not start"));
  BOOST_TEST(build(cluster, {.partition = "closed"}).codes() == "FAB4047");

  const Built out = build(cluster_of(line("a", "gpu:a100:4", "IDLE+DRAIN") + line("b", "gpu:a100:4", "DOWN+NOT_RESPONDING") +
                                     line("c", "gpu:a100:4", "DOWN") + line("d", "gpu:a100:4", "MIXED+DRAIN")));
  BOOST_TEST(out.codes() == "FAB4046");
  BOOST_TEST(out.tells("1 down, 2 drained, 1 not responding"));
  // What is out is known all the same.
  BOOST_TEST_REQUIRE(out.hardware.groups.size() == 1u);
  BOOST_TEST(out.hardware.groups[0].count == 4);
  BOOST_TEST(out.hardware.groups[0].usable() == 0);
  BOOST_TEST(out.hardware.groups[0].host.gpus.size() == 4u);
}

BOOST_AUTO_TEST_CASE(the_first_group_is_the_one_to_plan_for) {
  const auto first = [](const std::string& nodes) { return build(cluster_of(nodes)).hardware.groups.at(0).host; };
  const std::string cpu = "(null)";
  BOOST_TEST(first(line("a", cpu) + line("b", cpu) + line("c", "gpu:a100:4")).gpus.size() == 4u);
  BOOST_TEST(first(line("a", "gpu:a100:8") + line("b", "gpu:a100:4") + line("c", "gpu:a100:4")).gpus.size() == 4u);
  // A plan is not another for nodes that are down today.
  BOOST_TEST(first(line("a", "gpu:a100:8") + line("b", "gpu:a100:4", "DOWN") + line("c", "gpu:a100:4", "DOWN")).gpus.size() == 4u);
  // Named after one that is up.
  BOOST_TEST(first(line("a", cpu, "DOWN") + line("b", cpu) + line("c", cpu)).hostname == "b");
}

BOOST_AUTO_TEST_CASE(states) {
  for (const char* good : {"IDLE", "MIXED", "ALLOCATED", "IDLE+CLOUD+POWERED_DOWN", "IDLE~", "MIXED+PLANNED", "IDLE+MAINTENANCE+RESERVED",
                           "ALLOCATED+COMPLETING", "IDLE+COMPLETING", "IDLE+REBOOT_REQUESTED", "IDLE#", "MIXED+BLOCKED"})
    BOOST_TEST(read_slurm_nodes(line("n", "(null)", good)).at(0).takes_jobs, good);
  for (const char* bad :
       {"DOWN", "DOWN*", "IDLE*", "MIXED*+DRAIN", "IDLE+DRAIN", "ALLOCATED+DRAIN", "DOWN+NOT_RESPONDING", "IDLE+NOT_RESPONDING",
        "IDLE+FAIL", "UNKNOWN", "UNKNOWN*", "FUTURE", "INVAL", "IDLE+INVALID_REG", "ERROR", "", "idle"})
    BOOST_TEST(!read_slurm_nodes(line("n", "(null)", bad)).at(0).takes_jobs, bad);
}

BOOST_AUTO_TEST_CASE(gres) {
  const std::pair<const char*, const char*> cases[] = {
      {"(null)", ""},
      {"gpu", "[ 1]"},
      {"gpu:4", "[ 4]"},
      {"gpu:a100:4(S:0-1)", "[a100 4]"},
      {"gpu:a100:2(S:0,2),gpu:a100:2(S:1,3),nvme:2", "[a100 4]"},
      {"nvme:2,gpu:tesla_v100-sxm2-32gb:8,mps:800", "[tesla_v100-sxm2-32gb 8]"},
      {"gpu:a100:no_consume:4", "[a100 4]"},
      {"gpu:v100", "[v100 1]"},
      {"gpu:1080:2", "[1080 2]"},
      {"gpu:1080:2,gpu:a100:1", "[1080 2][a100 1]"},
      {"shard:8", ""},
      {"gpu:a100:0", ""},
      {"gpu:a100:99999999999", ""},
      {"gpu:a100:-1", ""},
      {"gpus:4,gpu", "[ 1]"},
      {",,:,gpu:,", "[ 1]"},
      {"gpu:a100:4(S:0", "[a100 4]"},
  };
  for (const auto& [text, expected] : cases) BOOST_TEST(gpus_in(text) == expected, text << " gives " << gpus_in(text));
}

BOOST_AUTO_TEST_CASE(times) {
  const auto limit = [](const std::string& text) {
    return read_slurm_partitions("PartitionName=p MaxTime=" + text + " State=UP\n").at(0).time_limit.value_or(-1);
  };
  const std::pair<const char*, std::int64_t> cases[] = {
      {"UNLIMITED", -1}, {"INFINITE", -1},       {"NONE", -1}, {"01:00:00", 3600}, {"1-00:00:00", 86400}, {"30:00", 1800},
      {"", -1},          {"2-12:30:00", 217800}, {"1-", -1},   {"x:00:00", -1},    {"60", 3600},          {"-1:00:00", -1}};
  for (const auto& [text, seconds] : cases) BOOST_TEST(limit(text) == seconds, text << " gives " << limit(text));
}

BOOST_AUTO_TEST_CASE(text_that_is_none_gives_nothing) {
  for (const char* text :
       {"", "\n\n", "No nodes in the system\n", "slurm_load_node error: x", "NodeName=", "NodeName= CPUTot=4", "NodeName=n",
        "NodeName=n CPUTot=0", "NodeName=n CPUTot=-4", "NodeName=n CPUTot=4x", "NodeName=n CPUTot=99999999999999999999",
        "NodeName=n CPUTot=70000", "NodeName=n CPUTot=4 CPUEfctv=8", "=", " = = =", "NodeName"}) {
    BOOST_TEST(read_slurm_nodes(text).empty(), text);
    BOOST_TEST(read_slurm_partitions(text).empty(), text);
    SlurmCluster cluster;
    read_slurm_configuration(text, cluster);
    BOOST_TEST((cluster.name + cluster.version).empty(), text);
  }
  // Every piece of a recorded text is read without harm.
  const std::string whole = text_in(clusters / "slurm-24.11/nodes.txt");
  for (std::size_t end = 0; end < whole.size(); end += 97) read_slurm_nodes(std::string_view(whole).substr(0, end));
  const SlurmNode odd = read_slurm_nodes("NodeName=n\xff CPUTot=4 State=IDLE Partitions=p RealMemory=10 MemSpecLimit=20\n").at(0);
  BOOST_TEST(odd.name == "n\xEF\xBF\xBD");
  BOOST_TEST(odd.memory_bytes == 0);
}

BOOST_AUTO_TEST_CASE(gpus_of_another_make_are_none) {
  const Built built = build(cluster_of(line("a", "gpu:mi250x:8")));
  BOOST_TEST(built.codes() == "FAB4048");
  BOOST_TEST(built.hardware.groups.at(0).host.gpus.empty());
  BOOST_TEST(build(cluster_of(line("a", "gpu:2"))).hardware.groups.at(0).host.gpus.at(1).name == "gpu");
}

BOOST_AUTO_TEST_CASE(what_a_name_says_of_a_gpu) {
  struct Case {
    const char* name;
    int major, minor, gigabytes;  // 0: not known
  };
  const Case cases[] = {{"a100", 8, 0, 0},
                        {"A100", 8, 0, 0},
                        {"nvidia_a100-sxm4-80gb", 8, 0, 80},
                        {"a100_2g.10gb", 8, 0, 10},
                        {"NVIDIA H100 80GB HBM3", 9, 0, 80},
                        {"tesla_v100-sxm2-32gb", 7, 0, 32},
                        {"rtx3090", 8, 6, 0},
                        {"nvidia_geforce_rtx_2080_ti", 7, 5, 0},
                        {"gtx1080ti", 6, 1, 0},
                        {"rtx_a6000", 8, 6, 0},
                        {"l40s", 8, 9, 0},
                        {"gh200", 9, 0, 0},
                        {"b200", 10, 0, 0},
                        {"gpu", 0, 0, 0},
                        {"", 0, 0, 0},
                        {"big", 0, 0, 0},
                        {"a1000", 0, 0, 0},
                        {"rtx_6000", 0, 0, 0},
                        {"0gb", 0, 0, 0},
                        {"99999999999999999999gb", 0, 0, 0}};
  for (const Case& c : cases) {
    const GpuModel model = gpu_model(c.name);
    BOOST_TEST_CONTEXT(c.name) {
      BOOST_TEST(model.compute_major.value_or(0) == c.major);
      BOOST_TEST(model.compute_minor.value_or(0) == c.minor);
      BOOST_TEST(model.memory_bytes.value_or(0) == std::int64_t{c.gigabytes} << 30);
      BOOST_TEST(!model.of_another_make);
    }
  }
  for (const char* other : {"mi250", "MI250X", "amd_mi300a", "instinct", "pvc", "gaudi2"})
    BOOST_TEST(gpu_model(other).of_another_make, other);
}

BOOST_AUTO_TEST_CASE(a_large_cluster_is_read_in_no_time_to_speak_of) {
  std::string text;
  for (int i = 0; i < 10000; ++i)
    text += line("n" + std::to_string(i), i % 3 ? "gpu:a100:4(S:0-1)" : "(null)", i % 50 ? "IDLE" : "IDLE+DRAIN");
  const auto begin = std::chrono::steady_clock::now();
  const Built built = build(cluster_of(text));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  BOOST_TEST(built.hardware.groups.size() == 2u);
  BOOST_TEST(built.hardware.groups[0].count + built.hardware.groups[1].count == 10000);
  BOOST_TEST(built.hardware.groups[0].unavailable.value_or(0) + built.hardware.groups[1].unavailable.value_or(0) == 200);
  BOOST_TEST(took.count() < 2.0);
}

BOOST_AUTO_TEST_SUITE_END()
