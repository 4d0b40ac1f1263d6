// A decision's inputs are the truth: changing a fact that it lists changes its value or its text, changing any other changes neither.
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "compiler/layers.hpp"
#include "compiler/read_job.hpp"
#include "compiler/resolve_auto.hpp"
#include "schema/json.hpp"
#include "tests/compiler/compile_text.hpp"

using namespace fabric;

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

JobSpec job_from(const std::string& json) {
  Value value = *read_json(json);
  fill_defaults(value);
  return read_job(std::move(value));
}

const std::vector<std::string> jobs = {
    R"({"fabric": 1, "precision": "auto", "train": {"task": "image_classifier", "model": {"name": "cnn"}, "data": {"path": "/d"},
        "optimizer": {"name": "adamw"}, "batch_size": 5040, "epochs": 1}})",
    R"({"fabric": 1, "accelerator": "cpu", "devices": 2, "train": {"task": "image_classifier", "model": {"name": "cnn"}, "data": {"path": "/d"},
        "optimizer": {"name": "adamw"}, "batch_size": 128, "micro_batch_size": 16, "epochs": 1}})",
    R"({"fabric": 1, "devices": -1, "program": {"command": ["true"]}})",
    R"({"fabric": 1, "precision": "auto", "accelerator": "cpu", "program": {"command": ["true"]}})",
};

// Every way to change one leaf, or the length of one list.
void for_each_mutation(Value& root, Value& at, const std::string& path, const std::function<void(const std::string&)>& visit) {
  const Value saved = at;
  const auto with = [&](Value changed, const std::string& what) {
    at = std::move(changed);
    visit(path + what);
    at = saved;
  };
  switch (saved.kind()) {
    case Value::Kind::integer:
      with(saved.as_integer() + 1, " + 1");
      if (saved.as_integer() > 0) with(saved.as_integer() - 1, " - 1");
      break;
    case Value::Kind::real: with(saved.as_real() + 1.0, " + 1.0"); break;
    case Value::Kind::boolean: with(!saved.as_bool(), " flipped"); break;
    case Value::Kind::string: with(saved.as_string() + "x", " + x"); break;
    case Value::Kind::null:
      if (path.ends_with("cpu_quota")) with(2.5, " = 2.5");
      if (path.ends_with("memory_limit")) with(std::int64_t{1} << 32, " = 4 GiB");
      break;
    case Value::Kind::array:
      if (!saved.as_array().empty()) {
        Value shorter = saved;
        shorter.as_array().pop_back();
        if (!path.ends_with("groups")) with(std::move(shorter), " shorter");
        Value longer = saved;
        longer.as_array().push_back(saved.as_array().back());
        with(std::move(longer), " longer");
      }
      for (std::size_t i = 0; i < saved.as_array().size(); ++i)
        for_each_mutation(root, at.as_array()[i], path + '[' + std::to_string(i) + ']', visit);
      break;
    case Value::Kind::object:
      for (std::size_t i = 0; i < saved.as_object().size(); ++i)
        for_each_mutation(root, at.as_object()[i].value, path + '.' + saved.as_object()[i].key, visit);
      break;
  }
}

const Decision* decision_for(const Resolution& r, const std::string& field) {
  for (const Decision& d : r.decisions)
    if (d.field == field) return &d;
  return nullptr;
}

int compare(const Resolution& before, const Resolution& after, const std::string& what) {
  int compared = 0;
  for (const Decision& d : before.decisions) {
    const Decision* other = decision_for(after, d.field);
    if (!other) continue;
    ++compared;
    const bool inputs_changed = d.inputs != other->inputs;
    const bool answer_changed = !(d.value == other->value) || d.because != other->because;
    BOOST_CHECK_MESSAGE(inputs_changed == answer_changed,
                        what << ": " << d.field << ": inputs " << (inputs_changed ? "changed" : "did not change") << " but the answer "
                             << (answer_changed ? "did: " : "did not: ") << d.because << " -> " << other->because);
  }
  return compared;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(decisions)

BOOST_AUTO_TEST_CASE(inputs_are_exactly_what_was_read) {
  int machines = 0, mutations = 0, compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(FABRIC_SOURCE_DIR) + "/tests/machines")) {
    if (!entry.is_directory()) continue;
    ++machines;
    Value hardware = *read_json(read(entry.path() / "hardware.json"));
    for (const std::string& text : jobs) {
      const JobSpec job = job_from(text);
      Diagnostics diagnostics;
      const auto before = resolve_auto(job, from_value<Hardware>(hardware), diagnostics);
      if (!before) continue;
      for_each_mutation(hardware, hardware, "", [&](const std::string& what) {
        ++mutations;
        Diagnostics ignored;
        if (const auto after = resolve_auto(job, from_value<Hardware>(hardware), ignored))
          compared += compare(*before, *after, entry.path().filename().string() + what);
      });
    }
  }
  BOOST_TEST_MESSAGE(machines << " machines, " << mutations << " changed facts, " << compared << " decisions compared");
  BOOST_CHECK_GE(machines, 8);
  BOOST_CHECK_GE(compared, 10000);
}

// A scheduler tells how many GPUs there are and what they are called.
BOOST_AUTO_TEST_CASE(a_gpu_that_is_not_known_is_taken_for_nothing_better) {
  Hardware hardware = test::machine(16, 4);
  Gpu& gpu = hardware.groups[0].host.gpus[2];
  gpu.name = "big";
  gpu.memory_bytes = gpu.compute_major = gpu.compute_minor = std::nullopt;
  Diagnostics diagnostics;
  const auto resolution = resolve_auto(job_from(jobs[0]), hardware, diagnostics);
  BOOST_REQUIRE(resolution);
  BOOST_CHECK(resolution->job.accelerator == Accelerator::cuda);
  BOOST_CHECK_EQUAL(resolution->job.devices.count, 4);
  BOOST_CHECK(resolution->job.precision == Precision::fp32_true);
  const Decision* decision = decision_for(*resolution, "precision");
  BOOST_REQUIRE(decision);
  BOOST_CHECK_EQUAL(decision->rule, "gpu-is-not-known");
  BOOST_CHECK(decision->because.find("`big`") != std::string::npos);
  // Whoever knows better writes it, and is believed.
  JobSpec job = job_from(jobs[0]);
  job.precision = Precision::bf16_mixed;
  BOOST_CHECK(resolve_auto(job, hardware, diagnostics));
  BOOST_CHECK(diagnostics.all().empty());
}

BOOST_AUTO_TEST_CASE(job_facts_are_inputs_too) {
  const Hardware hardware = test::machine(16, 4);
  Diagnostics diagnostics;
  JobSpec job = job_from(jobs[0]);
  const auto before = resolve_auto(job, hardware, diagnostics);
  BOOST_REQUIRE(before);
  const std::function<void(JobSpec&)> changes[] = {
      [](JobSpec& j) { j.devices = Devices{.count = 2}; },
      [](JobSpec& j) { j.train->batch_size = 5040 * 2; },
      [](JobSpec& j) { j.train->accumulation = std::int64_t{3}; },
      [](JobSpec& j) { j.train->micro_batch_size = std::int64_t{12}; },
      [](JobSpec& j) { j.threads = std::int64_t{1}; },
      [](JobSpec& j) { j.train->data_workers = std::int64_t{3}; },
      [](JobSpec& j) { j.accelerator = Accelerator::cpu; },
      [](JobSpec& j) { j.name = "other"; },
      [](JobSpec& j) { j.seed = 77; },
  };
  for (const auto& change : changes) {
    JobSpec other = job;
    change(other);
    Diagnostics ignored;
    const auto after = resolve_auto(other, hardware, ignored);
    BOOST_REQUIRE(after);
    compare(*before, *after, "a changed job");
  }
}

BOOST_AUTO_TEST_CASE(what_auto_becomes) {
  struct Row {
    std::int64_t cpus, gpus, major;
    const char *accelerator, *strategy, *precision, *backend;
    std::int64_t devices, threads, data_workers;
  };
  const Row rows[] = {
      {2, 0, 0, "cpu", "single", "32-true", "gloo", 1, 2, 1},       {64, 0, 0, "cpu", "single", "32-true", "gloo", 1, 64, 1},
      {16, 1, 9, "cuda", "single", "bf16-mixed", "nccl", 1, 12, 4}, {16, 4, 8, "cuda", "ddp", "bf16-mixed", "nccl", 4, 2, 2},
      {8, 4, 7, "cuda", "ddp", "32-true", "nccl", 4, 1, 1},         {2, 8, 9, "cuda", "ddp", "bf16-mixed", "nccl", 8, 1, 1},
  };
  for (const Row& row : rows) {
    Diagnostics diagnostics;
    const auto r = resolve_auto(job_from(jobs[0]), test::machine(row.cpus, row.gpus, row.major), diagnostics);
    BOOST_REQUIRE(r);
    BOOST_CHECK_EQUAL(name_of(r->job.accelerator), row.accelerator);
    BOOST_CHECK_EQUAL(name_of(r->job.strategy), row.strategy);
    BOOST_CHECK_EQUAL(name_of(r->job.precision), row.precision);
    BOOST_CHECK_EQUAL(name_of(r->job.process_group.backend), row.backend);
    BOOST_CHECK_EQUAL(r->job.devices.count, row.devices);
    BOOST_CHECK_EQUAL(r->job.threads, row.threads);
    BOOST_CHECK_EQUAL(r->job.train->data_workers, row.data_workers);
  }
}

BOOST_AUTO_TEST_CASE(a_written_value_is_never_replaced) {
  JobSpec job = job_from(jobs[0]);
  job.accelerator = Accelerator::cpu;
  job.devices = Devices{.count = 3};
  job.strategy = Strategy::ddp;
  job.precision = Precision::fp64_true;
  job.threads = std::int64_t{7};
  job.train->data_workers = std::int64_t{9};
  Diagnostics diagnostics;
  const auto r = resolve_auto(job, test::machine(16, 4), diagnostics);
  BOOST_REQUIRE(r);
  BOOST_CHECK(r->job.accelerator == Accelerator::cpu);
  BOOST_CHECK_EQUAL(r->job.devices.count, 3);
  BOOST_CHECK(r->job.precision == Precision::fp64_true);
  BOOST_CHECK_EQUAL(r->job.threads, 7);
  BOOST_CHECK_EQUAL(r->job.train->data_workers, 9);
  for (const char* field : {"accelerator", "devices", "strategy", "precision", "threads", "train.data_workers"})
    BOOST_CHECK_MESSAGE(!decision_for(*r, field), field << " was written, yet decided");
}

BOOST_AUTO_TEST_CASE(the_quota_of_a_cgroup_bounds_threads) {
  Hardware hardware = test::machine(8);
  for (const auto& [quota, threads] : {std::pair{0.5, 1}, {1.0, 1}, {1.5, 1}, {2.0, 2}, {3.9, 3}, {64.0, 8}}) {
    hardware.groups[0].host.cpu_quota = quota;
    Diagnostics diagnostics;
    const auto r = resolve_auto(job_from(jobs[0]), hardware, diagnostics);
    BOOST_REQUIRE(r);
    BOOST_CHECK_EQUAL(r->job.threads, threads);
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_had_is_refused) {
  struct Row {
    std::function<void(JobSpec&)> change;
    const char* code;
  };
  const Row rows[] = {
      {[](JobSpec& j) { j.devices = Devices{.count = 5}; }, "FAB4004"},
      {[](JobSpec& j) {
         j.devices = Devices{.count = 2, .ids = {0, 9}};
       },
       "FAB4001"},
      {[](JobSpec& j) { j.precision = Precision::bf16_mixed; }, "FAB4006"},
      {[](JobSpec& j) { j.strategy = Strategy::single; }, "FAB4005"},
      {[](JobSpec& j) { j.process_group.backend = GroupBackend::gloo; }, "FAB4007"},
      {[](JobSpec& j) { j.train->batch_size = 7; }, "FAB3020"},
      {[](JobSpec& j) { j.train->micro_batch_size = std::int64_t{9}, j.train->accumulation = std::int64_t{9}; }, "FAB3023"},
  };
  for (const Row& row : rows) {
    JobSpec job = job_from(jobs[0]);
    row.change(job);
    Diagnostics diagnostics;
    BOOST_CHECK(!resolve_auto(job, test::machine(8, 4, 7), diagnostics));
    BOOST_REQUIRE_EQUAL(diagnostics.all().size(), 1u);
    BOOST_CHECK_EQUAL(diagnostics.all()[0].code, row.code);
    BOOST_CHECK(!diagnostics.all()[0].help.empty());
  }
  JobSpec job = job_from(jobs[0]);
  job.accelerator = Accelerator::cuda;
  Diagnostics diagnostics;
  BOOST_CHECK(!resolve_auto(job, test::machine(8), diagnostics));
  BOOST_CHECK_EQUAL(diagnostics.all()[0].code, "FAB4002");
}

BOOST_AUTO_TEST_SUITE_END()
