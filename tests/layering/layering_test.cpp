// The sources keep to the doors of CONTRIBUTING.md, and each rule is shown to find what it forbids.
#include <unistd.h>

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/layering/doors.hpp"

namespace {

namespace fs = std::filesystem;
using namespace fabric::layering;

void expect_none(const std::vector<std::string>& sentences) {
  for (const auto& sentence : sentences) BOOST_ERROR(sentence);
}

// A tree of small sources that lives as long as this object.
class PlantedTree {
 public:
  PlantedTree() {
    std::string name = (fs::temp_directory_path() / "fabric-layering-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("cannot make " + name);
    root_ = name;
  }
  ~PlantedTree() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  PlantedTree(const PlantedTree&) = delete;
  PlantedTree& operator=(const PlantedTree&) = delete;

  PlantedTree& plant(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
    return *this;
  }
  std::vector<SourceFile> read() const { return read_sources(root_, floors()); }

 private:
  fs::path root_;
};

// All that the rules say of one file with this line in it, in a tree where the header that it names exists.
std::vector<std::string> all_that_is_wrong(const std::string& path, const std::string& line) {
  PlantedTree tree;
  tree.plant(path, "#pragma once\n" + line + "\n");
  if (const auto at = line.find('"'); at != std::string::npos) {
    const auto target = line.substr(at + 1, line.rfind('"') - at - 1);
    if (target != path && target.find('/') != std::string::npos && !target.ends_with(".inc")) tree.plant(target, "#pragma once\n");
  }
  const auto files = tree.read();
  std::vector<std::string> all;
  for (const auto& rule : {broken_doors, rows_that_know_each_other, foreign_headers_out_of_place, calls_out_of_place, include_cycles})
    for (auto& sentence : rule(files)) all.push_back(sentence);
  return all;
}

struct Planted {
  const char* path;
  const char* line;
};
std::ostream& operator<<(std::ostream& out, const Planted& p) { return out << p.path << " with " << p.line; }

const Planted forbidden[] = {
    // Floors.
    {"schema/a.hpp", "#include \"compiler/b.hpp\""},
    {"schema/a.cpp", "#include \"cli/b.hpp\""},
    {"schema/a.cpp", "#include \"runtime/b.hpp\""},
    {"compiler/a.cpp", "#include \"launch_backends/b.hpp\""},
    {"compiler/front_ends/a.cpp", "#include \"cli/b.hpp\""},
    {"compiler/a.cpp", "#include \"runtime/b.hpp\""},
    {"launch_backends/a.cpp", "#include \"compiler/b.hpp\""},
    {"launch_backends/a.cpp", "#include \"runtime/b.hpp\""},
    {"launch_backends/probes/a.cpp", "#include \"cli/b.hpp\""},
    {"runtime/a.cpp", "#include \"launch_backends/b.hpp\""},
    {"runtime/data/a.cpp", "#include \"compiler/b.hpp\""},
    {"cli/a.cpp", "#include \"runtime/b.hpp\""},
    {"cli/a.cpp", "#include \"tests/b.hpp\""},
    {"cli/a.cpp", "  #  include  \"runtime/b.hpp\"  // why not"},
    // Paths.
    {"compiler/a.cpp", "#include <schema/value.hpp>"},
    {"compiler/a.cpp", "#include \"value.hpp\""},
    {"compiler/a.cpp", "#include \"../schema/value.hpp\""},
    // Rows.
    {"compiler/front_ends/yaml.cpp", "#include \"compiler/front_ends/jsonnet.hpp\""},
    {"compiler/front_ends/jsonnet_imports.cpp", "#include \"compiler/front_ends/yaml_scalars.hpp\""},
    {"launch_backends/local.cpp", "#include \"launch_backends/slurm.hpp\""},
    {"launch_backends/slurm_script.cpp", "#include \"launch_backends/ssh.hpp\""},
    {"runtime/strategies/ddp.cpp", "#include \"runtime/strategies/single.hpp\""},
    {"runtime/tasks/language_model.cpp", "#include \"runtime/tasks/image_classifier.hpp\""},
    {"cli/commands/apply.cpp", "#include \"cli/commands/plan.hpp\""},
    // Libraries of others.
    {"compiler/front_ends/jsonnet.cpp", "#include <yaml-cpp/yaml.h>"},
    {"compiler/layers.cpp", "#include <yaml-cpp/yaml.h>"},
    {"compiler/front_ends/yaml.cpp", "#include <libjsonnet.h>"},
    {"launch_backends/probes/host.cpp", "#include <nvml.h>"},
    {"launch_backends/agent.cpp", "#include <hwloc.h>"},
    {"compiler/make_plan.cpp", "#include <openssl/sha.h>"},
    {"compiler/check_job.cpp", "#include <re2/re2.h>"},
    {"launch_backends/local.cpp", "#include <CLI/App.hpp>"},
    {"cli/main.cpp", "#include <torch/version.h>"},
    {"launch_backends/agent.cpp", "#include <ATen/ATen.h>"},
    {"schema/safetensors.cpp", "#include <c10/core/ScalarType.h>"},
    {"runtime/trainer.cpp", "#include <cuda_runtime_api.h>"},
    {"runtime/process_group.cpp", "#include <nccl.h>"},
    {"runtime/trainer.cpp", "#include <oneapi/tbb/parallel_pipeline.h>"},
    {"launch_backends/controller.cpp", "#include <tbb/task_group.h>"},
    {"runtime/trainer.cpp", "#include <libdeflate.h>"},
    {"compiler/compile.cpp", "#include <spdlog/spdlog.h>"},
    {"schema/json.cpp", "#include <nlohmann/json.hpp>"},
    {"runtime/trainer.cpp", "#include <boost/version.hpp>"},
    {"launch_backends/agent.cpp", "#include <iostream>"},
    {"schema/sha256.hpp", "#include <sys/types.h>"},
    {"schema/sha256.hpp", "#include <fmt/core.h>"},
    // Calls.
    {"cli/outside.cpp", "if (fork() == 0) return;"},
    {"launch_backends/local.cpp", "  ::execve(path, argv, env);"},
    {"launch_backends/probes/host.cpp", "FILE* f = popen(\"lscpu\", \"r\");"},
    {"runtime/worker.cpp", "std::system(\"true\");"},
    {"compiler/compile.cpp", "std::cerr << 1;"},
    {"schema/json.cpp", "std::printf(\"%d\", 1);"},
};

const Planted allowed[] = {
    {"schema/a.cpp", "#include \"schema/b.hpp\""},
    {"compiler/a.cpp", "#include \"schema/b.hpp\""},
    {"compiler/a.cpp", "#include \"compiler/front_ends/yaml.hpp\""},
    {"launch_backends/a.cpp", "#include \"launch_backends/probes/host.hpp\""},
    {"runtime/a.cpp", "#include \"schema/b.hpp\""},
    {"cli/a.cpp", "#include \"compiler/b.hpp\""},
    {"cli/a.cpp", "#include \"launch_backends/b.hpp\""},
    {"cli/a.cpp", "#include \"job_schema_text.inc\""},
    {"cli/a.cpp", "// #include \"runtime/b.hpp\""},
    {"cli/commands/a.cpp", "#include \"cli/commands/commands.hpp\""},
    {"compiler/front_ends/yaml.cpp", "#include \"compiler/front_ends/yaml_scalars.hpp\""},
    {"launch_backends/launch_backend.cpp", "#include \"launch_backends/local.hpp\""},
    {"runtime/strategies/ddp.cpp", "#include \"runtime/strategies/strategy.hpp\""},
    {"runtime/tasks/image_classifier.cpp", "#include \"runtime/tasks/image_models.hpp\""},
    {"schema/sha256.cpp", "#include <openssl/evp.h>"},
    {"schema/a.hpp", "#include <string_view>"},
    {"runtime/cuda/a.cpp", "#include <cuda_runtime_api.h>"},
    {"launch_backends/process.cpp", "const pid_t pid = vfork();"},
    {"cli/a.cpp", "choose_system(1); place.system(2); // fork()"},
    {"compiler/a.cpp", "snprintf(text, 1, \"\");"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(this_repository)

BOOST_AUTO_TEST_CASE(every_floor_is_there) {
  for (const auto& floor : floors()) BOOST_TEST(!read_sources(FABRIC_SOURCE_DIR, {floor}).empty(), floor);
}
BOOST_AUTO_TEST_CASE(keeps_its_doors) { expect_none(broken_doors(read_sources(FABRIC_SOURCE_DIR, floors()))); }
BOOST_AUTO_TEST_CASE(has_rows_that_do_not_know_each_other) {
  expect_none(rows_that_know_each_other(read_sources(FABRIC_SOURCE_DIR, floors())));
}
BOOST_AUTO_TEST_CASE(keeps_foreign_headers_behind_one_door) {
  expect_none(foreign_headers_out_of_place(read_sources(FABRIC_SOURCE_DIR, floors())));
}
BOOST_AUTO_TEST_CASE(starts_processes_and_prints_in_few_places) {
  expect_none(calls_out_of_place(read_sources(FABRIC_SOURCE_DIR, floors())));
}
BOOST_AUTO_TEST_CASE(has_no_include_cycles) { expect_none(include_cycles(read_sources(FABRIC_SOURCE_DIR, floors()))); }

BOOST_AUTO_TEST_CASE(lets_only_tests_of_the_runtime_include_it) {
  for (const auto& file : read_sources(FABRIC_SOURCE_DIR, {"tests", "benchmarks"}))
    for (const auto& include : file.includes)
      if (include.target.starts_with("runtime/") && !file.path.starts_with("tests/runtime/"))
        BOOST_ERROR(file.at(include.line) << ": only tests/runtime/ may include " << include.target);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(the_test_itself)

BOOST_DATA_TEST_CASE(finds_what_is_forbidden, boost::unit_test::data::make(forbidden)) {
  const auto wrong = all_that_is_wrong(sample.path, sample.line);
  BOOST_TEST_REQUIRE(wrong.size() >= 1u);
  BOOST_TEST(wrong[0].starts_with(std::string(sample.path) + ":2: "), wrong[0]);
}

BOOST_DATA_TEST_CASE(leaves_alone_what_is_allowed, boost::unit_test::data::make(allowed)) {
  expect_none(all_that_is_wrong(sample.path, sample.line));
}

BOOST_AUTO_TEST_CASE(finds_a_cycle_of_two_headers) {
  PlantedTree tree;
  tree.plant("schema/a.hpp", "#include \"schema/b.hpp\"\n").plant("schema/b.hpp", "#include \"schema/a.hpp\"\n");
  const auto cycles = include_cycles(tree.read());
  BOOST_TEST_REQUIRE(cycles.size() == 1u);
  BOOST_TEST(cycles[0] == "these include each other in a circle: schema/a schema/b");
}

BOOST_AUTO_TEST_CASE(finds_a_cycle_that_goes_through_a_source) {
  PlantedTree tree;
  tree.plant("schema/a.hpp", "").plant("schema/a.cpp", "#include \"schema/a.hpp\"\n#include \"schema/b.hpp\"\n");
  tree.plant("schema/b.hpp", "#include \"schema/c.hpp\"\n").plant("schema/c.hpp", "#include \"schema/a.hpp\"\n");
  tree.plant("schema/d.hpp", "#include \"schema/a.hpp\"\n");
  const auto cycles = include_cycles(tree.read());
  BOOST_TEST_REQUIRE(cycles.size() == 1u);
  BOOST_TEST(cycles[0] == "these include each other in a circle: schema/a schema/b schema/c");
}

BOOST_AUTO_TEST_CASE(tells_two_cycles_apart) {
  PlantedTree tree;
  tree.plant("schema/a.hpp", "#include \"schema/b.hpp\"\n").plant("schema/b.hpp", "#include \"schema/a.hpp\"\n");
  tree.plant("cli/a.hpp", "#include \"cli/b.hpp\"\n").plant("cli/b.hpp", "#include \"cli/a.hpp\"\n#include \"schema/a.hpp\"\n");
  BOOST_TEST(include_cycles(tree.read()).size() == 2u);
}

BOOST_AUTO_TEST_CASE(takes_a_header_and_its_source_for_one_room) {
  PlantedTree tree;
  tree.plant("schema/a.hpp", "").plant("schema/a.cpp", "#include \"schema/a.hpp\"\n");
  BOOST_TEST(include_cycles(tree.read()).empty());
}

BOOST_AUTO_TEST_SUITE_END()
