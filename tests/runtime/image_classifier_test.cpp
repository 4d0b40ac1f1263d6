// The task image_classifier: initial weights, pixels, counts.
#include <ATen/Context.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <boost/test/unit_test.hpp>

#include "runtime/failure.hpp"
#include "runtime/tasks/image_models.hpp"
#include "runtime/tasks/task.hpp"
#include "schema/sha256.hpp"
#include "tests/runtime/golden.hpp"
#include "tests/runtime/idx_files.hpp"

using namespace fabric;

namespace {

Train<Resolved> training(const std::string& folder, ModelName model = ModelName::mlp) {
  Train<Resolved> train;
  train.model = {model, 2};
  train.data = {folder, 0.25, 0.5};
  return train;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(image_classifier)

BOOST_AUTO_TEST_CASE(initial_weights_are_those_of_pytorch_bit_for_bit) {
  for (const nlohmann::json& golden : test::golden("initial_weights.json")) {
    at::manual_seed(golden.at("seed").get<std::uint64_t>());
    const auto model =
        make_image_model({*from_name<ModelName>(golden.at("model").get<std::string>()), 32}, {28, 28}, 10, at::kFloat, at::kCPU);
    BOOST_CHECK_EQUAL(model->parameters().size(), golden.at("parameters").size());
    for (const NamedTensor& parameter : model->parameters()) {
      const at::Tensor bytes = parameter.tensor.detach().contiguous();
      const std::string digest = sha256_hex({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
      BOOST_CHECK_MESSAGE(golden.at("parameters").at(parameter.name) == digest, golden.at("model") << ' ' << parameter.name);
    }
  }
}

BOOST_AUTO_TEST_CASE(pixels_are_normalised) {
  const test::TemporaryFolder folder;
  test::write_data_set(folder.path(), 12, 6);
  const LabelledImages set = read_labelled_images(folder.path(), Split::train);
  const auto task = make_task(training(folder.path()), at::kDouble, at::kCPU);
  const std::vector<std::int64_t> chosen{7, 3};
  const Batch batch = task->batch(Split::train, chosen);
  BOOST_CHECK(batch.inputs.sizes() == at::IntArrayRef({2, 1, 8, 8}));
  for (std::int64_t i = 0; i < 64; ++i)
    BOOST_TEST(batch.inputs.const_data_ptr<double>()[64 + i] == (set.pixels[3 * 64 + i] / 255.0 - 0.25) / 0.5,
               boost::test_tools::tolerance(1e-15));
  BOOST_CHECK_EQUAL(batch.targets.const_data_ptr<std::int64_t>()[0], 3);
  BOOST_CHECK_EQUAL(task->sample_count(Split::train), 12);
  BOOST_CHECK_EQUAL(task->sample_count(Split::test), 6);
}

BOOST_AUTO_TEST_CASE(an_untrained_network_that_answers_nothing_but_its_bias) {
  const test::TemporaryFolder folder;
  test::write_data_set(folder.path(), 12, 6);
  const auto task = make_task(training(folder.path(), ModelName::cnn), at::kFloat, at::kCPU);
  const c10::InferenceMode no_gradients;
  for (const NamedTensor& parameter : task->parameters()) parameter.tensor.zero_();
  task->parameters().back().tensor.mutable_data_ptr<float>()[1] = 1;  // every picture is of class 1
  const std::vector<std::int64_t> all{0, 1, 2, 3, 4, 5};
  const Tally tally = task->evaluate(task->batch(Split::test, all));
  BOOST_CHECK_EQUAL(tally.samples, 6);
  BOOST_CHECK_EQUAL(tally.correct, 2);  // labels 0 1 2 3 0 1
  const double normaliser = std::log(3 + std::exp(1.0));
  BOOST_TEST(tally.loss == 6 * normaliser - 2, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(the_network_fits_the_pictures_and_the_labels) {
  const test::TemporaryFolder folder;
  test::write_data_set(folder.path(), 12, 6, 13, 3);
  const auto task = make_task(training(folder.path(), ModelName::cnn), at::kFloat, at::kCPU);
  BOOST_CHECK(task->parameters()[4].tensor.sizes() == at::IntArrayRef({8, 4 * 3 * 3}));
  BOOST_CHECK(task->parameters()[6].tensor.sizes() == at::IntArrayRef({3, 8}));
}

BOOST_AUTO_TEST_CASE(data_that_do_not_fit) {
  const test::TemporaryFolder small, mixed, labels;
  test::write_data_set(small.path(), 4, 4, 3, 2);
  BOOST_CHECK_THROW(make_task(training(small.path(), ModelName::cnn), at::kFloat, at::kCPU), Failure);
  test::write_pictures(mixed.path(), "train", 4, 8, 2);
  test::write_pictures(mixed.path(), "t10k", 4, 9, 2);
  BOOST_CHECK_THROW(make_task(training(mixed.path()), at::kFloat, at::kCPU), Failure);
  test::write_pictures(labels.path(), "train", 4, 8, 2);
  test::write_pictures(labels.path(), "t10k", 4, 8, 3);
  BOOST_CHECK_THROW(make_task(training(labels.path()), at::kFloat, at::kCPU), Failure);
}

BOOST_AUTO_TEST_SUITE_END()
