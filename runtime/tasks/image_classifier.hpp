// Task image_classifier: pictures of one channel in IDX files, cross-entropy over their classes.
#pragma once

#include <array>

#include "runtime/tasks/image_models.hpp"
#include "runtime/tasks/task.hpp"

namespace fabric {

class ImageClassifier : public Task {
 public:
  // Pixels become (byte / 255 - mean) / std in dtype. The network has as many outputs as the training labels need.
  ImageClassifier(const Train<Resolved>& train, at::ScalarType dtype, at::Device device);

  std::int64_t sample_count(Split split) const override { return set(split).count; }
  Batch batch(Split split, std::span<const std::int64_t> indices) const override;
  const std::vector<NamedTensor>& parameters() const override { return model_->parameters(); }
  at::Tensor loss(const Batch& batch) const override;
  Tally evaluate(const Batch& batch) const override;

 private:
  const LabelledImages& set(Split split) const { return split == Split::train ? train_ : test_; }

  LabelledImages train_, test_;
  at::ScalarType dtype_;
  std::array<double, 256> pixel_;   // what each byte becomes
  std::array<float, 256> pixel32_;  // the same for a network in 32 bits, with the rounding of every operation in 32 bits
  std::unique_ptr<ImageModel> model_;
};

}  // namespace fabric
