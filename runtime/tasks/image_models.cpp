#include "runtime/tasks/image_models.hpp"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>

#include <cmath>

#include "runtime/failure.hpp"

namespace fabric {
namespace {

// Draws layers one after another as the constructors of torch.nn do: weight, then bias.
class LayerMaker {
 public:
  LayerMaker(std::vector<NamedTensor>& out, at::ScalarType dtype, at::Device device) : out_(out), dtype_(dtype), device_(device) {}

  // shape: of the weight; its first dimension is the layer's outputs.
  void layer(const std::string& name, std::vector<std::int64_t> shape) {
    std::int64_t fan_in = 1;
    for (std::size_t d = 1; d < shape.size(); ++d) fan_in *= shape[d];
    // torch.nn.init.kaiming_uniform_(weight, a=sqrt(5)) in its own order of operations: the last bit of the bound counts.
    const double slope = std::sqrt(5.0);
    const double gain = std::sqrt(2.0 / (1 + slope * slope));
    const double bound = std::sqrt(3.0) * (gain / std::sqrt(static_cast<double>(fan_in)));
    add(name + ".weight", shape, bound);
    add(name + ".bias", {shape[0]}, 1 / std::sqrt(static_cast<double>(fan_in)));
  }

 private:
  void add(const std::string& name, const std::vector<std::int64_t>& shape, double bound) {
    at::Tensor drawn = at::empty(shape, at::TensorOptions().dtype(dtype_));
    drawn.uniform_(-bound, bound);
    // Drawn in PyTorch's order, kept channels-last: a convolution whose weight lies so stays in that layout, which oneDNN and the
    // pooling kernel are faster in.
    if (shape.size() == 4) drawn = at::empty(shape, drawn.options().memory_format(at::MemoryFormat::ChannelsLast)).copy_(drawn);
    out_.push_back({name, drawn.to(device_).set_requires_grad(true)});
  }

  std::vector<NamedTensor>& out_;
  at::ScalarType dtype_;
  at::Device device_;
};

at::Tensor classify(at::Tensor features, const std::vector<NamedTensor>& p, std::size_t fc1) {
  features = at::relu(at::linear(features, p[fc1].tensor, p[fc1 + 1].tensor));
  return at::linear(features, p[fc1 + 2].tensor, p[fc1 + 3].tensor);
}

class Mlp : public ImageModel {
 public:
  Mlp(std::int64_t width, PictureShape shape, std::int64_t classes, at::ScalarType dtype, at::Device device) {
    LayerMaker make(parameters_, dtype, device);
    make.layer("fc1", {4 * width, shape.rows * shape.columns});
    make.layer("fc2", {classes, 4 * width});
  }
  at::Tensor forward(const at::Tensor& pictures) const override { return classify(pictures.flatten(1), parameters_, 0); }
};

class Cnn : public ImageModel {
 public:
  Cnn(std::int64_t width, PictureShape shape, std::int64_t classes, at::ScalarType dtype, at::Device device) {
    LayerMaker make(parameters_, dtype, device);
    make.layer("conv1", {width, 1, 3, 3});
    make.layer("conv2", {2 * width, width, 3, 3});
    make.layer("fc1", {4 * width, 2 * width * (shape.rows / 4) * (shape.columns / 4)});
    make.layer("fc2", {classes, 4 * width});
  }
  at::Tensor forward(const at::Tensor& pictures) const override {
    at::Tensor x = pictures;
    // Pooling before ReLU gives the same values and gradients on a quarter of the numbers.
    for (const std::size_t conv : {0, 2})
      x = at::relu(at::max_pool2d(at::conv2d(x, parameters_[conv].tensor, parameters_[conv + 1].tensor, 1, 1), 2));
    return classify(x.flatten(1), parameters_, 4);
  }
};

}  // namespace

std::unique_ptr<ImageModel> make_image_model(const Model& model, PictureShape shape, std::int64_t classes, at::ScalarType dtype,
                                             at::Device device) {
  switch (model.name) {
    case ModelName::mlp: return std::make_unique<Mlp>(model.width, shape, classes, dtype, device);
    case ModelName::cnn:
      if (shape.rows < 4 || shape.columns < 4)
        throw Failure(FailureClass::data, "pictures of " + std::to_string(shape.rows) + " x " + std::to_string(shape.columns) +
                                              " are too small for the model cnn, which halves them twice; use mlp");
      return std::make_unique<Cnn>(model.width, shape, classes, dtype, device);
  }
  throw Failure(FailureClass::internal, "a model without code");
}

}  // namespace fabric
