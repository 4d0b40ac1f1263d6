// Checkpoints: there and back, what does not fit, and a disk that fails.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include "runtime/failure.hpp"
#include "runtime/training_state.hpp"
#include "schema/safetensors.hpp"
#include "tests/runtime/temporary_folder.hpp"

using namespace fabric;

namespace {

std::string complaint(const std::function<void()>& act) {
  try {
    act();
  } catch (const Failure& failure) {
    BOOST_CHECK(failure.failure_class == FailureClass::checkpoint);
    const std::string text = failure.what();
    return text.substr(text.find(": ") + 2);
  }
  return "";
}

// One rank's training state: a small model, AdamW, and where the loop stands.
struct State {
  Plan plan;
  std::vector<NamedTensor> parameters;
  std::unique_ptr<UpdateRule> rule;
  LoopState loop{.step = 42, .epoch = 3, .position = 7, .epoch_loss = 0.1 + 0.2, .epoch_samples = 448};

  explicit State(std::int64_t outputs = 4) {
    plan.job.devices.count = 1;
    plan.job.seed = 5;
    Train<Resolved>& train = plan.job.train.emplace();
    train.batch_size = train.micro_batch_size = 64;
    train.model.name = ModelName::mlp;
    train.optimizer = {OptimizerName::adamw, 1e-3, 0, 0, {0.9, 0.999}, 1e-8};
    parameters = {{"fc1.weight", at::randn({outputs, 3}).set_requires_grad(true)},
                  {"fc1.bias", at::randn({outputs}).set_requires_grad(true)}};
    rule = make_update_rule(train.optimizer, parameters);
  }

  void step() {
    for (const NamedTensor& parameter : parameters) parameter.tensor.mutable_grad() = at::randn(parameter.tensor.sizes());
    rule->step(1e-3);
  }
  void save(const std::string& path) { write_checkpoint(path, capture(plan, loop, parameters, *rule)); }
  LoopState load(const std::string& path) { return restore(read_checkpoint(path), path, plan, parameters, *rule); }
};

// A checkpoint of such a state with one thing changed.
std::string complaint_about(const std::function<void(Checkpoint&)>& change) {
  const test::TemporaryFolder folder;
  State state;
  Checkpoint checkpoint = capture(state.plan, state.loop, state.parameters, *state.rule);
  change(checkpoint);
  const std::string path = folder / "step-00000042.safetensors";
  write_checkpoint(path, checkpoint);
  State other;
  const at::Tensor others = other.parameters[0].tensor.detach().clone();
  const std::string text = complaint([&] { other.load(path); });
  BOOST_CHECK_MESSAGE(text.empty() || at::equal(others, other.parameters[0].tensor), "refused, but weights were changed");
  return text;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint)

BOOST_AUTO_TEST_CASE(there_and_back) {
  const test::TemporaryFolder folder;
  State first;
  first.step();
  first.step();
  const std::string path = checkpoint_path(folder / "checkpoints", 42);
  BOOST_CHECK_EQUAL(path, folder / "checkpoints/step-00000042.safetensors");
  first.save(path);
  const at::Tensor next = at::randn({3});

  State second;
  const LoopState loop = second.load(path);
  BOOST_CHECK(loop == first.loop);
  BOOST_CHECK_EQUAL(second.rule->steps_made(), 2);
  BOOST_CHECK(at::equal(first.parameters[0].tensor, second.parameters[0].tensor));
  for (std::size_t i = 0; i < 4; ++i) BOOST_CHECK(at::equal(first.rule->state()[i].tensor, second.rule->state()[i].tensor));
  BOOST_CHECK_MESSAGE(at::equal(at::randn({3}), next), "random numbers do not go on where they stood");
}

BOOST_AUTO_TEST_CASE(names_and_metadata) {
  const test::TemporaryFolder folder;
  State state;
  state.save(folder / "c");
  std::string why;
  const auto header = read_safetensors_header(folder / "c", why);
  BOOST_REQUIRE_MESSAGE(header, why);
  std::vector<std::string> names;
  for (const TensorEntry& tensor : header->tensors) names.push_back(tensor.name);
  const std::vector<std::string> expected{"fc1.weight",
                                          "fc1.bias",
                                          "optim.fc1.weight.exp_avg",
                                          "optim.fc1.bias.exp_avg",
                                          "optim.fc1.weight.exp_avg_sq",
                                          "optim.fc1.bias.exp_avg_sq"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  BOOST_CHECK_EQUAL(header->metadata.at("format"), "pt");
  BOOST_CHECK_EQUAL(header->metadata.at("step"), "42");
  BOOST_CHECK_EQUAL(header->metadata.at("plan_id"), plan_id(state.plan));
  BOOST_CHECK_EQUAL(verify_safetensors(folder / "c"), "");
}

BOOST_AUTO_TEST_CASE(channels_last_weights_are_stored_in_the_order_of_their_names) {
  const test::TemporaryFolder folder;
  const at::Tensor drawn = at::randn({4, 3, 2, 2});
  write_checkpoint(folder / "c", {{{"conv1.weight", drawn.contiguous(at::MemoryFormat::ChannelsLast)}}, {}});
  const std::string bytes = test::read_file(folder / "c");
  BOOST_CHECK(bytes.ends_with(std::string(static_cast<const char*>(drawn.const_data_ptr()), drawn.nbytes())));
  BOOST_CHECK(at::equal(read_checkpoint(folder / "c").tensors[0].tensor, drawn));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_named) {
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint&) {}), "");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) { c.tensors.erase(c.tensors.begin()); }),
                    "tensor fc1.weight is missing; was it made by another model?");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) {
                      c.tensors[2].tensor = at::zeros({3, 4});
                    }),
                    "tensor optim.fc1.weight.exp_avg has shape [3, 4], and this model needs [4, 3]");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) { c.tensors[0].tensor = c.tensors[0].tensor.to(at::kDouble); }),
                    "tensor fc1.weight is of another number format");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) {
                      c.tensors.push_back({"conv9.weight", at::zeros({1})});
                    }),
                    "tensor conv9.weight has no place in this model and optimizer");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) { c.metadata["seed"] = "6"; }), "it was made with seed 6, and this run has 5");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) { c.metadata["world_size"] = "2"; }),
                    "it was made with world_size 2, and this run has 1");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) { c.metadata["optimizer"] = "sgd"; }),
                    "it was made with optimizer sgd, and this run has adamw");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) { c.metadata["model"] = "cnn"; }),
                    "it was made with model cnn, and this run has mlp");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) { c.metadata["step"] = "4x"; }), "its metadata step is '4x', not a number");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) { c.metadata.erase("epoch"); }),
                    "not a checkpoint of a training run: its metadata has no epoch");
  BOOST_CHECK_EQUAL(complaint_about([](Checkpoint& c) { c.metadata["rng_cpu"] = "00"; }),
                    "its metadata rng_cpu is not a state of this version's generator");
}

BOOST_AUTO_TEST_CASE(a_damaged_file_is_refused) {
  const test::TemporaryFolder folder;
  State state;
  const std::string path = folder / "c";
  state.save(path);
  const std::string whole = test::read_file(path);
  test::write_file(path, whole.substr(0, whole.size() - 1));
  BOOST_CHECK(complaint([&] { read_checkpoint(path); }).starts_with("truncated: "));
  std::string flipped = whole;
  flipped[whole.size() - 10] = static_cast<char>(flipped[whole.size() - 10] ^ 1);
  test::write_file(path, flipped);
  BOOST_CHECK_EQUAL(complaint([&] { read_checkpoint(path); }), "corrupt: its SHA-256 does not hold");
  test::write_file(path, "");
  BOOST_CHECK_NE(complaint([&] { read_checkpoint(path); }), "");
  std::filesystem::remove(path);
  BOOST_CHECK_EQUAL(complaint([&] { read_checkpoint(path); }), "cannot be opened: No such file or directory");
}

BOOST_AUTO_TEST_CASE(initial_weights_are_taken_whatever_else_the_file_holds) {
  const test::TemporaryFolder folder;
  State first, second, larger(5);
  first.save(folder / "c");
  load_initial_weights(folder / "c", second.parameters);
  BOOST_CHECK(at::equal(first.parameters[1].tensor, second.parameters[1].tensor));
  BOOST_CHECK_EQUAL(complaint([&] { load_initial_weights(folder / "c", larger.parameters); }),
                    "tensor fc1.weight has shape [4, 3], and this model needs [5, 3]");
}

BOOST_AUTO_TEST_CASE(the_newest_are_kept) {
  const test::TemporaryFolder folder;
  for (const std::int64_t step : {5, 99999999, 100000000, 20, 3}) test::write_file(checkpoint_path(folder.path(), step), "x");
  test::write_file(folder / "step-00000021.safetensors.writing", "half");
  test::write_file(folder / "notes.txt", "mine");
  keep_newest_checkpoints(checkpoint_path(folder.path(), 100000000), 2);
  const std::vector<std::string> expected{"notes.txt", "step-100000000.safetensors", "step-99999999.safetensors"};
  BOOST_TEST(names_in(folder.path()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(damaged_ones_of_higher_steps_cost_no_good_one) {
  const test::TemporaryFolder folder;
  for (const std::int64_t step : {80, 90, 100, 940, 1000}) test::write_file(checkpoint_path(folder.path(), step), "x");
  keep_newest_checkpoints(checkpoint_path(folder.path(), 100), 2);
  const std::vector<std::string> expected{"step-00000090.safetensors", "step-00000100.safetensors", "step-00000940.safetensors",
                                          "step-00001000.safetensors"};
  BOOST_TEST(names_in(folder.path()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_disk_without_room_leaves_the_earlier_checkpoint) {
  const test::TemporaryFolder folder;
  State state;
  const std::string path = checkpoint_path(folder.path(), 1);
  state.save(path);
  const std::string whole = test::read_file(path);
  // The kernel refuses what would make a file longer than this.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{100, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string again = complaint([&] { state.save(path); });
  const std::string next = complaint([&] { state.save(checkpoint_path(folder.path(), 2)); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  BOOST_CHECK_EQUAL(again, "the checkpoint cannot be written: File too large; earlier checkpoints are intact");
  BOOST_CHECK_EQUAL(next, again);
  BOOST_CHECK(test::read_file(path) == whole);
  BOOST_CHECK_EQUAL(names_in(folder.path()).size(), 1);  // no temporary file either
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_written) {
  const test::TemporaryFolder folder;
  State state;
  test::write_file(folder / "file", "");
  BOOST_CHECK(complaint([&] { state.save(folder / "file/step-00000001.safetensors"); }).starts_with("the checkpoint cannot be written: "));
  BOOST_CHECK(complaint([&] { state.save("/proc/step-00000001.safetensors"); }).starts_with("the checkpoint cannot be written: "));
}

BOOST_AUTO_TEST_SUITE_END()
