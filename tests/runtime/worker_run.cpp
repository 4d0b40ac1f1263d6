#include "tests/runtime/worker_run.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "schema/safetensors.hpp"
#include "tests/runtime/temporary_folder.hpp"

namespace fabric::test {
namespace {

using namespace std::chrono_literals;
constexpr auto patience = 60s;
constexpr int store_fd_in_worker = 3;

struct Listener {
  int fd = -1;
  int port = 0;

  Listener() {
    fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd, 64) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no listening socket");
    port = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd); }
  Listener(const Listener&) = delete;
};

std::vector<nlohmann::json> json_lines(const std::string& path) {
  std::vector<nlohmann::json> all;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line) && !file.eof();) all.push_back(nlohmann::json::parse(line));
  return all;
}

}  // namespace

Plan training_plan(const std::string& data, std::int64_t ranks) {
  Plan plan;
  plan.name = "test";
  plan.world_size = ranks;
  ResolvedJob& job = plan.job;
  job.fabric = 1;
  job.name = "test";
  job.accelerator = Accelerator::cpu;
  job.devices.count = ranks;
  job.num_nodes = 1;
  job.strategy = ranks == 1 ? Strategy::single : Strategy::ddp;
  job.precision = Precision::fp32_true;
  job.threads = 1;
  job.process_group = {GroupBackend::gloo, {30}};
  job.checkpoint = {{1, Interval::Unit::epochs}, 2};
  job.stop = {"TERM", {30}};
  job.seed = 1;
  Train<Resolved>& train = job.train.emplace();
  train.model = {ModelName::mlp, 2};
  train.data = {data, 0.5, 0.25};
  train.optimizer = {OptimizerName::adamw, 1e-2, 0.01, 0, {0.9, 0.999}, 1e-8};
  train.batch_size = 16 * ranks;
  train.micro_batch_size = 16;
  train.accumulation = 1;
  train.epochs = 1;
  train.data_workers = 2;
  train.log_every = 1;
  return plan;
}

WorkerRun::WorkerRun(std::string folder, const Plan& plan) : folder_(std::move(folder)), ranks_(static_cast<std::size_t>(plan.world_size)) {
  std::filesystem::create_directories(folder_);
  write_file(folder_ + "/plan.json", save_plan(plan));
}

WorkerRun::~WorkerRun() {
  for (const pid_t pid : pids_) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
}

void WorkerRun::start(const std::string& resume_from, const std::map<std::string, std::string>& extra) {
  const Listener meeting;
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    std::map<std::string, std::string> variables{{"RANK", std::to_string(rank)},
                                                 {"LOCAL_RANK", std::to_string(rank)},
                                                 {"WORLD_SIZE", std::to_string(ranks_)},
                                                 {"MASTER_ADDR", "127.0.0.1"},
                                                 {"MASTER_PORT", std::to_string(meeting.port)},
                                                 {"FABRIC_PLAN", folder_ + "/plan.json"},
                                                 {"FABRIC_RUN_DIR", folder_},
                                                 {"FABRIC_EVENTS", events_path(rank)},
                                                 {"FABRIC_STOP_FILE", stop_file()},
                                                 {"FABRIC_RESUME_FROM", resume_from},
                                                 {"OMP_NUM_THREADS", "1"}};
    if (rank == 0 && ranks_ > 1) variables["FABRIC_STORE_FD"] = std::to_string(store_fd_in_worker);
    for (const auto& [name, value] : extra) variables[name] = value;
    std::vector<std::string> environment;
    for (const auto& [name, value] : variables)
      if (!value.empty()) environment.push_back(name + '=' + value);
    std::vector<char*> envp;
    for (std::string& entry : environment) envp.push_back(entry.data());
    envp.push_back(nullptr);

    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, 1, log_path(rank).c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (rank == 0) ::posix_spawn_file_actions_adddup2(&files, meeting.fd, store_fd_in_worker);
    std::string program = FABRIC_WORKER;
    char* argv[] = {program.data(), nullptr};
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, program.c_str(), &files, nullptr, argv, envp.data());
    ::posix_spawn_file_actions_destroy(&files);
    if (error != 0) throw std::runtime_error("cannot start " + program);
    pids_.push_back(pid);
  }
}

std::vector<int> WorkerRun::wait() {
  std::vector<int> codes;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (const pid_t pid : pids_) {
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > deadline) ::kill(pid, SIGKILL);
      std::this_thread::sleep_for(2ms);
    }
    codes.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  pids_.clear();
  return codes;
}

void WorkerRun::signal(std::size_t rank, int number) const { ::kill(pids_.at(rank), number); }

bool WorkerRun::wait_for_event(const std::string& kind, const std::function<bool(const nlohmann::json&)>& condition) const {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    for (const nlohmann::json& told : events(kind))
      if (condition(told)) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

std::string WorkerRun::log(std::size_t rank) const { return read_file(log_path(rank)); }

std::vector<nlohmann::json> WorkerRun::metrics() const { return json_lines(folder_ + "/metrics.jsonl"); }

std::vector<double> WorkerRun::losses() const {
  std::vector<double> all;
  for (const nlohmann::json& row : metrics())
    if (row.contains("loss")) all.push_back(row.at("loss"));
  return all;
}

std::vector<nlohmann::json> WorkerRun::events(const std::string& kind, std::size_t rank) const {
  std::vector<nlohmann::json> all;
  for (const nlohmann::json& event : json_lines(events_path(rank)))
    if (event.at("kind") == kind) all.push_back(event.at("detail"));
  return all;
}

std::vector<std::string> WorkerRun::checkpoints() const {
  std::vector<std::string> all;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/checkpoints", none)) all.push_back(entry.path());
  std::sort(all.begin(), all.end());
  return all;
}

std::string tensor_bytes(const std::string& checkpoint) {
  std::string why = verify_safetensors(checkpoint);
  const auto header = read_safetensors_header(checkpoint, why);
  if (!why.empty() || !header) throw std::runtime_error(checkpoint + ": " + why);
  return read_file(checkpoint).substr(header->data_offset);
}

}  // namespace fabric::test
