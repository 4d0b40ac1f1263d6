// SGD and AdamW against torch.optim.
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>

#include "runtime/failure.hpp"
#include "runtime/optimizer.hpp"
#include "tests/runtime/golden.hpp"

using namespace fabric;

namespace {

std::vector<NamedTensor> three_weights() {
  return {{"w", at::tensor({1.0, -2.0, 3.0}, at::TensorOptions().dtype(at::kDouble)).set_requires_grad(true)}};
}

void set_gradient(const at::Tensor& weight, std::int64_t step) {
  const double t = static_cast<double>(step);
  weight.mutable_grad() = at::tensor({0.1 * (t + 1), -0.3, 0.5 - 0.1 * t}, at::TensorOptions().dtype(at::kDouble));
}

std::vector<double> numbers(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<double>(), tensor.const_data_ptr<double>() + tensor.numel()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(optimizer)

BOOST_AUTO_TEST_CASE(trajectories_of_pytorch) {
  for (const nlohmann::json& golden : test::golden("optimizers.json")) {
    const Optimizer options = test::golden_optimizer(golden.at("optimizer"), golden.at("options"));
    const std::vector<NamedTensor> parameters = three_weights();
    const std::unique_ptr<UpdateRule> rule = make_update_rule(options, parameters);
    std::int64_t step = 0;
    for (const nlohmann::json& expected : golden.at("weights")) {
      set_gradient(parameters[0].tensor, step++);
      rule->step(options.lr);
      const std::vector<double> got = numbers(parameters[0].tensor);
      for (std::size_t i = 0; i < 3; ++i) BOOST_TEST_CONTEXT(golden.at("case").get<std::string>() << ", step " << step)
      BOOST_TEST(got[i] == expected.at(i).get<double>(), boost::test_tools::tolerance(1e-12));
      BOOST_CHECK(!parameters[0].tensor.grad().defined());
    }
    BOOST_CHECK_EQUAL(rule->steps_made(), step);
  }
}

BOOST_AUTO_TEST_CASE(a_copied_state_goes_on_alike) {
  for (const nlohmann::json& golden : test::golden("optimizers.json")) {
    const Optimizer options = test::golden_optimizer(golden.at("optimizer"), golden.at("options"));
    const std::vector<NamedTensor> first = three_weights();
    const std::unique_ptr<UpdateRule> first_rule = make_update_rule(options, first);
    std::int64_t step = 0;
    for (; step < 5; ++step) {
      set_gradient(first[0].tensor, step);
      first_rule->step(options.lr);
    }
    const std::vector<NamedTensor> second{{"w", first[0].tensor.detach().clone().set_requires_grad(true)}};
    const std::unique_ptr<UpdateRule> second_rule = make_update_rule(options, second);
    const std::vector<NamedTensor> from = first_rule->state(), to = second_rule->state();
    BOOST_REQUIRE_EQUAL(from.size(), to.size());
    for (std::size_t i = 0; i < from.size(); ++i) to[i].tensor.copy_(from[i].tensor);
    second_rule->set_steps_made(first_rule->steps_made());
    for (; step < 9; ++step)
      for (const auto& [weight, rule] : {std::pair(first[0].tensor, first_rule.get()), std::pair(second[0].tensor, second_rule.get())}) {
        set_gradient(weight, step);
        rule->step(options.lr);
      }
    BOOST_CHECK(numbers(first[0].tensor) == numbers(second[0].tensor));
  }
}

BOOST_AUTO_TEST_CASE(what_is_remembered_has_the_names_of_pytorch) {
  Optimizer options = test::golden_optimizer("adamw", {{"lr", 0.1}});
  BOOST_CHECK_EQUAL(make_update_rule(options, three_weights())->state()[0].name, "w.exp_avg");
  BOOST_CHECK_EQUAL(make_update_rule(options, three_weights())->state()[1].name, "w.exp_avg_sq");
  options.name = OptimizerName::sgd;
  BOOST_CHECK(make_update_rule(options, three_weights())->state().empty());
  options.momentum = 0.9;
  BOOST_CHECK_EQUAL(make_update_rule(options, three_weights())->state()[0].name, "w.momentum_buffer");
}

BOOST_AUTO_TEST_CASE(a_parameter_without_a_gradient) {
  const std::vector<NamedTensor> parameters = three_weights();
  const std::unique_ptr<UpdateRule> rule = make_update_rule(test::golden_optimizer("adamw", {{"lr", 0.1}}), parameters);
  BOOST_CHECK_THROW(rule->step(0.1), Failure);
}

BOOST_AUTO_TEST_SUITE_END()
