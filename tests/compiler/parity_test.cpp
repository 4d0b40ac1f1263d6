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
    {"\"1.0\"", "FAB2006"}, {"{1: 2}", "FAB2006"},
    {"\"\"", "FAB2006"}, {"\"[1,2]\"", "FAB2006"}, {"\"1.5\"", "FAB2006"}, {"\"a,b\"", "FAB2006"}, {"\"1,a\"", "FAB2006"},
    {"[\"0\"]", "FAB2006"}, {"[true]", "FAB2006"}, {"true", "FAB2002"}, {"0.1", "FAB2002"}, {"1.5", "FAB2002"},
    {"\"1,,2\"", "FAB2006", "Lightning reads [1, 2]; two commas are more likely a number that was lost"},
    {"1.0", "1", "Lightning refuses a float; to a JSON schema, and so to an editor that has ours, 1.0 is the integer 1"},
    {"null", "4", "Lightning refuses none; a null of a job is a field that is not written, and auto holds"},
};

// Their own table pretends 16 GPUs. A tuple of Python is a list here.
const Row on_sixteen_gpus[] = {
    {"0", "FAB2006"}, {"[]", "FAB2006"}, {"\"0\"", "FAB2006"},       // theirs: none, which its constructor refuses
    {"1", "1"}, {"3", "3"}, {"\"3\"", "3"}, {"-1", "16"}, {"\"-1\"", "16"},
    {"[0]", "[0]"}, {"[1, 3]", "[1, 3]"}, {"\"1, 3\"", "[1, 3]"}, {"\"2,\"", "[2]"},
    {"0.1", "FAB2002"}, {"-2", "FAB2006"}, {"false", "FAB2002"}, {"[-1]", "FAB2006"}, {"[null]", "FAB2006"}, {"[\"0\"]", "FAB2006"},
    {"[0, 0]", "FAB2006"}, {"[1, 2, 19]", "FAB4001"},
};

// cuda is written, and there is none. An accelerator that is not written is the CPU then.
const Row without_a_gpu[] = {
    {"1", "FAB4002"}, {"-1", "FAB4002"}, {"\"-1\"", "FAB4002"}, {"[1, 2, 19]", "FAB4002"}, {"auto", "FAB4002"},
};

const Row on_a_cpu[] = {
    {"1", "1"}, {"4", "4"}, {"\"2\"", "2"}, {"\" 3 \"", "3"}, {"auto", "1"},
    {"\"auto\"", "1"}, {"\"a\"", "FAB2006"}, {"[0, 1]", "FAB3014"},
    {"1.0", "1", "Lightning refuses a float; to a JSON schema, and so to an editor that has ours, 1.0 is the integer 1"},
    {"null", "1", "Lightning refuses none; a null of a job is a field that is not written, and auto holds"},
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
    {"\"16\"", "FAB3010", "as above"}, {"null", "32-true"}, {"16-true", "FAB3010", "Lightning lets it pass; a CPU does not compute in float16"},
    {"bf16-true", "FAB2004"}, {"transformer-engine", "FAB2004"}, {"transformer-engine-float16", "FAB2004"},
    {"1", "FAB2003"}, {"12", "FAB2003"}, {"invalid", "FAB2003"},
};

// The names of Lightning's registry, and what fabric's own runtime makes of each. Those that are not in this version say so, FAB2004; the
// others are no words of a job: how processes are made (spawn, fork, notebook) is not for a strategy to say, and there is no XLA.
const Row strategies[] = {
    {"auto", "ddp"}, {"ddp", "ddp"},
    {"single", "FAB3011", "a word of ours; two devices are not one"},
    {"dp", "FAB2004"}, {"fsdp", "FAB2004"}, {"fsdp_cpu_offload", "FAB2004"}, {"deepspeed", "FAB2004"}, {"deepspeed_stage_1", "FAB2004"},
    {"deepspeed_stage_1_offload", "FAB2004"}, {"deepspeed_stage_2", "FAB2004"}, {"deepspeed_stage_2_offload", "FAB2004"},
    {"deepspeed_stage_3", "FAB2004"}, {"deepspeed_stage_3_offload", "FAB2004"}, {"ddp_find_unused_parameters_true", "FAB2004"},
    {"deepspeed_stage_3_offload_nvme", "FAB2003"}, {"ddp_spawn", "FAB2003"}, {"ddp_fork", "FAB2003"}, {"ddp_notebook", "FAB2003"},
    {"xla", "FAB2003"}, {"xla_fsdp", "FAB2003"}, {"single_xla", "FAB2003"}, {"single_tpu", "FAB2003"},
    {"DDP", "FAB2003", "Lightning takes any case; a job is compared and hashed, and has one spelling, which the message offers"},
};
// clang-format on

}  // namespace

BOOST_AUTO_TEST_SUITE(parity)

BOOST_DATA_TEST_CASE(devices_of_a_machine_with_four_gpus, on_four_gpus, row) {
  BOOST_TEST(devices_of(row.written, "cuda", machine(16, 4)) == row.becomes);
}
BOOST_DATA_TEST_CASE(devices_of_a_machine_with_sixteen_gpus, on_sixteen_gpus, row) {
  BOOST_TEST(devices_of(row.written, "cuda", machine(16, 16)) == row.becomes);
}
BOOST_DATA_TEST_CASE(devices_of_a_machine_without_a_gpu, without_a_gpu, row) {
  BOOST_TEST(devices_of(row.written, "cuda", machine(16)) == row.becomes);
}

// The device that Lightning calls root is the first of the list, whatever its number: that of local rank 0.
BOOST_AUTO_TEST_CASE(the_first_of_a_list_is_the_root) {
  for (const auto& [written, first] : {std::pair{"[0]", 0}, {"[1]", 1}, {"[3]", 3}, {"[1, 2]", 1}, {"[2, 1]", 2}}) {
    const Compilation c =
        compile_yaml(std::string("fabric: 1\naccelerator: cuda\ndevices: ") + written + "\nprogram: [hostname]\n", {}, machine(16, 4));
    BOOST_REQUIRE(c.plan);
    BOOST_TEST(c.plan->groups.front().device_ids.front() == first);
  }
}

// mps and tpu are known words of a later version, whatever the devices.
BOOST_AUTO_TEST_CASE(devices_of_other_accelerators) {
  for (const char* accelerator : {"mps", "tpu"})
    for (const char* written : {"1", "[0]", "\"1\"", "\"0,\"", "2", "8"})
      BOOST_TEST(devices_of(written, accelerator, machine(16)) == "FAB2004");
}

BOOST_DATA_TEST_CASE(strategies_of_the_runtime, strategies, row) {
  const Compilation c = compile_yaml(test::train_job + "devices: 2\nstrategy: " + row.written + "\n", {}, machine(4, 2));
  BOOST_TEST((c.plan ? std::string(name_of(c.plan->job.strategy)) : codes(c)) == row.becomes);
}

BOOST_DATA_TEST_CASE(devices_of_a_cpu, on_a_cpu, row) { BOOST_TEST(devices_of(row.written, "cpu", machine(16)) == row.becomes); }

BOOST_DATA_TEST_CASE(precision_of_the_runtime_on_a_cpu, precisions, row) {
  const std::string line = row.written.empty() ? "" : "precision: " + row.written + "\n";
  const Compilation c = compile_yaml(test::train_job + "accelerator: cpu\n" + line, {}, machine(4));
  BOOST_TEST((c.plan ? std::string(name_of(c.plan->job.precision)) : codes(c)) == row.becomes);
}

// Rows of theirs without an answer here: a notebook (a program is started, not a cell), TPU, and MPS beside CUDA.
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
      {1, "num_nodes: 2\n", "cuda", "ddp", 1},  // one device a node, and more than one node
      {0, "num_nodes: 2\n", "cpu", "ddp", 1},
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
