// kill -9 of any one process of a run while it trains: within 3 s nothing is left, and the message names what died first.
#include <signal.h>

#include <filesystem>

#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"

#include "tests/integration/running_program.hpp"

using namespace fabric::test;
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct Tree {
  pid_t controller = 0;
  std::vector<pid_t> ranks;
  std::vector<pid_t> wardens;  // keeper first, then its child, the agent proper
};

pid_t parent_of(pid_t pid) {
  const std::string stat = read_text("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t end = stat.rfind(") ");
  return end == std::string::npos ? 0 : static_cast<pid_t>(std::stol(stat.substr(end + 4)));
}

Tree look_at(const RunningProgram& program) {
  Tree tree;
  tree.controller = program.pid();
  for (const pid_t pid : program.marked()) {
    const std::string line = command_line(pid);
    if (line.find("fabric-worker") != std::string::npos) tree.ranks.push_back(pid);
    else if (line.find(" agent") != std::string::npos) tree.wardens.push_back(pid);
  }
  if (tree.wardens.size() == 2 && parent_of(tree.wardens[0]) == tree.wardens[1]) std::swap(tree.wardens[0], tree.wardens[1]);
  return tree;
}

// Starts a long training, kills one process, and looks.
void fault(const std::string& who, int expected_code, const std::string& named) {
  TemporaryFolder folder;
  RunningProgram program({fabric_program, "apply", configs + "/fashion_mnist.yaml", "--set", "train.epochs=50"}, folder.path());
  const std::string run = folder.path() + "/runs/fashion-mnist/latest";
  BOOST_REQUIRE_MESSAGE(
      eventually([&] { return read_text(run + "/events.jsonl").find("\"first_step\"") != std::string::npos; }, seconds(60)),
      program.output());
  const Tree tree = look_at(program);
  BOOST_REQUIRE_EQUAL(tree.ranks.size(), 2u);
  BOOST_REQUIRE_EQUAL(tree.wardens.size(), 2u);
  const pid_t victim = who == "rank"     ? tree.ranks[1]
                       : who == "keeper" ? tree.wardens[0]
                       : who == "agent"  ? tree.wardens[1]
                                         : tree.controller;
  kill(victim, SIGKILL);
  const bool gone = eventually(
      [&] {
        program.wait(seconds(0));
        return program.marked().empty();
      },
      seconds(3));
  BOOST_CHECK_MESSAGE(gone, who << " killed: " << program.marked().size() << " processes are left after 3 s");
  const auto code = program.wait(seconds(10));
  BOOST_REQUIRE(code);
  BOOST_CHECK_EQUAL(*code, expected_code);
  if (who == "controller") {
    const std::optional<fabric::Value> status = fabric::read_json(read_text(run + "/status.json"));
    BOOST_REQUIRE(status);
    BOOST_CHECK_EQUAL(status->find("state")->as_string(), "lost");
    BOOST_CHECK_EQUAL(status->find("exit_code")->as_integer(), 125);
    BOOST_CHECK_MESSAGE(status->find("message")->as_string().find(named) != std::string::npos, status->find("message")->as_string());
    return;
  }
  BOOST_CHECK_MESSAGE(program.output().find(named) != std::string::npos, program.output());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(faults)

BOOST_AUTO_TEST_CASE(a_killed_rank) { fault("rank", 137, "was killed by signal 9"); }
BOOST_AUTO_TEST_CASE(a_killed_agent) { fault("agent", 125, "agent"); }
BOOST_AUTO_TEST_CASE(a_killed_keeper) { fault("keeper", 125, "keeper"); }
BOOST_AUTO_TEST_CASE(a_killed_controller) { fault("controller", 137, "the controller was lost"); }

BOOST_AUTO_TEST_SUITE_END()
