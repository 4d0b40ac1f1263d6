// A controller with many agents that are none: the controller is the real one, and behind its one carrier a process speaks for all agents
// at once. What they cost the controller is printed as JSON. docs/scale.md has the numbers.
//
//   many_agents PLAN.json [--lines N] [--hold SECONDS]      a saved plan for N nodes; each rank prints so many lines, and runs for so long
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "launch_backends/controller.hpp"
#include "launch_backends/messages.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_directory.hpp"
#include "schema/json.hpp"
#include "schema/json_write.hpp"

namespace {

using namespace fabric;

struct Load {
  std::int64_t nodes = 1, ranks_per_node = 1, lines = 0;
  double hold = 0;
  std::string counts;  // the file for what the agents have counted
};

// ---- the agents

class ManyAgents {
 public:
  ManyAgents(const Load& load, const std::string& nonce, std::int64_t generation) : load_(load), nonce_(nonce), reader_(nonce, generation) {
    for (std::int64_t i = 0; i < load.nodes; ++i) writers_.emplace_back("agent-" + std::to_string(i), generation);
  }

  void run() {
    for (std::int64_t node = 0; node < load_.nodes; ++node)
      say(node, messages::Hello{nonce_, "host" + std::to_string(node), 4'000'000, 4'000'001});
    flush();
    char bytes[1 << 16];
    for (ssize_t n; (n = read(STDIN_FILENO, bytes, sizeof bytes)) > 0;) {
      bytes_in_ += static_cast<std::size_t>(n);
      reader_.feed({bytes, static_cast<std::size_t>(n)});
      while (const std::optional<Message> message = reader_.next()) obey(*message);
      flush();
    }
    std::ofstream(load_.counts) << "{\"to_agents\":" << bytes_in_ << ",\"from_agents\":" << bytes_out_
                                << ",\"messages_to_agents\":" << heard_ << ",\"messages_from_agents\":" << said_
                                << ",\"per_ping\":" << ping_bytes_ << "}\n";
  }

 private:
  template <class M>
  void say(std::int64_t node, const M& message) {
    for (const std::string& frame : writers_[static_cast<std::size_t>(node)].frames(messages::message_of(message))) out_ += frame;
    ++said_;
    if (out_.size() > (1 << 20)) flush();
  }

  void flush() {
    bytes_out_ += out_.size();
    for (std::size_t at = 0; at < out_.size();) {
      const ssize_t n = write(STDOUT_FILENO, out_.data() + at, out_.size() - at);
      if (n <= 0) std::exit(1);
      at += static_cast<std::size_t>(n);
    }
    out_.clear();
  }

  void obey(const Message& message) {
    ++heard_;
    std::int64_t first = 0, last = load_.nodes - 1;
    if (const Value* to = message.body.find("to"); to && to->is_integer()) first = last = to->as_integer();
    else if (to) first = to->as_array()[0].as_integer(), last = to->as_array()[1].as_integer();
    const std::string type = message.type();
    const std::size_t before = bytes_out_ + out_.size();
    for (std::int64_t node = first; node <= last; ++node) {
      if (type == messages::Ping::type) say(node, messages::Pong{from_value<messages::Ping>(message.body).time, now_seconds()});
      else if (type == messages::Prepare::type) prepare(node, from_value<messages::Prepare>(message.body));
      else if (type == messages::Start::type) start(node);
    }
    if (type == messages::Ping::type) ping_bytes_ = bytes_out_ + out_.size() - before;
    if (type == messages::Start::type && (started_ += last - first + 1) == load_.nodes) hold_and_end();
    if (type == messages::StopRanks::type) std::exit(1);
  }

  // What a node of SLURM says: names of variables that another launcher has left there, and of those that ranks inherit.
  void prepare(std::int64_t node, const messages::Prepare& order) {
    messages::Ready ready;
    if (node == 0) ready.main_port = 29500;
    for (const char* name : {"SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_ID", "SLURM_STEP_LAUNCHER_PORT",
                             "SLURM_STEP_NODELIST", "SLURM_STEP_NUM_NODES", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_TASKS_PER_NODE"})
      ready.scrubbed.emplace_back(name);
    if (names_inherited(node, order))
      for (int i = 0; i < 90; ++i) ready.inherited.names.push_back("A_VARIABLE_NUMBER_" + std::to_string(i));
    ready.inherited.sha256 = std::string(64, 'a');
    say(node, ready);
  }
  static bool names_inherited(std::int64_t node, const messages::Prepare&) { return node == 0; }

  void start(std::int64_t node) {
    for (std::int64_t i = 0; i < load_.ranks_per_node; ++i) {
      const std::int64_t rank = node * load_.ranks_per_node + i;
      say(node, messages::RankStarted{rank, 5'000'000 + i, now_seconds(), 0});
      messages::Happened first_output;
      first_output.event = {.kind = "first_output", .time = now_seconds(), .node = node, .rank = rank, .detail = Value::object()};
      say(node, first_output);
    }
  }

  // Meanwhile the controller pings.
  void hold_and_end() {
    flush();
    const double until = now_seconds() + load_.hold;
    while (now_seconds() < until) {
      pollfd watched{STDIN_FILENO, POLLIN, 0};
      if (poll(&watched, 1, 10) <= 0) continue;
      char bytes[1 << 16];
      const ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
      if (n <= 0) std::exit(1);
      bytes_in_ += static_cast<std::size_t>(n);
      reader_.feed({bytes, static_cast<std::size_t>(n)});
      while (const std::optional<Message> message = reader_.next()) obey(*message);
      flush();
    }
    const std::string line = "step 1000  loss 2.3456  lr 3.0e-04  tokens/s 12345  memory 63.1 GiB  eta 3 days 04:05:06";
    for (std::int64_t number = 0; number < load_.lines; ++number)
      for (std::int64_t rank = 0; rank < load_.nodes * load_.ranks_per_node; ++rank)
        say(rank / load_.ranks_per_node, messages::View{rank, 0, {line}});
    for (std::int64_t node = 0; node < load_.nodes; ++node) {
      for (std::int64_t i = 0; i < load_.ranks_per_node; ++i) {
        messages::RankExited exit;
        exit.rank = node * load_.ranks_per_node + i;
        exit.time = now_seconds();
        exit.code = 0;
        say(node, exit);
      }
      say(node, messages::Done{});
    }
    flush();
  }

  const Load load_;
  const std::string nonce_;
  FrameReader reader_;
  std::vector<FrameWriter> writers_;
  std::string out_;
  std::int64_t started_ = 0;
  std::size_t bytes_in_ = 0, bytes_out_ = 0, heard_ = 0, said_ = 0, ping_bytes_ = 0;
};

// ---- the controller

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_mib() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;
  return 0;
}

// When the last of each kind of event came, and what the controller had computed until then.
class Watch : public RunObserver {
 public:
  void on_event(const Event& event) override {
    const double now = now_seconds() - began_;
    if (event.kind == "rank_started" && !seen_.contains("first_rank")) mark("first_rank", now);
    for (const auto& [kind, name] :
         {std::pair{"node_ready", "greeted"}, {"bound", "bound"}, {"rank_started", "last_rank"}, {"rank_exited", "ended"}})
      if (event.kind == kind) mark(name, now);
  }
  void on_line(std::int64_t, std::int64_t, std::string_view) override { ++lines_; }
  void on_unfinished(std::int64_t, std::int64_t, std::string_view, bool) override {}
  void on_tick() override {}

  Value report() const {
    Value out = Value::object();
    for (const auto& [name, moment] : seen_) {
      Value one = Value::object();
      one.set("seconds", moment.first);
      one.set("cpu", moment.second);
      out.set(name, std::move(one));
    }
    return out;
  }
  std::int64_t lines() const { return lines_; }

 private:
  void mark(const std::string& name, double now) { seen_[name] = {now, cpu_seconds() - cpu_}; }

  const double began_ = now_seconds(), cpu_ = cpu_seconds();
  std::map<std::string, std::pair<double, double>> seen_;
  std::int64_t lines_ = 0;
};

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int control(const std::string& self, const std::string& plan_file, Load load) {
  const std::optional<Value> document = read_json(text_of(plan_file));
  if (!document || !document->find("plan")) throw std::runtime_error(plan_file + " is no saved plan");
  const Plan plan = from_value<Plan>(*document->find("plan"));
  load.nodes = plan.job.num_nodes;
  load.ranks_per_node = plan.world_size / load.nodes;
  std::string folder = (std::filesystem::temp_directory_path() / "many-agents-XXXXXX").string();
  if (!mkdtemp(folder.data())) throw std::runtime_error("no temporary folder");
  RunOptions options;
  Outcome outcome;
  const Watch* watched = nullptr;
  Watch watch;
  watched = &watch;
  {
    RunDirectory run = RunDirectory::create(folder, plan.name, plan);
    options.run_directory = run.path();
  }
  options.lease = load.hold > 0 ? 4 : 0;  // a ping a second
  for (std::int64_t i = 0; i < plan.job.devices.count; ++i) options.device_ids.push_back(i);
  load.counts = folder + "/counts.json";
  Carrier carrier;
  carrier.argv = {self,
                  "agents",
                  load.counts,
                  std::to_string(load.nodes),
                  std::to_string(load.ranks_per_node),
                  std::to_string(load.lines),
                  std::to_string(load.hold)};
  carrier.nodes = load.nodes;
  carrier.node_variable = "NODE";
  outcome = conduct(plan, options, {carrier}, watch);
  Value report = Value::object();
  report.set("nodes", load.nodes);
  report.set("ranks", plan.world_size);
  report.set("verdict", outcome.verdict);
  if (!outcome.message.empty()) report.set("message", outcome.message);
  report.set("when", watched->report());
  report.set("cpu", cpu_seconds());
  report.set("memory_mib", peak_mib());
  report.set("lines", watched->lines());
  report.set("bytes", read_json(text_of(load.counts)).value_or(Value()));
  std::cout << pretty_json(report) << std::endl;
  std::filesystem::remove_all(folder);
  return outcome.verdict == "finished" ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> words(argv + 1, argv + argc);
  Load load;
  if (words.size() >= 12 && words[0] == "agents") {
    load = {std::stoll(words[2]), std::stoll(words[3]), std::stoll(words[4]), std::stod(words[5]), words[1]};
    std::map<std::string, std::string> added;
    for (std::size_t i = 6; i + 1 < words.size(); i += 2) added[words[i]] = words[i + 1];
    ManyAgents(load, added.at("--nonce"), std::stoll(added.at("--generation"))).run();
    return 0;
  }
  if (words.empty()) {
    std::cerr << "many_agents PLAN.json [--lines N] [--hold SECONDS]\n";
    return 3;
  }
  for (std::size_t i = 1; i + 1 < words.size(); i += 2) {
    if (words[i] == "--lines") load.lines = std::stoll(words[i + 1]);
    if (words[i] == "--hold") load.hold = std::stod(words[i + 1]);
  }
  return control(std::filesystem::read_symlink("/proc/self/exe").string(), words[0], load);
} catch (const std::exception& error) {
  std::cerr << "many_agents: " << error.what() << '\n';
  return 1;
}
