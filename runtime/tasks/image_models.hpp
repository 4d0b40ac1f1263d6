// Networks that tell the class of a picture, with PyTorch's initial weights: after the same at::manual_seed they are bit for bit those
// of nn.Conv2d and nn.Linear constructed in the order conv1, conv2, fc1, fc2.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/named_tensor.hpp"
#include "schema/job.hpp"

namespace fabric {

struct PictureShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

class ImageModel {
 public:
  virtual ~ImageModel() = default;
  // pictures: N x 1 x rows x columns. Answers logits: N x classes.
  virtual at::Tensor forward(const at::Tensor& pictures) const = 0;
  const std::vector<NamedTensor>& parameters() const { return parameters_; }

 protected:
  std::vector<NamedTensor> parameters_;  // weight and bias of each layer in turn
};

// mlp: linear to 4 width units, ReLU, linear to classes. cnn: two 3x3 convolutions with padding to width and 2 width channels,
// ReLU and 2x2 max pooling after each, then as mlp. The cnn needs pictures of at least 4x4;
// Failure(data) otherwise. Weights are drawn on the CPU from its default generator, then moved to device.
std::unique_ptr<ImageModel> make_image_model(const Model& model, PictureShape shape, std::int64_t classes, at::ScalarType dtype,
                                             at::Device device);

}  // namespace fabric
