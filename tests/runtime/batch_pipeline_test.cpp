// The batch pipeline: order, bounds, failures and an early end.
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include <ATen/ops/full.h>
#include <boost/test/unit_test.hpp>

#include "runtime/data/batch_pipeline.hpp"

using namespace fabric;
using namespace std::chrono_literals;

namespace {

Batch numbered(std::int64_t index) { return {at::full({1}, static_cast<double>(index), at::TensorOptions().dtype(at::kDouble)), {}}; }

std::int64_t number(const std::optional<Batch>& batch) { return static_cast<std::int64_t>(batch->inputs.const_data_ptr<double>()[0]); }

}  // namespace

BOOST_AUTO_TEST_SUITE(batch_pipeline)

BOOST_AUTO_TEST_CASE(batches_come_in_order_though_they_are_finished_in_another) {
  for (const int workers : {1, 2, 4}) {
    BatchPipeline batches(
        3, 60,
        [](std::int64_t index) {
          std::this_thread::sleep_for(index % 5 * 300us);
          return numbered(index);
        },
        workers, 2 * workers);
    for (std::int64_t expected = 3; expected < 60; ++expected) BOOST_REQUIRE_EQUAL(number(batches.next()), expected);
    BOOST_CHECK(!batches.next());
    BOOST_CHECK(!batches.next());
  }
}

BOOST_AUTO_TEST_CASE(no_more_are_prepared_than_may_wait) {
  std::atomic<int> prepared = 0;
  BatchPipeline batches(
      0, 1000,
      [&](std::int64_t index) {
        ++prepared;
        return numbered(index);
      },
      2, 3);
  const auto stays_at = [&](int count) {
    for (int i = 0; i < 2000 && prepared.load() < count; ++i) std::this_thread::sleep_for(5ms);
    std::this_thread::sleep_for(50ms);
    return prepared.load() == count;
  };
  BOOST_CHECK_MESSAGE(stays_at(3), prepared.load());
  batches.next();
  BOOST_CHECK_MESSAGE(stays_at(4), prepared.load());
}

BOOST_AUTO_TEST_CASE(a_failure_comes_out_in_its_place) {
  BatchPipeline batches(
      0, 10,
      [](std::int64_t index) {
        if (index == 2) throw std::runtime_error("batch 2 is broken");
        return numbered(index);
      },
      2, 4);
  BOOST_CHECK_EQUAL(number(batches.next()), 0);
  BOOST_CHECK_EQUAL(number(batches.next()), 1);
  BOOST_CHECK_EXCEPTION(batches.next(), std::runtime_error,
                        [](const std::exception& e) { return e.what() == std::string("batch 2 is broken"); });
  BOOST_CHECK_EQUAL(number(batches.next()), 3);
}

BOOST_AUTO_TEST_CASE(an_early_end_waits_for_what_is_in_work) {
  std::atomic<int> entered = 0, left = 0;
  {
    BatchPipeline batches(
        0, 100,
        [&](std::int64_t index) {
          ++entered;
          std::this_thread::sleep_for(5ms);
          ++left;
          return numbered(index);
        },
        2, 8);
    batches.next();
  }
  BOOST_CHECK_EQUAL(entered.load(), left.load());
  BOOST_CHECK_LT(entered.load(), 9);
}

BOOST_AUTO_TEST_CASE(nothing_to_prepare) {
  BatchPipeline batches(
      5, 5, [](std::int64_t index) { return numbered(index); }, 1, 2);
  BOOST_CHECK(!batches.next());
}

BOOST_AUTO_TEST_SUITE_END()
