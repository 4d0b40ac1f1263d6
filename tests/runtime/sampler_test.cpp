// The order of samples is PyTorch's, number for number.
#include <set>

#include <boost/test/unit_test.hpp>

#include "runtime/data/sampler.hpp"
#include "tests/runtime/golden.hpp"

using namespace fabric;

BOOST_AUTO_TEST_SUITE(sampler)

BOOST_AUTO_TEST_CASE(indices_of_pytorch) {
  for (const nlohmann::json& golden : test::golden("sampler.json")) {
    const std::int64_t world = golden.at("world");
    for (std::int64_t rank = 0; rank < world; ++rank) {
      const auto expected = golden.at("indices").at(static_cast<std::size_t>(rank)).get<std::vector<std::int64_t>>();
      const DistributedSampler made(golden.at("n"), world, rank, golden.at("seed"));
      const std::vector<std::int64_t> indices = made.indices(golden.at("epoch"));
      BOOST_TEST(indices == expected, boost::test_tools::per_element());
      BOOST_CHECK_EQUAL(made.samples_per_rank(), static_cast<std::int64_t>(expected.size()));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_case_that_lightning_pins) {
  const std::vector<std::int64_t> indices = DistributedSampler(8, 2, 0, 1).indices(0);
  const std::vector<std::int64_t> expected{5, 2, 7, 1};
  BOOST_TEST(indices == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_same_place_gives_the_same_order) {
  const DistributedSampler made(1000, 3, 1, 7);
  BOOST_CHECK(made.indices(4) == made.indices(4));
  BOOST_CHECK(made.indices(4) != made.indices(5));
}

BOOST_AUTO_TEST_CASE(evaluation_takes_each_sample_once) {
  for (const std::int64_t n : {1, 2, 7, 8, 100})
    for (const std::int64_t world : {1, 2, 3, 8}) {
      std::multiset<std::int64_t> taken;
      for (std::int64_t rank = 0; rank < world; ++rank)
        for (const std::int64_t index : evaluation_indices(n, world, rank)) taken.insert(index);
      BOOST_CHECK_EQUAL(static_cast<std::int64_t>(taken.size()), n);
      for (std::int64_t i = 0; i < n; ++i) BOOST_CHECK_EQUAL(taken.count(i), 1);
    }
}

BOOST_AUTO_TEST_SUITE_END()
