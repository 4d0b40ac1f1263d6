// What Lightning's Fabric makes of its words for devices, precision, accelerator and strategy, as tables: the same here, or the reason why
// not. Source of the left columns: Lightning 2.6, its device parser and connector, and its tests of them (16 pretended GPUs there).
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <ostream>

#include "tests/compiler/compile_text.hpp"

using namespace fabric;
using test::codes;
using test::compile_yaml;
using test::machine;

namespace {

struct Row {
  std::string written;
  std::string becomes;        // a count, indices, or the code of an error
  const char* why = nullptr;  // where Lightning does something else
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.written; }

std::string devices_of(const std::string& written, const std::string& accelerator, const Hardware& hardware) {
  const Compilation c =
      compile_yaml("fabric: 1\naccelerator: " + accelerator + "\ndevices: " + written + "\nprogram: [hostname]\n", {}, hardware);
  return c.plan ? c.plan->job.devices.str() : codes(c);
}

// clang-format off
const Row on_four_gpus[] = {
    {"1", "1"}, {"2", "2"}, {"4", "4"}, {"auto", "4"}, {"-1", "4"}, {"\"-1\"", "4"}, {"\" -1\"", "4"},
    {"\"1\"", "1"}, {"\"2\"", "2"},                                    // a text of digits counts
    {"\"2,\"", "[2]"}, {"\"0,\"", "[0]"},                              // a comma makes it an index
    {"\"2,3\"", "[2, 3]"}, {"\"2, 3\"", "[2, 3]"}, {"\"1,0\"", "[1, 0]"}, {"[1, 0]", "[1, 0]"}, {"[3]", "[3]"}, {"[0]", "[0]"}, {"[1, 3]", "[1, 3]"},
    {"{ids: [0, 2]}", "[0, 2]", "a form of our own"},
    {"5", "FAB4004"}, {"[4]", "FAB4001"}, {"[1, 2, 19]", "FAB4001"},
    {"0", "FAB2006"}, {"\"0\"", "FAB2006"}, {"\" 0 \"", "FAB2006"}, {"[]", "FAB2006"}, {"\"[]\"", "FAB2006"},
    {"-2", "FAB2006"}, {"\"-2\"", "FAB2006"}, {"\",\"", "FAB2006"}, {"[3, 3]", "FAB2006"}, {"\"0,0\"", "FAB2006"},
    {"[-1]", "FAB2006"}, {"\"-1,\"", "FAB2006"}, {"\"0,-1\"", "FAB2006"},
    {"\"\"", "FAB2006"}, {"\"[1,2]\"", "FAB2006"}, {"\"1.5\"", "FAB2006"}, {"\"a,b\"", "FAB2006"}, {"\"1,a\"", "FAB2006"},
    {"[\"0\"]", "FAB2006"}, {"[true]", "FAB2006"}, {"true", "FAB2002"}, {"0.1", "FAB2002"}, {"1.5", "FAB2002"},
    {"\"1,,2\"", "FAB2006", "Lightning reads [1, 2]; two commas are more likely a number that was lost"},
    {"null", "4", "Lightning refuses none; a null of a job is a field that is not written, and auto holds"},
};

const Row on_a_cpu[] = {
    {"1", "1"}, {"4", "4"}, {"\"2\"", "2"}, {"\" 3 \"", "3"}, {"auto", "1"},
    {"[3]", "FAB3014"}, {"-1", "FAB3015"}, {"\"-1\"", "FAB3015"}, {"\"1,2\"", "FAB3014"},
    {"0", "FAB2006"}, {"\"0\"", "FAB2006"}, {"\"+2\"", "FAB2006"}, {"\"1.0\"", "FAB2006"}, {"false", "FAB2002"},
    {"true", "FAB2002", "Lightning lets True pass as it is"},
    {"\"03\"", "FAB2006", "Lightning reads 3; a zero in front is octal to some and a slip to most"},
};

const Row precisions[] = {
    {"32", "32-true"}, {"\"32\"", "32-true"}, {"32-true", "32-true"}, {"64", "64-true"}, {"\"64\"", "64-true"}, {"64-true", "64-true"},
    {"bf16", "bf16-mixed"}, {"bf16-mixed", "bf16-mixed"}, {"", "32-true"},
    {"16", "FAB3010", "Lightning makes bf16-mixed of it on a CPU, with a warning: a written value is never replaced"},
    {"16-mixed", "FAB3010", "as above"},
    {"bf16-true", "FAB2004"}, {"transformer-engine", "FAB2004"},
    {"1", "FAB2003"}, {"12", "FAB2003"}, {"invalid", "FAB2003"},
};
// clang-format on

}  // namespace

BOOST_AUTO_TEST_SUITE(parity)

BOOST_DATA_TEST_CASE(devices_of_a_machine_with_four_gpus, on_four_gpus, row) {
  BOOST_TEST(devices_of(row.written, "cuda", machine(16, 4)) == row.becomes);
}
BOOST_DATA_TEST_CASE(devices_of_a_cpu, on_a_cpu, row) { BOOST_TEST(devices_of(row.written, "cpu", machine(16)) == row.becomes); }

BOOST_DATA_TEST_CASE(precision_of_the_runtime_on_a_cpu, precisions, row) {
  const std::string line = row.written.empty() ? "" : "precision: " + row.written + "\n";
  const Compilation c = compile_yaml(test::train_job + "accelerator: cpu\n" + line, {}, machine(4));
  BOOST_TEST((c.plan ? std::string(name_of(c.plan->job.precision)) : codes(c)) == row.becomes);
}

BOOST_AUTO_TEST_CASE(what_auto_chooses) {
  struct Case {
    std::int64_t gpus;
    std::string job, accelerator, strategy;
    std::int64_t devices;
  };
  const Case cases[] = {
      {0, "", "cpu", "single", 1},
      {1, "", "cuda", "single", 1},
      {4, "", "cuda", "ddp", 4},
      {4, "devices: 1\n", "cuda", "single", 1},
      {4, "accelerator: gpu\n", "cuda", "ddp", 4},
      {4, "accelerator: cpu\n", "cpu", "single", 1},
      {0, "accelerator: cpu\ndevices: 2\n", "cpu", "ddp", 2},
  };
  for (const Case& row : cases) {
    const Compilation c = compile_yaml(test::train_job + row.job, {}, machine(16, row.gpus));
    BOOST_REQUIRE_MESSAGE(c.plan, row.job << codes(c));
    BOOST_TEST(name_of(c.plan->job.accelerator) == row.accelerator);
    BOOST_TEST(name_of(c.plan->job.strategy) == row.strategy);
    BOOST_TEST(c.plan->job.devices.count == row.devices);
  }
  BOOST_TEST(codes(compile_yaml(test::train_job + "accelerator: gpu\n", {}, machine(16))) == "FAB4002");
  BOOST_TEST(codes(compile_yaml(test::train_job + "accelerator: mps\n", {}, machine(16))) == "FAB2004");
  BOOST_TEST(codes(compile_yaml(test::train_job + "num_nodes: 0\n", {}, machine(16))) == "FAB2007");
}

// Threads: CPUs over processes, at least one (Lightning's suggestion too); where a quota is smaller, that counts, which theirs does not
// see.
BOOST_AUTO_TEST_CASE(threads_of_a_rank) {
  for (const auto& [cpus, ranks, threads] : {std::tuple{4, 1, 4}, {4, 2, 2}, {4, 3, 1}, {4, 4, 1}, {4, 8, 1}}) {
    const Compilation c =
        compile_yaml("fabric: 1\naccelerator: cpu\ndevices: " + std::to_string(ranks) + "\nprogram: [hostname]\n", {}, machine(cpus));
    BOOST_REQUIRE(c.plan);
    BOOST_TEST(c.plan->job.threads == threads);
  }
}

BOOST_AUTO_TEST_SUITE_END()
