// fabric-worker as a whole: it learns what PyTorch learns, goes on where it stood, stops when asked and says what is wrong.
#include <csignal>
#include <filesystem>

#include <boost/test/unit_test.hpp>

#include "tests/runtime/golden.hpp"
#include "tests/runtime/idx_files.hpp"
#include "tests/runtime/worker_run.hpp"

using namespace fabric;
using test::tensor_bytes;
using test::training_plan;
using test::WorkerRun;

namespace {

const std::vector<int> both_well{0, 0};
const std::string fashion_mnist = "/usr/share/datasets/fashion-mnist";

struct DataSet : test::TemporaryFolder {
  DataSet(std::uint32_t train, std::uint32_t test) { test::write_data_set(path(), train, test); }
};

// The real training set, with a test set that is quickly gone through.
struct GoldenData : test::TemporaryFolder {
  GoldenData() {
    for (const char* name : {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"})
      std::filesystem::create_symlink(fashion_mnist + '/' + name, *this / name);
    test::write_pictures(path(), "t10k", 20, 28, 10);
  }
};

Plan golden_plan(const nlohmann::json& golden, const std::string& data, std::int64_t ranks) {
  Plan plan = training_plan(data, ranks);
  plan.job.precision = *from_name<Precision>(golden.at("precision").get<std::string>());
  plan.job.seed = golden.at("seed");
  Train<Resolved>& train = *plan.job.train;
  train.model = {*from_name<ModelName>(golden.at("model").get<std::string>()), golden.at("width")};
  train.data = {data, golden.at("mean"), golden.at("std")};
  train.optimizer = test::golden_optimizer(golden.at("optimizer"), golden.at("options"));
  train.batch_size = golden.at("batch_size");
  train.micro_batch_size = train.batch_size / ranks;
  train.epochs.reset();
  train.steps = golden.at("losses").size();
  train.initial_weights = FABRIC_SOURCE_DIR "/tests/runtime/golden/weights-" + golden.at("model").get<std::string>() + ".safetensors";
  return plan;
}

void check_close(const std::vector<double>& got, const std::vector<double>& expected, double tolerance) {
  BOOST_REQUIRE_EQUAL(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    BOOST_TEST_CONTEXT("step " << i + 1)
    BOOST_TEST(got[i] == expected[i], boost::test_tools::tolerance(tolerance));
  }
}

// A plan with a bit of everything that must go on after a break: three epochs of five steps, the last of them short, momentum or
// moments, a schedule.
Plan long_plan(const std::string& data, std::int64_t ranks, OptimizerName optimizer = OptimizerName::adamw) {
  Plan plan = training_plan(data, ranks);
  Train<Resolved>& train = *plan.job.train;
  train.model = {ModelName::cnn, 4};
  train.optimizer.name = optimizer;
  if (optimizer == OptimizerName::sgd) train.optimizer.momentum = 0.9;
  train.schedule = {ScheduleName::cosine, 2};
  train.epochs = 3;
  plan.job.checkpoint = {{2, Interval::Unit::steps}, 100};
  return plan;
}
constexpr std::uint32_t samples_a_rank = 16 * 4 + 5;

std::vector<nlohmann::json> without_speed(std::vector<nlohmann::json> rows) {
  for (nlohmann::json& row : rows) row.erase("samples_per_s");
  return rows;
}

std::string first_error(const WorkerRun& run, std::size_t rank = 0) {
  const std::vector<nlohmann::json> errors = run.events("error", rank);
  return errors.empty() ? "" : errors[0].at("class").get<std::string>() + ": " + errors[0].at("message").get<std::string>();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(worker)

BOOST_AUTO_TEST_CASE(losses_of_pytorch) {
  const GoldenData data;
  for (const nlohmann::json& golden : test::golden("losses.json"))
    for (const std::int64_t ranks : {1, 2}) {
      const std::string precision = golden.at("precision"), optimizer = golden.at("optimizer");
      BOOST_TEST_CONTEXT(golden.at("model") << ' ' << optimizer << ' ' << precision << ", ranks: " << ranks) {
        const test::TemporaryFolder folder;
        WorkerRun run(folder.path(), golden_plan(golden, data.path(), ranks));
        BOOST_REQUIRE_MESSAGE(run.run() == std::vector<int>(static_cast<std::size_t>(ranks), 0), run.log());
        check_close(run.losses(), golden.at("losses"), precision == "64-true" ? 1e-9 : optimizer == "sgd" ? 1e-5 : 1e-4);
      }
    }
}

// Over the first 15 of the 20 steps: then the loss of the cnn under SGD jumps (1.79, 2.68), which magnifies every rounding, and how a CPU
// rounds to bfloat16 differs with its instructions (avx512_bf16 or none).
BOOST_AUTO_TEST_CASE(bfloat16_learns_nearly_the_same) {
  constexpr std::ptrdiff_t steps = 15;
  const GoldenData data;
  for (const nlohmann::json& golden : test::golden("losses.json")) {
    if (golden.at("precision") != "32-true") continue;
    const test::TemporaryFolder folder;
    Plan plan = golden_plan(golden, data.path(), 1);
    plan.job.precision = Precision::bf16_mixed;
    WorkerRun run(folder.path(), plan);
    BOOST_REQUIRE_MESSAGE(run.run() == std::vector<int>{0}, run.log());
    const std::vector<double> losses = run.losses(), expected = golden.at("losses");
    BOOST_REQUIRE_EQUAL(losses.size(), expected.size());
    check_close({losses.begin(), losses.begin() + steps}, {expected.begin(), expected.begin() + steps}, 0.05);
    BOOST_CHECK_MESSAGE(losses != expected, "nothing was computed in bfloat16");
  }
}

// The same samples make the same step, however they are divided.
BOOST_AUTO_TEST_CASE(ranks_and_accumulation_divide_the_same_batch) {
  const DataSet data(150, 7);
  struct Division {
    std::int64_t ranks, micro, accumulation;
  };
  std::vector<double> expected;
  nlohmann::json expected_epoch;
  for (const auto& [ranks, micro, accumulation] : {Division{1, 64, 1}, {1, 32, 2}, {1, 16, 4}, {2, 32, 1}, {2, 8, 4}}) {
    Plan plan = training_plan(data.path(), ranks);
    plan.job.precision = Precision::fp64_true;
    Train<Resolved>& train = *plan.job.train;
    train.model = {ModelName::cnn, 2};
    train.batch_size = 64;
    train.micro_batch_size = micro;
    train.accumulation = accumulation;
    train.epochs = 2;
    const test::TemporaryFolder folder;
    WorkerRun run(folder.path(), plan);
    BOOST_TEST_CONTEXT(ranks << " ranks, " << accumulation << " x " << micro) {
      BOOST_REQUIRE_MESSAGE(run.run() == std::vector<int>(static_cast<std::size_t>(ranks), 0), run.log());
      const std::vector<double> losses = run.losses();
      BOOST_REQUIRE_EQUAL(losses.size(), 6);  // 64, 64, 22 samples, twice
      nlohmann::json epoch = run.metrics().back();
      if (expected.empty()) expected = losses, expected_epoch = epoch;
      check_close(losses, expected, 1e-12);
      BOOST_TEST(epoch.at("train_loss").get<double>() == expected_epoch.at("train_loss").get<double>(),
                 boost::test_tools::tolerance(1e-12));
      // Seven samples on two ranks: one that was padded or lost would show.
      BOOST_TEST(epoch.at("test_loss").get<double>() == expected_epoch.at("test_loss").get<double>(), boost::test_tools::tolerance(1e-12));
      BOOST_CHECK_EQUAL(epoch.at("accuracy"), expected_epoch.at("accuracy"));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_resumed_run_is_the_same_run_bit_for_bit) {
  for (const std::int64_t ranks : {1, 2, 3})
    for (const OptimizerName optimizer : {OptimizerName::sgd, OptimizerName::adamw}) {
      if (ranks == 3 && optimizer == OptimizerName::sgd) continue;
      const DataSet data(samples_a_rank * static_cast<std::uint32_t>(ranks), 9);
      const Plan plan = long_plan(data.path(), ranks, optimizer);
      const std::vector<int> well(static_cast<std::size_t>(ranks), 0);
      const test::TemporaryFolder folder;
      WorkerRun whole(folder / "whole", plan);
      BOOST_REQUIRE_MESSAGE(whole.run() == well, whole.log());
      const std::vector<std::string> checkpoints = whole.checkpoints();
      BOOST_REQUIRE_EQUAL(checkpoints.size(), 8);  // steps 2, 4, ... 14, and 15 at the end
      for (const std::size_t from : {1, 4, 6}) {   // steps 4 (mid-epoch), 10 (end of an epoch), 14
        BOOST_TEST_CONTEXT(ranks << " ranks, " << name_of(optimizer) << ", from " << checkpoints[from]) {
          WorkerRun resumed(folder / ("from-" + std::to_string(from)), plan);
          std::filesystem::copy(whole.folder() + "/metrics.csv", resumed.folder() + "/metrics.csv");
          std::filesystem::copy(whole.folder() + "/metrics.jsonl", resumed.folder() + "/metrics.jsonl");
          BOOST_REQUIRE_MESSAGE(resumed.run(checkpoints[from]) == well, resumed.log());
          BOOST_CHECK(tensor_bytes(resumed.checkpoints().back()) == tensor_bytes(checkpoints.back()));
          BOOST_CHECK(without_speed(resumed.metrics()) == without_speed(whole.metrics()));
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(one_rank_is_asked_to_stop_and_all_stop_after_the_same_step) {
  const DataSet data(samples_a_rank * 2, 9);
  Plan plan = long_plan(data.path(), 2);
  plan.job.train->epochs = 400;
  plan.job.checkpoint = {{1000, Interval::Unit::epochs}, 2};
  const test::TemporaryFolder folder;
  WorkerRun run(folder.path(), plan);
  run.start();
  BOOST_REQUIRE(run.wait_for_event("step", [](const nlohmann::json& detail) { return detail.at("step") > 3; }));
  run.signal(1, SIGTERM);
  BOOST_CHECK(run.wait() == both_well);
  BOOST_REQUIRE_EQUAL(run.checkpoints().size(), 1);
  BOOST_CHECK(run.events("finished").empty());
  const std::int64_t stopped = run.events("checkpoint").back().at("step");
  BOOST_CHECK_EQUAL(static_cast<std::int64_t>(run.losses().size()), stopped);
  BOOST_CHECK_LT(stopped, 2000);
}

BOOST_AUTO_TEST_CASE(stopped_again_and_again_it_reaches_the_same_weights) {
  const DataSet data(samples_a_rank * 2, 9);
  const Plan plan = long_plan(data.path(), 2);
  const test::TemporaryFolder folder;
  WorkerRun whole(folder / "whole", plan);
  BOOST_REQUIRE(whole.run() == both_well);
  // The stop file is there from the start, so that each attempt makes one step.
  WorkerRun stopped(folder / "stopped", plan);
  test::write_file(stopped.stop_file(), "");
  for (int attempt = 0; attempt < 15; ++attempt)
    BOOST_REQUIRE_MESSAGE(stopped.run(attempt == 0 ? "" : stopped.checkpoints().back()) == both_well, stopped.log());
  BOOST_CHECK_EQUAL(stopped.events("checkpoint").back().at("step"), 15);
  // Stopped after its last step, it still owes the last epoch's evaluation.
  std::filesystem::remove(stopped.stop_file());
  BOOST_REQUIRE(stopped.run(stopped.checkpoints().back()) == both_well);
  BOOST_CHECK_EQUAL(stopped.events("finished").size(), 1);
  BOOST_CHECK(tensor_bytes(stopped.checkpoints().back()) == tensor_bytes(whole.checkpoints().back()));
  BOOST_CHECK(without_speed(stopped.metrics()) == without_speed(whole.metrics()));
}

BOOST_AUTO_TEST_CASE(a_finished_run_has_nothing_left_to_do) {
  const DataSet data(64, 9);
  const test::TemporaryFolder folder;
  WorkerRun run(folder.path(), training_plan(data.path(), 1));
  BOOST_REQUIRE(run.run() == std::vector<int>{0});
  const std::string last = run.checkpoints().back();
  const std::string metrics = test::read_file(folder / "metrics.csv");
  const auto written = std::filesystem::last_write_time(last);
  BOOST_CHECK(run.run(last) == std::vector<int>{0});
  BOOST_CHECK_EQUAL(run.events("finished").size(), 2);
  BOOST_CHECK(std::filesystem::last_write_time(last) == written);
  BOOST_CHECK_EQUAL(test::read_file(folder / "metrics.csv"), metrics);
}

BOOST_AUTO_TEST_CASE(events_tell_the_whole_story) {
  const DataSet data(64, 9);
  const test::TemporaryFolder folder;
  Plan plan = training_plan(data.path(), 2);
  plan.job.train->epochs = 2;
  WorkerRun run(folder.path(), plan);
  BOOST_REQUIRE_MESSAGE(run.run() == both_well, run.log());
  const nlohmann::json start = run.events("start").at(0);
  BOOST_CHECK_EQUAL(start.at("steps"), 4);
  BOOST_CHECK_EQUAL(start.at("epochs"), 2);
  BOOST_CHECK_EQUAL(start.at("steps_per_epoch"), 2);
  BOOST_CHECK_EQUAL(start.at("samples"), 64);
  BOOST_CHECK_EQUAL(start.at("parameters"), 64 * 8 + 8 + 8 * 4 + 4);
  BOOST_CHECK_EQUAL(start.at("resumed_step"), 0);
  BOOST_CHECK_EQUAL(run.events("first_step").at(0).at("step"), 1);
  BOOST_CHECK_EQUAL(run.events("epoch").size(), 2);
  BOOST_CHECK_EQUAL(run.events("epoch").at(1).at("epoch"), 2);
  BOOST_CHECK_EQUAL(run.events("checkpoint").size(), 2);
  BOOST_CHECK_EQUAL(run.events("checkpoint").at(1).at("path"), run.checkpoints().back());
  BOOST_CHECK_EQUAL(run.events("finished").at(0).at("steps"), 4);
  BOOST_CHECK_GE(run.events("step", 1).size(), 1);
  BOOST_CHECK(run.events("start", 1).empty());
}

BOOST_AUTO_TEST_CASE(a_lost_peer_is_a_communication_failure) {
  const DataSet data(samples_a_rank * 2, 9);
  Plan plan = long_plan(data.path(), 2);
  plan.job.train->epochs = 4000;
  const test::TemporaryFolder folder;
  WorkerRun run(folder.path(), plan);
  run.start();
  BOOST_REQUIRE(run.wait_for_event("step", [](const nlohmann::json& detail) { return detail.at("step") > 3; }));
  run.signal(1, SIGKILL);
  const std::vector<int> codes = run.wait();
  BOOST_CHECK_EQUAL(codes[1], 128 + SIGKILL);
  BOOST_CHECK_EQUAL(codes[0], 1);
  BOOST_CHECK_MESSAGE(first_error(run).starts_with("communication: "), first_error(run) << run.log());
}

BOOST_AUTO_TEST_CASE(damaged_data) {
  const DataSet data(64, 9);
  const std::string images = data / "t10k-images-idx3-ubyte";
  std::filesystem::resize_file(images, 300);
  const test::TemporaryFolder folder;
  WorkerRun run(folder.path(), training_plan(data.path(), 1));
  BOOST_CHECK(run.run() == std::vector<int>{1});
  const std::string message = images + ": truncated: its header promises 576 bytes of data, and 284 are there";
  BOOST_CHECK_EQUAL(first_error(run), "data: " + message);
  BOOST_CHECK_EQUAL(run.log(), "fabric-worker: error: " + message + "\n");
}

BOOST_AUTO_TEST_CASE(a_damaged_checkpoint) {
  const DataSet data(64, 9);
  const test::TemporaryFolder folder;
  WorkerRun run(folder.path(), training_plan(data.path(), 1));
  BOOST_REQUIRE(run.run() == std::vector<int>{0});
  const std::string path = run.checkpoints().back();
  std::string bytes = test::read_file(path);
  bytes[bytes.size() - 1] = static_cast<char>(bytes.back() ^ 1);
  test::write_file(path, bytes);
  BOOST_CHECK(run.run(path) == std::vector<int>{1});
  BOOST_CHECK_EQUAL(first_error(run), "checkpoint: " + path + ": corrupt: its SHA-256 does not hold");
}

BOOST_AUTO_TEST_CASE(a_checkpoint_of_another_model) {
  const DataSet data(64, 9);
  const test::TemporaryFolder folder;
  WorkerRun small(folder / "small", training_plan(data.path(), 1));
  BOOST_REQUIRE(small.run() == std::vector<int>{0});
  Plan plan = training_plan(data.path(), 1);
  plan.job.train->model.width = 3;
  WorkerRun large(folder / "large", plan);
  BOOST_CHECK(large.run(small.checkpoints().back()) == std::vector<int>{1});
  BOOST_CHECK(first_error(large).ends_with("tensor fc1.weight has shape [8, 64], and this model needs [12, 64]"));
}

BOOST_AUTO_TEST_CASE(checkpoints_that_cannot_be_written) {
  const DataSet data(64, 9);
  const test::TemporaryFolder folder;
  WorkerRun run(folder.path(), training_plan(data.path(), 2));
  test::write_file(folder / "checkpoints", "a file where the folder should be");
  const std::vector<int> codes = run.run();
  BOOST_CHECK_EQUAL(codes[0], 1);
  BOOST_CHECK_EQUAL(codes[1], 1);
  BOOST_CHECK_MESSAGE(first_error(run).starts_with("checkpoint: " + folder.path() +
                                                   "/checkpoints/step-00000002.safetensors: the checkpoint cannot be written: "),
                      first_error(run));
  BOOST_CHECK(first_error(run, 1).starts_with("communication: "));
}

BOOST_AUTO_TEST_CASE(an_environment_that_is_not_one) {
  const DataSet data(64, 9);
  const test::TemporaryFolder folder;
  WorkerRun run(folder.path(), training_plan(data.path(), 1));
  run.start("", {{"RANK", "none"}});
  BOOST_CHECK(run.wait() == std::vector<int>{3});
  BOOST_CHECK(run.log().starts_with("fabric-worker: error: RANK is 'none', not an integer from 0 to 0; "));
  run.start("", {{"WORLD_SIZE", "2"}, {"RANK", "1"}});
  BOOST_CHECK(run.wait() == std::vector<int>{1});
  BOOST_CHECK_EQUAL(first_error(run), "plan: WORLD_SIZE is 2, but the plan has 1 ranks");
}

BOOST_AUTO_TEST_CASE(cuda_where_there_is_none) {
  if (std::filesystem::exists("/dev/nvidiactl")) {
    BOOST_TEST_MESSAGE("left out: this machine has a GPU");
    return;
  }
  const DataSet data(64, 9);
  const test::TemporaryFolder folder;
  Plan plan = training_plan(data.path(), 1);
  plan.job.accelerator = Accelerator::cuda;
  WorkerRun run(folder.path(), plan);
  BOOST_CHECK(run.run() == std::vector<int>{1});
  BOOST_CHECK_MESSAGE(first_error(run).starts_with("device: "), first_error(run));
}

BOOST_AUTO_TEST_CASE(a_plan_that_trains_nothing) {
  const test::TemporaryFolder folder;
  Plan plan = training_plan("/nowhere", 1);
  plan.job.train.reset();
  WorkerRun run(folder.path(), plan);
  BOOST_CHECK(run.run() == std::vector<int>{1});
  BOOST_CHECK(first_error(run).starts_with("plan: "));
}

BOOST_AUTO_TEST_SUITE_END()
