#include "runtime/failure.hpp"
#include "runtime/strategies/strategy.hpp"

namespace fabric {
namespace {

class Single : public ParallelStrategy {
 public:
  void before_forward(bool) override {}
  void backward(const at::Tensor& loss, bool) override { loss.backward(); }
};

}  // namespace

std::unique_ptr<ParallelStrategy> make_single() { return std::make_unique<Single>(); }

std::unique_ptr<ParallelStrategy> make_strategy(Strategy name, const std::vector<NamedTensor>& parameters, const RankGroup& group) {
  switch (name) {
    case Strategy::single:
      if (group.size() > 1) throw Failure(FailureClass::plan, "the plan has several ranks, but its strategy is single");
      return make_single();
    case Strategy::ddp: return group.size() == 1 ? make_single() : make_ddp(parameters, group);
  }
  throw Failure(FailureClass::internal, "a strategy without code");
}

}  // namespace fabric
