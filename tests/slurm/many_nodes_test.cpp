// Sixty-four nodes of SLURM at once: nothing that their ranks and agents say is lost, torn or twice, in logs, events and what a follower
// sees.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "launch_backends/process.hpp"
#include "schema/event.hpp"
#include "schema/json.hpp"
#include "tests/clusters/slurm_cluster.hpp"
#include "tests/slurm/applied_job.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

constexpr int nodes = 64;
constexpr int lines = 200;

SlurmCluster::Options of_many() { return {.nodes = nodes, .gpus = 0, .own_networks = false}; }
using Slurm = ForSuite<SlurmCluster, of_many>;

const std::string on_all_nodes = "backend: slurm\nnum_nodes: " + std::to_string(nodes) + "\ndevices: 1\n";

// As rank_program numbers them.
std::string numbered_line(int rank, int number) {
  const std::string text = "rank " + std::to_string(rank) + " line " + std::to_string(number);
  std::uint32_t sum = 2166136261;  // FNV-1a
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619;
  char hexadecimal[16];
  std::snprintf(hexadecimal, sizeof hexadecimal, " %08x", sum);
  return text + hexadecimal;
}

// The lines of each rank, in their order, of what a follower was shown.
std::map<std::string, std::vector<std::string>> by_rank(const std::string& shown) {
  std::map<std::string, std::vector<std::string>> all;
  std::istringstream in(shown);
  for (std::string line; std::getline(in, line);)
    if (const std::size_t end = line.find("] "); line.starts_with('[') && end != std::string::npos)
      all[line.substr(0, end + 1)].push_back(line.substr(end + 2));
  return all;
}

std::map<std::string, std::vector<Event>> events_of(const std::filesystem::path& run) {
  std::map<std::string, std::vector<Event>> all;
  std::ifstream in(run / "events.jsonl");
  for (std::string line; std::getline(in, line);) {
    const std::optional<Value> value = read_json(line);
    BOOST_REQUIRE_MESSAGE(value, line);
    const Event event = from_value<Event>(*value);
    all[event.kind].push_back(event);
  }
  return all;
}

// Each rank has started once and ended once, well.
void check_events(std::map<std::string, std::vector<Event>> events) {
  for (const char* kind : {"node_ready", "rank_started", "rank_exited"}) {
    std::vector<std::int64_t> numbers, all;
    for (const Event& event : events[kind]) numbers.push_back(event.node.value_or(-1));
    std::sort(numbers.begin(), numbers.end());
    for (int node = 0; node < nodes; ++node) all.push_back(node);
    BOOST_TEST(numbers == all, boost::test_tools::per_element());
  }
  for (const Event& event : events["rank_exited"]) BOOST_TEST((event.rank == event.node && *event.detail.find("exit_code") == Value(0)));
  // What srun tells its tasks is not told of as another launcher's.
  for (const Event& event : events["note"]) BOOST_ERROR(event.detail.find("message")->as_string());
}

void tell_times(const char* what, double asked, const std::vector<Event>& started) {
  const auto [first, last] =
      std::minmax_element(started.begin(), started.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
  BOOST_TEST_MESSAGE(what << ", " << nodes << " nodes: from apply to the first rank " << first->time - asked << " s, to the last "
                          << last->time - asked << " s");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(many_nodes, *boost::unit_test::fixture<Slurm>())

BOOST_AUTO_TEST_CASE(every_line_is_in_its_log_and_seen_by_who_follows) {
  if (Slurm::left_out()) return;
  const AppliedJob job(Slurm::cluster(), "lines",
                       on_all_nodes + "program: [" FABRIC_BINARY_DIR "/tests/rank_program, 'say:up,await-ready:all,numbered:" +
                           std::to_string(lines) + "']\n");
  const double asked = now_seconds();
  const ProgramResult detached = job.fabric({"apply", "--detach", "job.yaml"});
  BOOST_REQUIRE_MESSAGE(detached.status.good(), said(detached));
  RunningCommand attach(Slurm::cluster(), {FABRIC_BINARY_DIR "/bin/fabric", "attach", "job"}, job.inside());
  BOOST_REQUIRE_MESSAGE(eventually([&] { return by_rank(attach.output()).size() == nodes; }, seconds(60)),
                        attach.output() + attach.errors());
  write_text(job.run() / "ready-all", "");
  const ProgramResult result = attach.wait(seconds(60));
  BOOST_TEST(result.status.good(), said(result));

  const std::map<std::string, std::vector<std::string>> seen = by_rank(result.output);
  for (int rank = 0; rank < nodes; ++rank) {
    std::vector<std::string> expected = {"up"};
    for (int number = 0; number < lines; ++number) expected.push_back(numbered_line(rank, number));
    std::string log;
    for (const std::string& line : expected) log += line + '\n';
    BOOST_TEST(rank_log(job.run(), rank, rank) == log);
    const std::string name = '[' + std::to_string(rank) + ':' + std::to_string(rank) + ']';
    BOOST_TEST(seen.contains(name));
    if (seen.contains(name)) BOOST_TEST(seen.at(name) == expected, boost::test_tools::per_element());
  }
  const auto events = events_of(job.run());
  check_events(events);
  tell_times("a program of two words", asked, events.at("rank_started"));
  const std::optional<Value> status = read_json(read_text(job.run() / "status.json"));
  BOOST_TEST((status && *status->find("state") == Value("finished")));
}

// What the agents are told is much longer than a frame.
BOOST_AUTO_TEST_CASE(long_orders_come_in_parts) {
  if (Slurm::left_out()) return;
  std::string words = "[";
  std::string expected = "\"argv\":[\"" FABRIC_BINARY_DIR "/tests/rank_report\"";
  for (int i = 0; i < 400; ++i) {
    const std::string word = std::to_string(i) + std::string(static_cast<std::size_t>(i), 'x');
    words += (i ? ", \"" : "\"") + word + "\"";
    expected += ",\"" + word + '"';
  }
  const AppliedJob job(Slurm::cluster(), "orders",
                       on_all_nodes + "program:\n  command: [" FABRIC_BINARY_DIR "/tests/rank_report]\n  args: " + words + "]\n");
  const double asked = now_seconds();
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_REQUIRE_MESSAGE(result.status.good(), said(result));
  for (int rank = 0; rank < nodes; ++rank) BOOST_TEST(rank_log(job.run(), rank, rank).find(expected + "],") != std::string::npos);
  const auto events = events_of(job.run());
  check_events(events);
  tell_times("a program of 81 kB of words", asked, events.at("rank_started"));
}

BOOST_AUTO_TEST_SUITE_END()
