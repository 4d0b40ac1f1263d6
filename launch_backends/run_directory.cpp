#include "launch_backends/run_directory.hpp"

#include <fcntl.h>
#include <glob.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "launch_backends/controller_place.hpp"
#include "launch_backends/descriptor.hpp"
#include "launch_backends/replace_file.hpp"
#include "launch_backends/written_at.hpp"
#include "schema/json.hpp"
#include "schema/safetensors.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

std::string words_of_holder() { return std::to_string(getpid()) + '\n' + this_machine() + '\n'; }

[[noreturn]] void disk_fails(int error, const std::string& what) { throw std::system_error(error, std::generic_category(), what); }

void write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) disk_fails(errno, "cannot write " + path);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string read_text(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) disk_fails(errno, "cannot read " + path);
  std::string text;
  char buffer[1 << 14];
  for (;;) {
    const ssize_t n = read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) disk_fails(errno, "cannot read " + path);
    if (n == 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

void make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw std::system_error(error, "cannot make the folder " + path.string());
}

std::string fresh_id() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char time[32];
  const std::size_t length = std::strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", &utc);
  unsigned char bytes[3];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) disk_fails(errno, "no random numbers");
  char id[64];
  std::snprintf(id, sizeof id, "%.*s-%02x%02x%02x", static_cast<int>(length), time, bytes[0], bytes[1], bytes[2]);
  return id;
}

// A reader of `latest` finds the old run or this one, never none.
void point_latest_at(const fs::path& folder, const std::string& id) {
  const fs::path temporary = folder / (".latest-" + id);
  if (symlink(id.c_str(), temporary.c_str()) != 0) disk_fails(errno, "cannot make the link " + temporary.string());
  const fs::path latest = folder / "latest";
  if (rename(temporary.c_str(), latest.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    disk_fails(error, "cannot replace the link " + latest.string());
  }
}

// N of step-N.safetensors.
std::optional<std::int64_t> checkpoint_step(const std::string& name) {
  constexpr std::string_view head = "step-", tail = ".safetensors";
  if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size()) return std::nullopt;
  const char* begin = name.data() + head.size();
  const char* end = name.data() + name.size() - tail.size();
  std::int64_t step = 0;
  const auto [stop, error] = std::from_chars(begin, end, step);
  return error == std::errc() && stop == end && step >= 0 ? std::optional(step) : std::nullopt;
}

}  // namespace

RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(std::exchange(other.lock_fd_, -1)), events_fd_(std::exchange(other.events_fd_, -1)) {}

RunDirectory& RunDirectory::operator=(RunDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_fd_, other.lock_fd_);
  std::swap(events_fd_, other.events_fd_);
  return *this;
}

RunDirectory::~RunDirectory() {
  if (lock_fd_ >= 0) close(lock_fd_);
  if (events_fd_ >= 0) close(events_fd_);
}

RunDirectory RunDirectory::create(const std::string& runs, const std::string& name, const Plan& plan) {
  const fs::path folder = fs::absolute(runs) / name;
  make_folders(folder);
  std::error_code error;
  if (const fs::file_status latest = fs::symlink_status(folder / "latest", error); fs::exists(latest) && !fs::is_symlink(latest))
    throw std::runtime_error((folder / "latest").string() + " is not the link that points at the last run: move it away");
  for (int attempt = 0;; ++attempt) {
    const std::string id = fresh_id();
    const fs::path path = folder / id;
    if (mkdir(path.c_str(), 0777) != 0) {
      if (errno == EEXIST && attempt < 100) continue;
      disk_fails(errno, "cannot make the folder " + path.string());
    }
    RunDirectory run(fs::canonical(path).string());
    if (!run.lock()) disk_fails(EBUSY, "cannot lock " + run.path() + "/lock");
    replace_file(run.path() + "/plan.json", save_plan(plan));
    point_latest_at(folder, id);
    return run;
  }
}

RunDirectory RunDirectory::take_over(const std::string& path, std::string_view plan_text) {
  make_folders(path);
  RunDirectory run(fs::canonical(path).string());
  if (!run.lock()) throw std::runtime_error("process " + std::to_string(run.holder().pid) + " conducts " + run.path() + " already");
  if (access((run.path() + "/plan.json").c_str(), F_OK) != 0) {
    replace_file(run.path() + "/plan.json", plan_text);
    const fs::path own = run.path();
    point_latest_at(own.parent_path(), own.filename().string());
  }
  return run;
}

RunDirectory RunDirectory::open(const std::string& path) {
  std::error_code error;
  const fs::path resolved = fs::canonical(path, error);
  if (error) throw std::system_error(error, "cannot open the run " + path);
  RunDirectory run(resolved.string());
  if (access((run.path() + "/plan.json").c_str(), R_OK) != 0) disk_fails(errno, "cannot read " + run.path() + "/plan.json");
  return run;
}

std::string RunDirectory::id() const {
  const fs::path path(path_);
  return path.parent_path().filename().string() + '/' + path.filename().string();
}

bool RunDirectory::lock() {
  if (lock_fd_ >= 0) return true;
  const std::string path = path_ + "/lock";
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!file) disk_fails(errno, "cannot lock " + path);
  // Somebody may just be looking whether it is free.
  int tries = 3;
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK && --tries == 0) return false;
    if (errno == EWOULDBLOCK) {
      usleep(10'000);
      continue;
    }
    disk_fails(errno, "cannot lock " + path);
  }
  const std::string own = words_of_holder();
  if (ftruncate(file.get(), 0) != 0 || pwrite(file.get(), own.data(), own.size(), 0) < 0) disk_fails(errno, "cannot write " + path);
  lock_fd_ = file.release();
  return true;
}

void RunDirectory::unlock() {
  if (lock_fd_ >= 0) close(std::exchange(lock_fd_, -1));
}

void RunDirectory::take_over_lock() const {
  const std::string own = words_of_holder();
  if (lock_fd_ < 0 || ftruncate(lock_fd_, 0) != 0 || pwrite(lock_fd_, own.data(), own.size(), 0) < 0)
    disk_fails(errno, "cannot write " + path_ + "/lock");
}

RunDirectory::Holder RunDirectory::holder() const {
  std::ifstream in(path_ + "/lock");
  Holder holder;
  if (in >> holder.pid) in.ignore(), std::getline(in, holder.machine);
  return holder;
}

bool RunDirectory::Holder::is_elsewhere() const { return !machine.empty() && machine != this_machine(); }

std::string RunDirectory::Holder::host() const { return machine.substr(0, machine.find(' ')); }

std::optional<std::int64_t> RunDirectory::node_rank() const {
  std::optional<std::int64_t> node;
  each_event([&node](const std::string& kind, const Value& event) {
    const Value* detail = kind == "run_started" ? event.find("detail") : nullptr;
    const Value* written = detail ? detail->find("node_rank") : nullptr;
    if (written && written->is_integer()) node = written->as_integer();
  });
  return node;
}

std::optional<ProgramCheckpoint> RunDirectory::program_checkpoint(const Plan& plan) const {
  const fs::path folder = plan.groups.empty() ? fs::path() : fs::path(plan.groups.front().rank.cwd.str());
  std::optional<ProgramCheckpoint> newest;
  each_event([&](const std::string& kind, const Value& event) {
    const Value* detail = kind == "checkpoint" ? event.find("detail") : nullptr;
    const Value* path = detail ? detail->find("path") : nullptr;
    if (!path || !path->is_string()) return;
    const std::string whole = (folder / path->as_string()).lexically_normal().string();
    if (const auto written = written_at(whole)) newest = {whole, *written};
  });
  if (newest || !plan.job.checkpoint.path) return newest;
  const double begin = written_at(path_ + "/plan.json").value_or(0);
  glob_t found{};
  if (glob(plan.job.checkpoint.path->c_str(), GLOB_NOSORT, nullptr, &found) == 0)
    for (std::size_t i = 0; i < found.gl_pathc; ++i)
      if (const auto written = written_at(found.gl_pathv[i]); written && *written >= (newest ? newest->written : begin))
        newest = {found.gl_pathv[i], *written};
  globfree(&found);
  return newest;
}

bool RunDirectory::is_alive() const {
  const FileDescriptor file(::open((path_ + "/lock").c_str(), O_RDONLY | O_CLOEXEC));
  // Held for no longer than it takes to look; whoever wants the run for itself tries more than once.
  return file && flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

std::string RunDirectory::rank_file(std::int64_t node, std::int64_t rank, std::string_view tail) const {
  return path_ + "/nodes/" + std::to_string(node) + "/rank-" + std::to_string(rank) + std::string(tail);
}

std::string RunDirectory::plan_text() const { return read_text(path_ + "/plan.json"); }

std::string in_words(const RunStatus& status) {
  if (status.message.starts_with(status.state)) return status.message;
  return status.state + (status.message.empty() ? "" : ": " + status.message);
}

std::optional<Plan> plan_in(const std::string& saved) {
  const std::optional<Value> document = read_json(saved);
  const Value* plan = document ? document->find("plan") : nullptr;
  if (!plan) return std::nullopt;
  try {
    return from_value<Plan>(*plan);
  } catch (const BindingError&) {
    return std::nullopt;
  }
}

std::optional<Plan> RunDirectory::plan() const { return plan_in(plan_text()); }

RunStatus RunDirectory::status() const {
  const std::string path = path_ + "/status.json";
  std::string why;
  const std::optional<Value> value = read_json(read_text(path), &why);
  if (!value) throw std::runtime_error(path + ": " + why);
  return from_value<RunStatus>(*value);
}

void RunDirectory::each_event(const std::function<void(const std::string& kind, const Value& event)>& visit) const {
  const std::string path = path_ + "/events.jsonl";
  std::ifstream in(path);
  if (!in && errno != ENOENT) disk_fails(errno, "cannot read " + path);
  for (std::string line; std::getline(in, line);) {
    const std::optional<Value> event = read_json(line);
    const Value* kind = event && event->is_object() ? event->find("kind") : nullptr;
    if (kind && kind->is_string()) visit(kind->as_string(), *event);
  }
}

RunStatus RunDirectory::status_by_events() const {
  RunStatus status;
  status.state = "lost";
  each_event([&status](const std::string& kind, const Value& event) {
    const Value* detail = event.find("detail");
    const auto member = [detail](const char* name) { return detail ? detail->find(name) : nullptr; };
    if (kind == "run_started") {
      status.state = "lost";
      if (const Value* attempt = member("attempt"); attempt && attempt->is_integer())
        status.attempt = std::max(status.attempt, attempt->as_integer());
      const Value* node = member("node_rank");
      status.node_rank = node && node->is_integer() ? std::optional(node->as_integer()) : std::nullopt;
    } else if (kind == "run_finished") {
      if (const Value* verdict = member("verdict"); verdict && verdict->is_string()) status.state = verdict->as_string();
    }
  });
  return status;
}

void RunDirectory::write_status(const RunStatus& status) const {
  replace_file(path_ + "/status.json", canonical_json(to_value(status)) + '\n');
}

void RunDirectory::append_event(const Event& event) const {
  const std::string path = path_ + "/events.jsonl";
  if (events_fd_ < 0) events_fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (events_fd_ < 0) disk_fails(errno, "cannot write " + path);
  write_all(events_fd_, canonical_json(to_value(event)) + '\n', path);
}

std::optional<std::string> RunDirectory::newest_checkpoint(std::vector<SkippedCheckpoint>& skipped) const {
  std::vector<std::pair<std::int64_t, std::string>> found;
  std::error_code error;
  for (fs::directory_iterator entry(path_ + "/checkpoints", error), end; !error && entry != end; entry.increment(error))
    if (const std::optional<std::int64_t> step = checkpoint_step(entry->path().filename().string()))
      found.emplace_back(*step, entry->path().string());
  std::sort(found.rbegin(), found.rend());
  for (const auto& [step, path] : found) {
    std::string why = verify_safetensors(path);
    if (why.empty()) return path;
    skipped.push_back({path, std::move(why)});
  }
  return std::nullopt;
}

}  // namespace fabric
