// A thousand nodes behind one srun, whose agents one process plays: what the controller says to each does not grow with their number, since
// each hears what is said to any.
#include <boost/test/unit_test.hpp>

#include "launch_backends/process.hpp"
#include "schema/json.hpp"
#include "tests/cli/program.hpp"

using namespace fabric;
using namespace fabric::testing;

namespace {

struct Played {
  std::string verdict;
  std::int64_t messages, bytes, lines;
};

Played play(std::int64_t nodes) {
  const Folder folder;
  folder.write("train.py", "");
  folder.write(
      "job.yaml",
      "fabric: 1\nname: wide\nbackend: slurm\naccelerator: cuda\ndevices: 8\nthreads: 4\nprogram: {script: train.py}\nnum_nodes: " +
          std::to_string(nodes) + '\n');
  const ProgramRun planned =
      run_fabric({"plan", "job.yaml", "--hardware", FABRIC_SOURCE_DIR "/tests/machines/server-8xh100/hardware.json", "-o", "plan.json"},
                 folder.path());
  BOOST_REQUIRE_MESSAGE(planned.exit_code == 0, planned.err);
  ProcessStart start;
  start.argv = {FABRIC_BINARY_DIR "/benchmarks/many_agents", (folder.path() / "plan.json").string(), "--lines", "3"};
  start.env = {"PATH=/usr/bin:/bin"};
  const ProgramResult result = run_program(std::move(start), "", 1 << 20, std::chrono::seconds(60));
  const std::optional<Value> report = read_json(result.output);
  BOOST_REQUIRE_MESSAGE(report, result.output + result.errors);
  const Value& bytes = *report->find("bytes");
  return {report->find("verdict")->as_string(), bytes.find("messages_to_agents")->as_integer(), bytes.find("to_agents")->as_integer(),
          report->find("lines")->as_integer()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_thousand_agents_hear_no_more_than_two) {
  const Played few = play(2), many = play(1000);
  BOOST_TEST(few.verdict == "finished");
  BOOST_TEST(many.verdict == "finished");
  BOOST_TEST(many.lines == 3 * 8 * 1000);
  // One ping more, where the first agent was heard to half.
  BOOST_TEST(many.messages <= few.messages + 1);
  BOOST_TEST(many.bytes < few.bytes + 300);
}
