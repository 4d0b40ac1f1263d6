#include "cli/outside.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "cli/command.hpp"
#include "cli/terminal.hpp"
#include "cli/version.hpp"
#include "compiler/front_ends/jsonnet.hpp"
#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/make_launch_backend.hpp"
#include "launch_backends/process.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr off_t file_limit = off_t{64} << 20;

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

std::string real_path(const std::string& path) {
  std::error_code error;
  const fs::path resolved = fs::canonical(path, error);
  return error ? "" : resolved.string();
}

std::vector<std::string> list_folder(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  return names;
}

// The child limits its own memory, CPU time and stack; the clock and the size of the answer are watched from here. It inherits
// nothing: what a job says does not depend on the environment.
JsonnetResult evaluate_jsonnet(const std::string& self, const JsonnetProgram& program) {
  constexpr std::size_t output_limit = std::size_t{64} << 20;
  constexpr std::chrono::seconds time_limit{30};
  const char* library = std::getenv("FABRIC_LIBJSONNET");
  ProcessStart start;
  start.argv = {self, "jsonnet-child", library && *library ? library : default_libjsonnet};
  start.cwd = "/";
  // Reading its own standard library costs libjsonnet many thousand small pieces of memory: kept at hand when freed, and on large
  // pages, they take a sixth less time.
  start.env = {"GLIBC_TUNABLES=glibc.malloc.tcache_count=20000:glibc.malloc.top_pad=33554432:glibc.malloc.hugetlb=1"};
  const ProgramResult child = run_program(std::move(start), encode_jsonnet_program(program), output_limit, time_limit);
  JsonnetResult result;
  result.help = "look for a loop without end, or for a value or an import that is too large";
  if (child.timed_out) {
    result.refusal = "it took longer than " + std::to_string(time_limit.count()) + " s";
  } else if (child.too_much_output) {
    result.refusal = "its result is larger than 64 MiB";
  } else if (!child.status.good()) {
    result.refusal = child.status.by_signal ? why_jsonnet_ended(child.status.number) : "";
    if (result.refusal.empty()) result.refusal = "its evaluation " + child.status.str();
  } else if (std::optional<JsonnetResult> decoded = decode_jsonnet_result(child.output)) {
    return *decoded;
  } else {
    result.refusal = "its result cannot be read";
  }
  return result;
}

// The first line of what a small program says, if it ends well and soon.
std::optional<std::string> answer_of(std::vector<std::string> argv) {
  constexpr std::chrono::seconds time_limit{5};
  ProcessStart start;
  start.argv = std::move(argv);
  start.cwd = "/";
  const char* path = std::getenv("PATH");
  start.env = {"LC_ALL=C", std::string("PATH=") + (path ? path : "")};
  if (const char* home = std::getenv("HOME")) start.env.push_back(std::string("HOME=") + home);
  try {
    const ProgramResult result = run_program(std::move(start), "", 1 << 16, time_limit);
    const std::string line = result.output.substr(0, result.output.find('\n'));
    if (result.status.good() && !result.timed_out && !line.empty()) return line;
  } catch (const std::system_error&) {}
  return std::nullopt;
}

std::optional<std::string> python_version(const std::string& path) { return answer_of({path, "--version"}); }

// --exclude leaves tags out, so that the commit itself is named.
std::optional<std::string> git_state(const std::string& folder) {
  return answer_of({"git", "-C", folder, "describe", "--always", "--exclude", "*", "--abbrev=40", "--dirty"});
}

// What path points at in the end, one link after the other, by the kernel's rules: `link/..` is the folder above where link leads. The
// last need not exist. Stops at what names an open descriptor of this process.
fs::path end_of_links(fs::path path) {
  const fs::path descriptors = "/proc/" + std::to_string(getpid()) + "/fd";
  for (int links = 0; links < 40; ++links) {
    std::error_code error;
    const fs::path folder = fs::canonical(path.has_parent_path() ? path.parent_path() : ".", error);
    if (error) break;
    path = folder / path.filename();
    if (folder == descriptors || !fs::is_symlink(path, error)) break;
    path = folder / fs::read_symlink(path, error);
  }
  return path;
}

// The descriptor that path, an end of links, names.
std::optional<int> descriptor_named(const fs::path& path) {
  if (path.parent_path() != "/proc/" + std::to_string(getpid()) + "/fd") return std::nullopt;
  const std::string name = path.filename().string();
  int fd = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), fd);
  return error == std::errc() && end == name.data() + name.size() ? std::optional(fd) : std::nullopt;
}

bool same_file(const struct stat& file, int fd) {
  struct stat other {};
  return fstat(fd, &other) == 0 && other.st_dev == file.st_dev && other.st_ino == file.st_ino;
}

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

ReadFile read_file(const std::string& path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
  if (file.fd < 0) return {std::nullopt, std::strerror(errno)};
  struct stat status {};
  if (fstat(file.fd, &status) != 0) return {std::nullopt, std::strerror(errno)};
  if (S_ISDIR(status.st_mode)) return {std::nullopt, "Is a directory"};
  // A pipe is read to its end: job.yaml may be <(generate).
  if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) return {std::nullopt, "Is not a regular file"};
  if (S_ISFIFO(status.st_mode)) fcntl(file.fd, F_SETFL, 0);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = read(file.fd, buffer, sizeof buffer);
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {std::nullopt, std::strerror(errno)};
    text.append(buffer, static_cast<std::size_t>(n));
    if (static_cast<off_t>(text.size()) > file_limit) return {std::nullopt, "File too large: more than 64 MiB"};
  }
  return {std::move(text), ""};
}

void keep_foreign_file(const std::string& path, bool (*is_ours)(std::string_view text), std::string_view ours) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO})
    if (same_file(status, fd)) return;
  const ReadFile file = read_file(path);
  if (!file.text || is_ours(*file.text)) return;
  throw UsageError("`" + path + "` is there already, and is no " + std::string(ours), "give another name with -o, or remove it first");
}

void write_file(const std::string& path, const std::string& content) {
  // A link stays, and what it points at is replaced.
  const fs::path target = end_of_links(path);
  std::optional<int> descriptor = descriptor_named(target);
  struct stat status {};
  const bool exists = stat(path.c_str(), &status) == 0;
  // A file that output goes to already keeps what stands in it.
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO})
    if (exists && same_file(status, fd)) descriptor = fd;
  if (descriptor) {
    if ((errno = write_all(*descriptor, content)) != 0) fail("cannot write " + path);
    return;
  }
  // A device, a pipe or a terminal takes what is written; it cannot be replaced.
  if (exists && !S_ISREG(status.st_mode)) {
    const Descriptor file{open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY)};
    if (file.fd < 0 || (errno = write_all(file.fd, content)) != 0) fail("cannot write " + path);
    return;
  }
  std::string temporary = target.string() + ".XXXXXX";
  const Descriptor file{mkstemp(temporary.data())};
  if (file.fd < 0) fail("cannot write " + path);
  // mkstemp made it private; a new file gets what the umask leaves.
  const mode_t mask = umask(0);
  umask(mask);
  int error = write_all(file.fd, content);
  if (error == 0 && fchmod(file.fd, exists ? status.st_mode & 0777 : 0666 & ~mask) != 0) error = errno;
  if (error == 0 && fsync(file.fd) != 0) error = errno;
  if (error == 0 && rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error == 0) return;
  unlink(temporary.c_str());
  errno = error;
  fail("cannot write " + path);
}

std::string shown_path(const std::string& path) {
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (error) return path;
  const std::string relative = fs::path(path).lexically_relative(here).string();
  return relative.empty() || relative.starts_with("..") ? path : relative;
}

Outside make_outside(const std::string& self) {
  Outside outside;
  outside.read_file = read_file;
  outside.real_path = real_path;
  outside.list_folder = list_folder;
  outside.evaluate_jsonnet = [self](const JsonnetProgram& program) { return evaluate_jsonnet(self, program); };
  outside.environment = [](const std::string& variable) {
    const char* value = std::getenv(variable.c_str());
    return std::string(value ? value : "");
  };
  outside.variables = own_environment;
  outside.find_program = find_on_path;
  outside.python_version = python_version;
  outside.git_state = git_state;
  outside.rules = [self](const JobSpec& job) { return make_launch_backend(job.backend, self)->rules(job); };
  outside.working_directory = fs::current_path().string();
  const char* worker = std::getenv("FABRIC_WORKER");
  outside.worker =
      worker && *worker ? fs::absolute(worker).lexically_normal().string() : (fs::path(self).parent_path() / "fabric-worker").string();
  outside.version = version_text();
  return outside;
}

}  // namespace fabric
