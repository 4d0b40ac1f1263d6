#include "launch_backends/probes/visible_devices.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using fabric::visible_devices;
using Order = std::vector<std::size_t>;

const std::vector<std::string> uuids = {"GPU-aaaa-1", "GPU-aabb-2", "GPU-cccc-3", "GPU-dddd-4"};

}  // namespace

BOOST_AUTO_TEST_SUITE(cuda_visible_devices)

BOOST_AUTO_TEST_CASE(not_set_shows_all) {
  BOOST_CHECK(visible_devices(std::nullopt, uuids).order == (Order{0, 1, 2, 3}));
  BOOST_CHECK(visible_devices(std::nullopt, {}).order.empty());
}

BOOST_AUTO_TEST_CASE(what_values_mean) {
  struct Row {
    const char* value;
    Order order;
    const char* problem;  // a part of it, or empty for none
  };
  const Row rows[] = {
      {"", {}, ""},
      {"0", {0}, ""},
      {"3,1", {3, 1}, ""},
      {" 2, 0", {2, 0}, ""},
      {"+1", {1}, ""},
      {"2gpu,0x", {2, 0}, ""},
      {"1,", {1}, ""},
      {"-1", {}, ""},
      {"0,2,-1,1", {0, 2}, ""},
      {"GPU-cccc-3,GPU-aaaa-1", {2, 0}, ""},
      {"GPU-c,GPU-d", {2, 3}, ""},
      // The list ends where something names no GPU.
      {"0,4,1", {0}, "`4` is not the index"},
      {"9", {}, "`9` is not the index"},
      {"0,,1", {0}, "`` is not the index"},
      {"all", {}, "`all` is not the index"},
      {"none", {}, "`none` is not the index"},
      {"99999999999999999999", {}, "is not the index"},
      {"-2", {}, "`-2` is not the index"},
      {"0,GPU-cccc-3", {0}, "is not the index"},
      {"GPU-aa", {}, "more than one"},
      {"GPU-", {}, "more than one"},
      {"GPU-zzzz", {}, "no GPU of this machine"},
      {"GPU-cccc-3,1", {2}, "no GPU of this machine"},
      {"gpu-cccc-3", {}, "is not the index"},
      // A repeated one empties it.
      {"0,0", {}, "repeats"},
      {"1,2,1", {}, "repeats"},
      {"GPU-c,GPU-cccc-3", {}, "repeats"},
  };
  for (const Row& row : rows) {
    BOOST_TEST_CONTEXT("CUDA_VISIBLE_DEVICES=" << row.value) {
      const auto visible = visible_devices(row.value, uuids);
      BOOST_TEST(visible.order == row.order, boost::test_tools::per_element());
      BOOST_TEST(visible.problem.empty() == std::string(row.problem).empty());
      BOOST_TEST(visible.problem.find(row.problem) != std::string::npos);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_gpu_that_cannot_be_asked_is_named_by_index_only) {
  const std::vector<std::string> one_lost = {"GPU-a", "", "GPU-b"};
  BOOST_CHECK(visible_devices("2,1", one_lost).order == (Order{2, 1}));
  BOOST_CHECK(visible_devices("GPU-b", one_lost).order == (Order{2}));
}

BOOST_AUTO_TEST_SUITE_END()
