#include "cli/choose_gpus.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

namespace fabric {
namespace {

Plan plan_with(std::int64_t ranks, std::vector<std::int64_t> ids = {}) {
  Plan plan;
  NodeGroup group;
  group.accelerator = Accelerator::cuda;
  group.ranks_per_node = ranks;
  group.device_ids = std::move(ids);
  plan.groups.push_back(group);
  return plan;
}

// Four GPUs of which those are held.
std::vector<Occupancy> four_of_which(const std::vector<std::int64_t>& held) {
  std::vector<Occupancy> all;
  for (std::int64_t gpu = 0; gpu < 4; ++gpu) all.push_back({gpu, {}});
  for (const std::int64_t gpu : held)
    all[static_cast<std::size_t>(gpu)].holders.push_back({4711, "python train.py", "ada", std::int64_t{12} << 30});
  return all;
}

struct Choice {
  std::int64_t ranks;
  std::vector<std::int64_t> held, chosen;
};
std::ostream& operator<<(std::ostream& out, const Choice& c) { return out << c.ranks << " ranks, " << c.held.size() << " GPUs held"; }

const Choice choices[] = {
    {1, {}, {0}}, {4, {}, {0, 1, 2, 3}}, {1, {0}, {1}}, {2, {0, 2}, {1, 3}}, {3, {1}, {0, 2, 3}},
};

BOOST_AUTO_TEST_SUITE(choosing_gpus)

BOOST_DATA_TEST_CASE(idle_ones_come_first, choices, choice) {
  Diagnostics diagnostics;
  BOOST_TEST(choose_gpus(plan_with(choice.ranks), four_of_which(choice.held), diagnostics) == choice.chosen,
             boost::test_tools::per_element());
  BOOST_TEST(diagnostics.all().empty());
}

BOOST_AUTO_TEST_CASE(too_few_idle_ones_are_an_error_that_names_who_holds_the_others) {
  Diagnostics diagnostics;
  BOOST_TEST(choose_gpus(plan_with(3), four_of_which({0, 3}), diagnostics).empty());
  BOOST_REQUIRE(diagnostics.all().size() == 1u);
  const Diagnostic& d = diagnostics.all()[0];
  BOOST_TEST(d.code == "FAB5010");
  BOOST_TEST((d.severity == Severity::error));
  BOOST_TEST(d.message == "the job takes 3 GPUs and 2 of 4 are idle");
  BOOST_REQUIRE(d.notes.size() == 2u);
  BOOST_TEST(d.notes[0].message == "GPU 0: python train.py of ada, process 4711, 12.0 GiB");
  BOOST_TEST(d.notes[1].message.starts_with("GPU 3: "));
  BOOST_TEST(d.help.find("`devices: 2`") != std::string::npos, d.help);
}

BOOST_AUTO_TEST_CASE(named_ones_are_taken_whoever_holds_them_and_that_is_a_warning) {
  Diagnostics diagnostics;
  BOOST_TEST(choose_gpus(plan_with(2, {1, 2}), four_of_which({2, 3}), diagnostics).empty());
  BOOST_REQUIRE(diagnostics.all().size() == 1u);
  BOOST_TEST(diagnostics.all()[0].code == "FAB5011");
  BOOST_TEST((diagnostics.all()[0].severity == Severity::warning));
  BOOST_TEST(diagnostics.all()[0].notes.size() == 1u);
}

BOOST_AUTO_TEST_CASE(on_a_cpu_there_is_nothing_to_choose) {
  Plan plan = plan_with(2);
  plan.groups[0].accelerator = Accelerator::cpu;
  Diagnostics diagnostics;
  BOOST_TEST(choose_gpus(plan, four_of_which({0, 1, 2, 3}), diagnostics).empty());
  BOOST_TEST(diagnostics.all().empty());
  BOOST_TEST(!uses_gpus(plan));
}

BOOST_AUTO_TEST_CASE(a_process_of_another_container_is_told_as_that) {
  BOOST_TEST(holders_in_words({{5, {{}}}}) == std::vector<std::string>{"GPU 5: a process that cannot be seen from here"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
