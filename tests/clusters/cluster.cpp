#include "tests/clusters/cluster.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// No test takes longer; should its object be forgotten, the cluster ends then.
constexpr int longest_life = 1800;

const std::vector<std::string> clean_variables = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};

std::string path_of(const std::string& script) { return FABRIC_SOURCE_DIR "/tests/clusters/" + script; }

ProgramResult run_script(std::vector<std::string> argv, std::chrono::seconds limit) {
  ProcessStart start;
  start.argv = std::move(argv);
  start.env = clean_variables;
  start.cwd = "/";
  return run_program(std::move(start), "", std::size_t{1} << 20, limit);
}

std::string said(const std::vector<std::string>& argv, const ProgramResult& result) {
  std::string text;
  for (const std::string& word : argv) text += word + ' ';
  text += result.timed_out ? "did not end" : result.status.str();
  return text + '\n' + result.output + result.errors;
}

std::string whole(const fs::path& file) {
  // Of a process that ends just now the reading fails.
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

FileDescriptor open_file(const fs::path& file, int flags) {
  FileDescriptor opened(open(file.c_str(), flags | O_CLOEXEC, 0600));
  if (!opened) throw std::runtime_error("cannot open " + file.string());
  return opened;
}

}  // namespace

std::string Cluster::missing(const std::string& script, const std::vector<std::string>& options) {
  std::vector<std::string> argv = {path_of(script), "check"};
  argv.insert(argv.end(), options.begin(), options.end());
  const ProgramResult result = run_script(argv, std::chrono::seconds(20));
  if (result.status.good() && !result.timed_out) return "";
  return result.output.empty() ? said(argv, result) : result.output.substr(0, result.output.find_last_not_of('\n') + 1);
}

Cluster::Cluster(std::string script, std::vector<std::string> options) : script_(path_of(script)) {
  // Beside the cluster's folder, which has to be empty.
  const std::string lock = folder().string() + ".owner";
  owner_ = open_file(lock, O_RDWR | O_CREAT);
  if (flock(owner_.get(), LOCK_EX) != 0) throw std::runtime_error("cannot lock " + lock);
  std::vector<std::string> argv = {script_, "start", folder().string(), "--life", std::to_string(longest_life), "--owner", lock};
  argv.insert(argv.end(), options.begin(), options.end());
  const Clock::time_point begin = Clock::now();
  const ProgramResult result = run_script(argv, std::chrono::seconds(90));
  seconds_to_start_ = std::chrono::duration<double>(Clock::now() - begin).count();
  if (result.status.good() && !result.timed_out) return;
  fs::remove(lock);
  throw std::runtime_error(said(argv, result));
}

Cluster::~Cluster() {
  const ProgramResult result = run_script({script_, "stop", folder().string()}, std::chrono::seconds(20));
  if (!result.status.good()) BOOST_TEST_MESSAGE(said({script_, "stop"}, result));
  std::error_code ignored;
  fs::remove(folder().string() + ".owner", ignored);
}

void Cluster::verb(std::vector<std::string> words) const {
  std::vector<std::string> argv = {script_, words.front(), folder().string()};
  argv.insert(argv.end(), words.begin() + 1, words.end());
  const ProgramResult result = run_script(argv, std::chrono::seconds(40));
  if (!result.status.good() || result.timed_out) throw std::runtime_error(said(argv, result));
}

ProcessStart Cluster::process(std::vector<std::string> argv, const Inside& how) const {
  ProcessStart start;
  start.argv = {script_, "exec", folder().string()};
  if (how.node != "head") start.argv = {script_, "on", folder().string(), how.node};
  start.argv.insert(start.argv.end(), argv.begin(), argv.end());
  start.env = clean_variables;
  start.env.insert(start.env.end(), how.variables.begin(), how.variables.end());
  start.cwd = how.folder.empty() ? home().string() : how.folder;
  return start;
}

ProgramResult Cluster::exec(std::vector<std::string> argv, Inside how) const {
  return run_program(process(std::move(argv), how), how.input, std::size_t{64} << 20, how.limit);
}

ProgramResult Cluster::shell(const std::string& line, Inside how) const { return exec({"bash", "-c", line}, std::move(how)); }

std::string Cluster::output(const std::string& line, Inside how) const {
  ProgramResult result = shell(line, std::move(how));
  if (!result.status.good() || result.timed_out) throw std::runtime_error(said({line}, result));
  if (result.output.ends_with('\n')) result.output.pop_back();
  return result.output;
}

// Its files are mounted in each of its processes, and nowhere else.
std::vector<pid_t> Cluster::processes() const {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (whole(entry.path() / "mountinfo").find(folder().filename().string() + "/hosts /etc/hosts ") != std::string::npos)
      found.push_back(static_cast<pid_t>(std::stol(name)));
  }
  return found;
}

RunningCommand::RunningCommand(const Cluster& cluster, std::vector<std::string> argv, Inside how)
    : cluster_(cluster), how_(std::move(how)) {
  files_ = (cluster.folder() / "log" / ("command-" + std::to_string(++cluster.commands_))).string();
  write_text(files_ + ".in", how_.input);
  const FileDescriptor in = open_file(files_ + ".in", O_RDONLY);
  const FileDescriptor out = open_file(files_ + ".out", O_WRONLY | O_CREAT | O_APPEND);
  const FileDescriptor err = open_file(files_ + ".err", O_WRONLY | O_CREAT | O_APPEND);
  // The number that it has where it runs, by which it can be signalled.
  argv.insert(argv.begin(), {"bash", "-c", "echo $$ >\"$0\"; exec \"$@\"", files_ + ".pid"});
  ProcessStart start = cluster.process(std::move(argv), how_);
  start.descriptors = {{in.get(), 0}, {out.get(), 1}, {err.get(), 2}};
  start.new_session = true;
  process_ = start_process(start);
}

RunningCommand::~RunningCommand() {
  if (process_ == 0) return;
  kill(-process_, SIGKILL);
  wait_for(process_);
}

void RunningCommand::signal(int number) const {
  std::string pid;
  if (!eventually([&] { return (pid = whole(files_ + ".pid")).ends_with('\n'); })) throw std::runtime_error("the command did not start");
  cluster_.output("kill -s " + signal_name(number) + ' ' + pid, {.node = how_.node});
}

void RunningCommand::go_on() const {
  if (process_ != 0) kill(-process_, SIGCONT);
}

std::string RunningCommand::output() const { return whole(files_ + ".out"); }
std::string RunningCommand::errors() const { return whole(files_ + ".err"); }

ProgramResult RunningCommand::wait(std::chrono::seconds limit) {
  ProgramResult result;
  if (process_ != 0) {
    const FileDescriptor process = open_process(process_);
    pollfd watched{process.get(), POLLIN, 0};
    result.timed_out = poll(&watched, 1, static_cast<int>(std::chrono::milliseconds(limit).count())) != 1;
    if (!result.timed_out) status_ = wait_for(std::exchange(process_, 0));
  }
  result.status = status_;
  result.output = output();
  result.errors = errors();
  return result;
}

}  // namespace fabric::testing
