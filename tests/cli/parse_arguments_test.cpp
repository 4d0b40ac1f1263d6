#include <boost/test/unit_test.hpp>

#include "cli/command.hpp"

namespace fabric {
namespace {

constexpr Option options[] = {
    {"-o,--output", "FILE", "Save.", false},
    {"--set", "PATH=VALUE", "Set.", true},
    {"--ranks", "", "Show ranks.", false},
    {"--format", "human|json", "Form.", false},
};
// clang-format off
const Command command{
    .name = "plan", .summary = "", .about = "", .operand = Operand{"JOB", "a job file"}, .options = options, .examples = {}, .runs_jobs = false, .run = nullptr};
const Command bare{.name = "version", .summary = "", .about = "", .operand = std::nullopt, .options = {}, .examples = {}, .runs_jobs = false, .run = nullptr};
// clang-format on

// What a command line is refused for, and the help.
std::string refusal(const Command& c, const std::vector<std::string>& arguments) {
  try {
    parse_arguments(c, arguments);
  } catch (const UsageError& error) {
    return std::string(error.what()) + " | " + error.help;
  }
  return "accepted";
}

BOOST_AUTO_TEST_CASE(options_may_stand_anywhere) {
  const Arguments a = parse_arguments(command, {"--set", "a=1", "job.yaml", "-o", "p.json", "--set=b=[1, 2]", "--ranks"});
  BOOST_TEST(*a.operand == "job.yaml");
  BOOST_TEST(*a.value("output") == "p.json");
  BOOST_TEST(a.values("set") == (std::vector<std::string>{"a=1", "b=[1, 2]"}), boost::test_tools::per_element());
  BOOST_TEST(a.has("ranks"));
  BOOST_TEST(!a.has("format"));
}

BOOST_AUTO_TEST_CASE(values_are_taken_as_they_are) {
  for (const std::string value : {"a=-1", "a=[0, 2]", "a={b: 1}", "a=", "a=x,y", "a=\"q\"", "a=%x", "[1,2]"})
    BOOST_TEST(parse_arguments(command, {"j", "--set", value}).values("set") == std::vector<std::string>{value},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(after_two_dashes_all_is_operand) { BOOST_TEST(*parse_arguments(command, {"--", "--set"}).operand == "--set"); }

BOOST_AUTO_TEST_CASE(a_command_line_is_refused_with_a_way_out) {
  const std::string see = "`fabric plan --help` shows how it is used";
  BOOST_TEST(refusal(command, {}) == "`fabric plan` needs a JOB: a job file | " + see);
  BOOST_TEST(refusal(command, {"j", "--outptu", "x"}) == "unknown option `--outptu` for `fabric plan` | did you mean `--output`?");
  BOOST_TEST(refusal(command, {"j", "--rank=3"}) == "unknown option `--rank` for `fabric plan` | did you mean `--ranks`?");
  BOOST_TEST(refusal(command, {"j", "--xyzzy"}) == "unknown option `--xyzzy` for `fabric plan` | " + see);
  BOOST_TEST(refusal(command, {"j", "-x"}) == "unknown option `-x` for `fabric plan` | " + see);
  BOOST_TEST(refusal(command, {"j", "k"}) == "`fabric plan` takes one JOB, and `k` is one more | " + see);
  BOOST_TEST(refusal(command, {"j", "--set", "a=1", "b=2"}) ==
             "`fabric plan` takes one JOB, and `b=2` is one more | each value needs its own flag: --set b=2");
  BOOST_TEST(refusal(command, {"j", "--set"}) == "`--set` needs a value | " + see);
  BOOST_TEST(refusal(command, {"j", "-o", "a", "-o", "b"}) == "`--output` is given 2 times | give it once");
  BOOST_TEST(refusal(command, {"j", "--format", "xml"}) == "`xml` is not a format | the formats are human and json");
  BOOST_TEST(refusal(bare, {"x"}) == "`fabric version` takes nothing like `x` | `fabric version --help` shows how it is used");
}

}  // namespace
}  // namespace fabric
