// The learning rate, step by step. Values for linear and cosine: torch.optim.lr_scheduler.LinearLR and CosineAnnealingLR.
#include <boost/test/unit_test.hpp>

#include "runtime/schedule.hpp"

using namespace fabric;

namespace {

void check(Schedule schedule, std::int64_t total, const std::vector<double>& expected) {
  for (std::size_t t = 0; t < expected.size(); ++t)
    BOOST_TEST(learning_rate(schedule, 0.1, static_cast<std::int64_t>(t), total) == expected[t], boost::test_tools::tolerance(1e-14));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(schedule)

BOOST_AUTO_TEST_CASE(constant) { check({ScheduleName::constant, 0}, 3, {0.1, 0.1, 0.1}); }
BOOST_AUTO_TEST_CASE(constant_after_warm_up) { check({ScheduleName::constant, 4}, 6, {0.025, 0.05, 0.075, 0.1, 0.1, 0.1}); }
BOOST_AUTO_TEST_CASE(linear) { check({ScheduleName::linear, 0}, 5, {0.1, 0.08, 0.06, 0.04, 0.02}); }
BOOST_AUTO_TEST_CASE(linear_after_warm_up) { check({ScheduleName::linear, 2}, 6, {0.05, 0.1, 0.1, 0.075, 0.05, 0.025}); }
BOOST_AUTO_TEST_CASE(cosine) { check({ScheduleName::cosine, 0}, 4, {0.1, 0.08535533905932738, 0.05, 0.014644660940672627}); }
BOOST_AUTO_TEST_CASE(cosine_after_warm_up) {
  check({ScheduleName::cosine, 1}, 5, {0.1, 0.1, 0.08535533905932738, 0.05, 0.014644660940672627});
}
BOOST_AUTO_TEST_CASE(warm_up_as_long_as_training) { check({ScheduleName::linear, 3}, 3, {0.1 / 3, 0.2 / 3, 0.1}); }
BOOST_AUTO_TEST_CASE(one_step) { check({ScheduleName::cosine, 0}, 1, {0.1}); }

BOOST_AUTO_TEST_CASE(no_step_is_made_at_a_rate_of_zero) {
  for (const ScheduleName name : {ScheduleName::constant, ScheduleName::linear, ScheduleName::cosine})
    for (const std::int64_t warmup : {0, 3})
      for (std::int64_t t = 0; t < 10; ++t) BOOST_CHECK_GT(learning_rate({name, warmup}, 1, t, 10), 0);
}

BOOST_AUTO_TEST_SUITE_END()
