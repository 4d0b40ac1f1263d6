#include "runtime/tasks/image_classifier.hpp"

#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eq.h>

#include "runtime/failure.hpp"

namespace fabric {
namespace {

template <class T>
std::array<T, 256> pixel_table(const Data& data) {
  std::array<T, 256> table;
  for (int byte = 0; byte < 256; ++byte)
    table[static_cast<std::size_t>(byte)] = (static_cast<T>(byte) / T{255} - static_cast<T>(data.mean)) / static_cast<T>(data.std);
  return table;
}

template <class T>
void fill(T* out, const LabelledImages& set, std::span<const std::int64_t> indices, const std::array<T, 256>& pixel) {
  const std::int64_t size = set.rows * set.columns;
  for (const std::int64_t index : indices) {
    const std::uint8_t* bytes = set.pixels.get() + index * size;
    for (std::int64_t i = 0; i < size; ++i) *out++ = pixel[bytes[i]];
  }
}

// The network computes in bfloat16 under autocast; the loss never does.
at::Tensor full_precision(const at::Tensor& logits) { return logits.scalar_type() == at::kBFloat16 ? logits.to(at::kFloat) : logits; }

}  // namespace

ImageClassifier::ImageClassifier(const Train<Resolved>& train, at::ScalarType dtype, at::Device device)
    : train_(read_labelled_images(train.data.path, Split::train)),
      test_(read_labelled_images(train.data.path, Split::test)),
      dtype_(dtype),
      pixel_(pixel_table<double>(train.data)),
      pixel32_(pixel_table<float>(train.data)) {
  if (test_.rows != train_.rows || test_.columns != train_.columns || test_.classes > train_.classes)
    throw Failure(FailureClass::data, train.data.path + ": the test set (pictures of " + std::to_string(test_.rows) + " x " +
                                          std::to_string(test_.columns) + ", " + std::to_string(test_.classes) +
                                          " classes) does not fit the training set (" + std::to_string(train_.rows) + " x " +
                                          std::to_string(train_.columns) + ", " + std::to_string(train_.classes) + " classes)");
  model_ = make_image_model(train.model, {train_.rows, train_.columns}, train_.classes, dtype, device);
}

Batch ImageClassifier::batch(Split split, std::span<const std::int64_t> indices) const {
  const LabelledImages& from = set(split);
  const std::int64_t n = static_cast<std::int64_t>(indices.size());
  Batch batch;
  batch.inputs = at::empty({n, 1, from.rows, from.columns}, at::TensorOptions().dtype(dtype_));
  if (dtype_ == at::kDouble) fill(batch.inputs.mutable_data_ptr<double>(), from, indices, pixel_);
  else fill(batch.inputs.mutable_data_ptr<float>(), from, indices, pixel32_);
  batch.targets = at::empty({n}, at::TensorOptions().dtype(at::kLong));
  std::int64_t* target = batch.targets.mutable_data_ptr<std::int64_t>();
  for (const std::int64_t index : indices) *target++ = from.labels[index];
  return batch;
}

at::Tensor ImageClassifier::loss(const Batch& batch) const {
  return at::cross_entropy_loss(full_precision(model_->forward(batch.inputs)), batch.targets);
}

Tally ImageClassifier::evaluate(const Batch& batch) const {
  const at::Tensor logits = full_precision(model_->forward(batch.inputs));
  Tally tally;
  tally.loss = at::cross_entropy_loss(logits, batch.targets, {}, at::Reduction::Sum).item<double>();
  tally.correct = static_cast<double>(logits.argmax(1).eq(batch.targets).sum().item<std::int64_t>());
  tally.samples = static_cast<double>(batch.targets.size(0));
  return tally;
}

std::unique_ptr<Task> make_task(const Train<Resolved>& train, at::ScalarType dtype, at::Device device) {
  switch (train.task) {
    case TaskName::image_classifier: return std::make_unique<ImageClassifier>(train, dtype, device);
  }
  throw Failure(FailureClass::internal, "a task without code");
}

}  // namespace fabric
