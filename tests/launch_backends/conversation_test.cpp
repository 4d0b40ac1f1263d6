// Each file conversations/NAME.txt is a test of the agent by the letter of its protocol, with no controller of ours in between:
//   > LINE   what is written to it, RUN and PROGRAM replaced by a new folder and by the path of rank_program
//   >| TEXT  a message of the controller, longer than a frame may be, that is cut into frames
//   > EOF    the controller is gone
//   < LINE   what it answers next; PID, TIME, HOST and PORT stand for what differs from one run to the next
//   = N      it ends with exit code N, and has said no more
// FABRIC_ACCEPT=1 writes the answers anew; the difference is what a reviewer reads.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "launch_backends/messages.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/protocol.hpp"
#include "schema/json.hpp"
#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {

namespace fs = std::filesystem;

const std::string nonce = "0123456789abcdef";

std::vector<std::string> conversations() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(FABRIC_SOURCE_DIR "/tests/launch_backends/conversations"))
    names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

std::string with_names(std::string text, const std::string& folder) {
  text = std::regex_replace(text, std::regex("RUN"), folder);
  return std::regex_replace(text, std::regex("PROGRAM"), FABRIC_BINARY_DIR "/tests/rank_program");
}

std::string without_names(std::string text, const std::string& folder) {
  text = std::regex_replace(text, std::regex(folder), "RUN");
  text = std::regex_replace(text, std::regex("(\"(agent_|keeper_)?pid\"):[0-9]+"), "$1:\"PID\"");
  text = std::regex_replace(text, std::regex("\"time\":[0-9.]+"), "\"time\":\"TIME\"");
  text = std::regex_replace(text, std::regex("\"host\":\"[^\"]*\""), "\"host\":\"HOST\"");
  return std::regex_replace(text, std::regex("\"main_port\":[0-9]+"), "\"main_port\":\"PORT\"");
}

// The agent, spoken to through pipes.
class Agent {
 public:
  explicit Agent(int node = 0) {
    DescriptorPair to = make_pipe(), from = make_pipe();
    ProcessStart start;
    start.argv = {
        FABRIC_BINARY_DIR "/tests/agent_under_test", "agent", "--node", std::to_string(node), "--generation", "1", "--nonce", nonce};
    start.env = {"PATH=/usr/bin:/bin", "SLURM_PROCID=7"};
    start.descriptors = {{to.first.get(), STDIN_FILENO}, {from.second.get(), STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}};
    pid_ = start_process(start);
    to_ = std::move(to.second);
    from_ = std::move(from.first);
  }
  ~Agent() {
    to_.reset();
    if (pid_ > 0) wait_for(pid_);  // it ends everything once its controller is gone
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void write(const std::string& line) {
    if (line == "EOF") return to_.reset();
    BOOST_REQUIRE(::write(to_.get(), (line + '\n').data(), line.size() + 1) == static_cast<ssize_t>(line.size() + 1));
  }
  // The next line; nullopt at the end, and if none comes within the limit.
  std::optional<std::string> read(std::chrono::milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    std::size_t end;
    while ((end = buffer_.find('\n')) == std::string::npos) {
      pollfd watched{from_.get(), POLLIN, 0};
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0 || poll(&watched, 1, static_cast<int>(left)) <= 0) return std::nullopt;
      char bytes[4096];
      const ssize_t n = ::read(from_.get(), bytes, sizeof bytes);
      if (n <= 0) return std::nullopt;
      buffer_.append(bytes, static_cast<std::size_t>(n));
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return line;
  }
  int end() { return wait_for(std::exchange(pid_, 0)).shell_code(); }

 private:
  pid_t pid_ = 0;
  FileDescriptor to_, from_;
  std::string buffer_;
};

BOOST_DATA_TEST_CASE(an_agent_answers, conversations(), name) {
  const fs::path file = fs::path(FABRIC_SOURCE_DIR "/tests/launch_backends/conversations") / (name + ".txt");
  const bool accept = std::getenv("FABRIC_ACCEPT") != nullptr;
  const std::string folder = temporary_folder();
  std::istringstream script(read_file(file.string()));
  std::string expected, actual;
  signal(SIGPIPE, SIG_IGN);  // an agent that ends too early fails the test and not the program
  {
    Agent agent;
    FrameWriter controller("controller", 1);
    for (std::string line; std::getline(script, line);) {
      const std::string_view mark = std::string_view(line).substr(0, 2);
      if (accept && (mark == "< " || mark == "= ")) continue;
      expected += line + '\n';
      if (mark == "> ") {
        actual += line + '\n';
        agent.write(with_names(line.substr(2), folder));
      } else if (mark == ">|") {
        actual += line + '\n';
        const std::optional<Value> message = read_json(with_names(line.substr(3), folder));
        BOOST_REQUIRE(message);
        for (std::string& frame : controller.frames(*message)) agent.write(frame.substr(0, frame.size() - 1));
      } else if (mark == "< ") {
        const std::optional<std::string> answer = agent.read(std::chrono::seconds(10));
        actual += "< " + (answer ? without_names(*answer, folder) : "nothing") + '\n';
      } else if (mark == "= ") {
        while (const std::optional<std::string> more = agent.read(std::chrono::seconds(10)))
          actual += "< " + without_names(*more, folder) + '\n';
        actual += "= " + std::to_string(agent.end()) + '\n';
      } else {
        actual += line + '\n';
      }
      if (accept && mark[0] == '>')
        while (const std::optional<std::string> more = agent.read(std::chrono::milliseconds(400)))
          actual += "< " + without_names(*more, folder) + '\n';
    }
    if (accept) {
      while (const std::optional<std::string> more = agent.read(std::chrono::seconds(10)))
        actual += "< " + without_names(*more, folder) + '\n';
      actual += "= " + std::to_string(agent.end()) + '\n';
    }
  }
  if (accept) std::ofstream(file) << actual;
  BOOST_TEST(actual.find("\n= ") != std::string::npos, "it does not go on to the end of the agent");
  if (!accept) BOOST_TEST(actual == expected, "--- expected\n" << expected << "--- the agent\n" << actual);
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

// Four ranks on each of two nodes, as the agent of the second numbers them.
BOOST_AUTO_TEST_CASE(ranks_of_the_second_node) {
  const std::string folder = temporary_folder();
  const std::string variables[] = {"RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"};
  std::string actions;
  messages::Prepare order;
  order.group.rank.env["FABRIC_EVENTS"] = Binding::events_file;
  order.group.rank.env["WORLD_SIZE"] = Text("8");
  for (const auto& [name, binding] : {std::pair{"RANK", Binding::rank},
                                      {"LOCAL_RANK", Binding::local_rank},
                                      {"NODE_RANK", Binding::node_rank},
                                      {"MASTER_ADDR", Binding::main_address},
                                      {"MASTER_PORT", Binding::main_port}})
    order.group.rank.env[name] = binding;
  for (const std::string& name : variables) actions += (actions.empty() ? "env:" : ",env:") + name;
  order.group.rank.argv = {Text(FABRIC_BINARY_DIR "/tests/rank_program"), Text(actions)};
  order.group.rank.cwd = Text("/");
  order.group.nodes = 2;
  order.group.ranks_per_node = 4;
  order.main_address = "10.0.0.1";
  order.run_id = "job/1";
  order.run_directory = folder;
  order.stop_signal = "TERM";
  signal(SIGPIPE, SIG_IGN);
  {
    Agent agent(1);
    FrameWriter controller("controller", 1);
    for (const Value& message :
         {messages::message_of(messages::Greet{nonce}), messages::message_of(order), messages::message_of(messages::Start{4711})})
      for (std::string& frame : controller.frames(message)) agent.write(frame.substr(0, frame.size() - 1));
    while (agent.read(std::chrono::seconds(10)))
      ;
    BOOST_TEST(agent.end() == 0);
  }
  for (int local = 0; local < 4; ++local) {
    const std::string values[] = {std::to_string(4 + local), std::to_string(local), "1", "8", "10.0.0.1", "4711"};
    std::string expected;
    for (std::size_t i = 0; i < std::size(values); ++i) expected += variables[i] + '=' + values[i] + '\n';
    BOOST_TEST(read_file(folder + "/nodes/1/rank-" + values[0] + ".log") == expected);
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

}  // namespace fabric::test
