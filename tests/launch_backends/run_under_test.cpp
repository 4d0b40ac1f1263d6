#include "tests/launch_backends/run_under_test.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "launch_backends/controller.hpp"
#include "launch_backends/make_launch_backend.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/protocol.hpp"
#include "schema/json.hpp"
#include "schema/json_write.hpp"

namespace fabric::test {
namespace {

namespace fs = std::filesystem;

const std::string program_folder = std::string(FABRIC_BINARY_DIR) + "/tests/";

Value outcome_value(const Outcome& outcome) {
  Value v = Value::object();
  v.set("exit_code", outcome.exit_code);
  v.set("verdict", outcome.verdict);
  v.set("message", outcome.message);
  v.set("culprit", outcome.culprit ? Value(*outcome.culprit) : Value());
  v.set("log", outcome.log);
  v.set("last_lines", to_value(outcome.last_lines));
  return v;
}

Outcome outcome_of(const Value& v) {
  Outcome outcome;
  outcome.exit_code = static_cast<int>(v.find("exit_code")->as_integer());
  outcome.verdict = v.find("verdict")->as_string();
  outcome.message = v.find("message")->as_string();
  outcome.culprit = from_value<std::optional<std::int64_t>>(*v.find("culprit"));
  outcome.log = v.find("log")->as_string();
  outcome.last_lines = from_value<std::vector<std::string>>(*v.find("last_lines"));
  return outcome;
}

// Writes what it hears to the test, a JSON line each.
class Reporter : public RunObserver {
 public:
  explicit Reporter(int fd) : fd_(fd) {}
  void on_event(const Event& event) override { report("event", to_value(event)); }
  void on_line(std::int64_t, std::int64_t rank, std::string_view line) override {
    report("line", Value(std::to_string(rank) + ": " + std::string(line)));
  }
  void on_unfinished(std::int64_t, std::int64_t, std::string_view, bool) override {}
  void on_tick() override {}
  void report(std::string_view what, Value value) {
    Value v = Value::object();
    v.set(what, std::move(value));
    const std::string text = canonical_json(v) + '\n';
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t n = write(fd_, text.data() + at, text.size() - at);
      if (n <= 0) return;
      at += static_cast<std::size_t>(n);
    }
  }

 private:
  int fd_;
};

}  // namespace

std::string temporary_folder() {
  std::string path = (fs::temp_directory_path() / "fabric-test-XXXXXX").string();
  if (!mkdtemp(path.data())) throw std::runtime_error("no temporary folder");
  return path;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Plan plan_of(const std::vector<std::string>& actions) {
  Plan plan;
  plan.name = "test";
  plan.world_size = static_cast<std::int64_t>(actions.size());
  plan.job.name = "test";
  plan.job.num_nodes = 1;
  plan.job.devices.count = plan.world_size;
  plan.job.stop.signal = "TERM";
  plan.job.stop.grace.seconds = 30;
  NodeGroup group;
  group.role = "main";
  group.ranks_per_node = plan.world_size;
  group.rank.argv = {Text(program_folder + "rank_program")};
  for (const std::string& list : actions) group.rank.argv.emplace_back(list);
  group.rank.scrub = {"RANK", "WORLD_SIZE", "FABRIC_*", "LT_*"};
  group.rank.cwd = Text("/");
  auto& env = group.rank.env;
  env["RANK"] = Binding::rank;
  env["LOCAL_RANK"] = Binding::local_rank;
  env["WORLD_SIZE"] = Text(std::to_string(plan.world_size));
  env["MASTER_ADDR"] = Binding::main_address;
  env["MASTER_PORT"] = Binding::main_port;
  env["FABRIC_RUN_ID"] = Binding::run_id;
  env["FABRIC_RUN_DIR"] = Binding::run_directory;
  env["FABRIC_STOP_FILE"] = Binding::stop_file;
  env["FABRIC_ATTEMPT"] = Binding::attempt;
  env["FABRIC_EVENTS"] = Binding::events_file;
  env["FABRIC_RESUME_FROM"] = Binding::resume_path;
  plan.groups = {group};
  return plan;
}

RunUnderTest::RunUnderTest(const std::vector<std::string>& actions)
    : plan(plan_of(actions)), folder_(temporary_folder()), marker_("FAULT_MARKER=" + make_nonce()) {}

RunUnderTest::~RunUnderTest() {
  for (const ProcessEntry& process : left()) signal_process(process, SIGKILL);
  if (controller_ > 0) {
    kill(controller_, SIGKILL);
    waitpid(controller_, nullptr, 0);
  }
  if (answer_ >= 0) close(answer_);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void RunUnderTest::start() {
  if (controller_ > 0) waitpid(controller_, nullptr, 0);
  if (answer_ >= 0) close(answer_);
  std::optional<RunDirectory> run =
      options.run_directory.empty() ? RunDirectory::create(folder_, plan.name, plan) : RunDirectory::open(directory());
  options.run_directory = run->path();
  if (!run->lock()) throw std::runtime_error("the run is alive");
  DescriptorPair pipe = make_pipe();
  fcntl(pipe.second.get(), F_SETPIPE_SZ, 1 << 20);
  fault_ = Clock::now();
  controller_ = fork_process();
  if (controller_ == 0) {
    const std::size_t cut = marker_.find('=');
    setenv(marker_.substr(0, cut).c_str(), marker_.substr(cut + 1).c_str(), 1);
    if (before) before();
    Reporter reporter(pipe.second.get());
    int code = 1;
    try {
      const auto backend = make_launch_backend(BackendName::local, program_folder + "agent_under_test");
      Diagnostics diagnostics;
      const Submission submission = carriers.empty() ? backend->render(plan, std::nullopt, diagnostics) : Submission{};
      const Outcome outcome =
          carriers.empty() ? backend->submit(plan, submission, options, reporter).value() : conduct(plan, options, carriers, reporter);
      reporter.report("outcome", outcome_value(outcome));
      code = outcome.exit_code;
    } catch (const std::exception& error) {
      reporter.report("exception", Value(error.what()));
    }
    _exit(code);
  }
  // From here on the lock is the controller's.
  run.reset();
  answer_ = pipe.first.release();
}

void RunUnderTest::await_ready() {
  const bool all = wait_until([&] {
    for (std::int64_t r = 0; r < plan.world_size; ++r)
      if (read_file(directory() + "/ready-" + std::to_string(r)).empty()) return false;
    return true;
  });
  if (!all) throw std::runtime_error("the ranks did not become ready");
}

FinishedRun RunUnderTest::finish() {
  FinishedRun finished;
  std::string text;
  char buffer[1 << 16];
  for (ssize_t n; (n = read(answer_, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  int status = 0;
  waitpid(controller_, &status, 0);
  controller_ = 0;
  finished.seconds = std::chrono::duration<double>(Clock::now() - fault_).count();
  wait_until([&] { return left().empty(); }, 15);
  finished.seconds_to_clear = std::chrono::duration<double>(Clock::now() - fault_).count();
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const std::optional<Value> v = read_json(line);
    if (!v) continue;
    if (const Value* event = v->find("event")) finished.observed.push_back(from_value<Event>(*event));
    if (const Value* said = v->find("line")) finished.lines.push_back(said->as_string());
    if (const Value* outcome = v->find("outcome")) finished.outcome = outcome_of(*outcome);
    if (const Value* thrown = v->find("exception")) throw std::runtime_error(thrown->as_string());
  }
  return finished;
}

FinishedRun RunUnderTest::run() {
  start();
  return finish();
}

std::vector<Event> RunUnderTest::events() const {
  std::vector<Event> all;
  std::istringstream in(read_file(directory() + "/events.jsonl"));
  for (std::string line; std::getline(in, line);)
    if (const std::optional<Value> v = read_json(line)) all.push_back(from_value<Event>(*v));
  return all;
}

std::vector<ProcessEntry> RunUnderTest::left() const { return processes_with_variable(marker_); }

// A rank may be ready before its start was told.
std::int64_t RunUnderTest::pid_in(const std::string& kind, const std::string& key, std::int64_t rank) const {
  std::int64_t pid = 0;
  const bool told = wait_until([&] {
    // Of the last attempt.
    for (const Event& event : events())
      if (event.kind == "run_started") pid = 0;
      else if (event.kind == kind && event.rank.value_or(0) == rank) pid = event.detail.find(key)->as_integer();
    return pid != 0;
  });
  if (!told) throw std::runtime_error("no " + kind + " of rank " + std::to_string(rank));
  return pid;
}

}  // namespace fabric::test
