// Which CPUs a rank is tied to: by NUMA nodes, cores and their threads, on CPUs and beside GPUs.
#include "compiler/bind_cpus.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <ostream>

#include "compiler/layers.hpp"
#include "compiler/read_job.hpp"
#include "compiler/resolve_auto.hpp"
#include "tests/compiler/compile_text.hpp"

namespace fabric::test {

namespace {

// Two sockets of 4 cores with 2 threads each, numbered as Linux does on x86: 0-3 and 4-7, their second threads 8-11 and 12-15. GPUs 0 and
// 1 are on the first, 2 on the second.
Host two_sockets() {
  Host host = machine(16, 3).groups[0].host;
  host.numa_nodes = {{0, {0, 1, 2, 3, 8, 9, 10, 11}, 1 << 30}, {1, {4, 5, 6, 7, 12, 13, 14, 15}, 1 << 30}};
  host.smt_siblings.emplace();
  for (std::int64_t core = 0; core < 8; ++core) host.smt_siblings->push_back({core, core + 8});
  for (std::size_t i = 0; i < 3; ++i) host.gpus[i].numa_node = i == 2 ? 1 : 0;
  return host;
}

std::string written(const CpuShares& shares) {
  std::string text;
  for (const RankCpus& row : shares.shares) text += (text.empty() ? "" : " ") + std::to_string(row.of) + '=' + row.cpus;
  return shares.hindrance.empty() ? text : shares.hindrance;
}

struct BindingRow {
  const char* what;
  CpuBinding binding;
  std::int64_t ranks;
  std::vector<std::int64_t> devices;  // empty: on CPUs
  const char* shares;
  std::int64_t fewest_cpus;
};
std::ostream& operator<<(std::ostream& out, const BindingRow& row) { return out << row.what; }

const BindingRow binding_rows[] = {
    {"two ranks, a node each", CpuBinding::numa, 2, {}, "0=0-3,8-11 1=4-7,12-15", 8},
    {"four ranks, two a node", CpuBinding::numa, 4, {}, "0=0-3,8-11 1=0-3,8-11 2=4-7,12-15 3=4-7,12-15", 4},
    {"one rank has the first node", CpuBinding::numa, 1, {}, "0=0-3,8-11", 8},
    {"three ranks", CpuBinding::numa, 3, {}, "0=0-3,8-11 1=0-3,8-11 2=4-7,12-15", 4},
    {"both threads of a core go together", CpuBinding::cores, 4, {}, "0=0-1,8-9 1=2-3,10-11 2=4-5,12-13 3=6-7,14-15", 4},
    {"cores that do not divide", CpuBinding::cores, 6, {}, "0=0,8 1=1,9 2=2-3,10-11 3=4,12 4=5,13 5=6-7,14-15", 2},
    {"a core a rank", CpuBinding::cores, 8, {}, "0=0,8 1=1,9 2=2,10 3=3,11 4=4,12 5=5,13 6=6,14 7=7,15", 2},
    {"more ranks than cores", CpuBinding::cores, 10, {}, "NUMA node 0 has 4 cores for 5 ranks", 0},
    {"near the GPU", CpuBinding::numa, 3, {0, 1, 2}, "0=0-3,8-11 1=0-3,8-11 2=4-7,12-15", 4},
    {"one of three GPUs, whichever", CpuBinding::numa, 1, {0, 1, 2}, "0=0-3,8-11 1=0-3,8-11 2=4-7,12-15", 8},
    {"GPUs in another order", CpuBinding::numa, 2, {2, 0}, "0=0-3,8-11 2=4-7,12-15", 8},
    {"cores of the GPU's node", CpuBinding::cores, 3, {0, 1, 2}, "0=0-1,8-9 1=2-3,10-11 2=4-7,12-15", 4},
    {"a GPU that is not there", CpuBinding::numa, 1, {9}, "the NUMA node of GPU 9 is not known", 0},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(bind_cpus)

BOOST_DATA_TEST_CASE(shares_of_two_sockets, binding_rows, row) {
  const Accelerator accelerator = row.devices.empty() ? Accelerator::cpu : Accelerator::cuda;
  const CpuShares shares = share_cpus(row.binding, {accelerator, row.ranks, row.devices}, two_sockets());
  BOOST_TEST(written(shares) == row.shares);
  if (shares.hindrance.empty()) BOOST_TEST(shares.fewest_cpus == row.fewest_cpus);
}

BOOST_AUTO_TEST_CASE(only_cpus_of_the_mask_are_given) {
  Host host = two_sockets();
  host.cpus = {1, 2, 9, 10};
  BOOST_TEST(written(share_cpus(CpuBinding::numa, {Accelerator::cpu, 2, {}}, host)) == "0=1-2,9-10 1=1-2,9-10");
  BOOST_TEST(written(share_cpus(CpuBinding::cores, {Accelerator::cpu, 2, {}}, host)) == "0=1,9 1=2,10");
  BOOST_TEST(written(share_cpus(CpuBinding::numa, {Accelerator::cuda, 1, {2}}, host)) ==
             "this job may use no CPU of NUMA node 1, where GPU 2 is");
  // Half a core is a core.
  host.cpus = {0, 1};
  BOOST_TEST(written(share_cpus(CpuBinding::cores, {Accelerator::cpu, 2, {}}, host)) == "0=0 1=1");
}

BOOST_AUTO_TEST_CASE(a_machine_that_tells_of_no_numa_node_is_one) {
  Host host = two_sockets();
  host.numa_nodes.clear();
  BOOST_TEST(written(share_cpus(CpuBinding::cores, {Accelerator::cpu, 2, {}}, host)) == "0=0-3,8-11 1=4-7,12-15");
  host.cpus = {3};
  BOOST_TEST(written(share_cpus(CpuBinding::cores, {Accelerator::cpu, 2, {}}, host)) == "NUMA node 0 has 1 core for 2 ranks");
}

BOOST_AUTO_TEST_CASE(without_what_the_kernel_tells_each_cpu_is_a_core) {
  Host host = two_sockets();
  host.smt_siblings.reset();
  BOOST_TEST(written(share_cpus(CpuBinding::cores, {Accelerator::cpu, 8, {}}, host)) ==
             "0=0-1 1=2-3 2=8-9 3=10-11 4=4-5 5=6-7 6=12-13 7=14-15");
  host.numa_nodes = {{0, host.cpus, 1 << 30}};
  host.gpus[0].numa_node.reset();
  BOOST_TEST(written(share_cpus(CpuBinding::numa, {Accelerator::cuda, 1, {0}}, host)) == "0=0-15");
}

namespace {

Resolution resolved(const std::string& json, const Host& host) {
  Value value = *read_json(json);
  fill_defaults(value);
  Diagnostics diagnostics;
  const std::optional<Resolution> resolution =
      resolve_auto(read_job(std::move(value)), {.source = "a test", .groups = {{1, host}}}, diagnostics);
  BOOST_REQUIRE(resolution);
  return *resolution;
}

const Decision& decided(const Resolution& resolution) {
  const auto found =
      std::find_if(resolution.decisions.begin(), resolution.decisions.end(), [](const Decision& d) { return d.field == "binding"; });
  BOOST_REQUIRE(found != resolution.decisions.end());
  return *found;
}

}  // namespace

BOOST_AUTO_TEST_CASE(auto_binds_where_it_is_known_to_suit_all) {
  const auto with = [](const std::string& more) { return R"({"fabric": 1, "program": {"command": ["true"]})" + more + '}'; };
  const Host host = two_sockets();
  for (const auto& [more, rule] : {std::pair<const char*, const char*>{R"(, "accelerator": "cpu", "devices": 2)", "near-its-place"},
                                   {R"(, "accelerator": "cpu", "devices": 3)", "no-even-spread"},
                                   {R"(, "accelerator": "cpu", "devices": 1)", "no-even-spread"},
                                   {R"(, "accelerator": "cuda")", "near-its-place"},
                                   {R"(, "accelerator": "cuda", "devices": 1)", "takes-too-many-cpus"}}) {
    const Resolution r = resolved(with(more), host);
    BOOST_TEST(decided(r).rule == rule, more);
    BOOST_TEST((r.job.binding == CpuBinding::numa) == (decided(r).rule == "near-its-place"));
    BOOST_TEST(r.nodes.front().cpus.empty() == (r.job.binding == CpuBinding::none));
  }
  // A rank that would have less than three quarters of its share of the CPUs, or fewer than its threads, stays free.
  Host narrow = host;
  narrow.cpus = {0, 1, 2, 3, 4, 5, 6, 7, 12};
  BOOST_TEST(decided(resolved(with(R"(, "accelerator": "cpu", "devices": 2)"), narrow)).rule == "near-its-place");
  narrow.cpus = {0, 1, 2, 3, 8, 9, 10, 11, 12};
  BOOST_TEST(decided(resolved(with(R"(, "accelerator": "cpu", "devices": 2)"), narrow)).rule == "takes-too-many-cpus");
  BOOST_TEST(decided(resolved(with(R"(, "accelerator": "cpu", "devices": 2, "threads": 9)"), host)).rule == "takes-too-many-cpus");
  BOOST_TEST(decided(resolved(with(R"(, "accelerator": "cpu", "devices": 2, "threads": 8)"), host)).rule == "near-its-place");
  Host unknown = host;
  unknown.gpus[1].numa_node.reset();
  BOOST_TEST(decided(resolved(with(R"(, "accelerator": "cuda")"), unknown)).rule == "no-even-spread");
  BOOST_TEST(decided(resolved(with(R"(, "accelerator": "cuda")"), machine(4, 2).groups[0].host)).rule == "one-numa-node");
  const Resolution alone =
      resolved(R"({"fabric": 1, "program": {"command": ["true"], "contract": "none"}, "accelerator": "cpu", "devices": 2})", host);
  BOOST_TEST(decided(alone).rule == "starts-its-own-peers");
  BOOST_TEST(alone.nodes.front().cpus.empty());
}

// Two GPUs share 8 CPUs and the third has 8 for itself: more threads than 4 would wait for each other.
BOOST_AUTO_TEST_CASE(threads_fit_the_cpus_of_a_rank) {
  const std::string job = R"({"fabric": 1, "program": {"command": ["true"]}, "accelerator": "cuda", "binding": "numa", "devices": )";
  BOOST_TEST(resolved(job + "3}", two_sockets()).job.threads == 4);
  BOOST_TEST(resolved(job + "2}", two_sockets()).job.threads == 4);
  BOOST_TEST(resolved(job + "1}", two_sockets()).job.threads == 8);
  BOOST_TEST(
      resolved(R"({"fabric": 1, "program": {"command": ["true"]}, "accelerator": "cuda", "binding": "none", "devices": 1})", two_sockets())
          .job.threads == 16);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace fabric::test
