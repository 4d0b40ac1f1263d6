#include "launch_backends/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>

#include "schema/number_list.hpp"

namespace fabric {
namespace {

[[noreturn]] void fail(int error, const std::string& what) { throw std::system_error(error, std::generic_category(), what); }

// What the child needs, prepared before it exists: between vfork and exec nothing may allocate.
struct Prepared {
  std::vector<std::string> programs;  // to be tried in this order
  std::vector<char*> argv;
  std::vector<char*> env;
  std::vector<std::pair<int, int>> descriptors;  // by number there
  int first_free = 3;                            // above all numbers there
  std::vector<unsigned long> cpus;               // as a mask of bits
  pid_t parent = 0;
};

enum class Step { none, session, death_signal, limit, affinity, directory, descriptor, terminal, exec };

struct Failure {
  Step step = Step::none;
  int error = 0;
};

std::vector<std::string> candidates(const ProcessStart& start) {
  const std::string& program = start.argv.front();
  if (program.find('/') != std::string::npos) return {program};
  std::string path = "/usr/local/bin:/usr/bin:/bin";
  for (const std::string& variable : start.env)
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  std::vector<std::string> all;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string folder = path.substr(at, end - at);
    all.push_back((folder.empty() ? std::string(".") : folder) + '/' + program);
    at = end + 1;
  }
  return all;
}

void close_from(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0) == 0) return;
  // Before Linux 5.9.
  rlimit limit{};
  const unsigned end =
      getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1u << 16 ? static_cast<unsigned>(limit.rlim_cur) : 1u << 16;
  for (unsigned fd = first; fd <= last && fd < end; ++fd) close(static_cast<int>(fd));
}

// Runs in the child, in the memory of the parent, which is suspended: only system calls, no allocation, no return.
[[noreturn]] void become(const ProcessStart& start, const Prepared& prepared, volatile Failure& failure) {
  const auto give_up = [&failure](Step step) {
    failure.error = errno;
    failure.step = step;
    _exit(127);
  };
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  if (start.new_session && setsid() < 0) give_up(Step::session);
  if (start.parent_death_signal != 0) {
    if (prctl(PR_SET_PDEATHSIG, start.parent_death_signal) != 0) give_up(Step::death_signal);
    // The parent may have died before that call.
    if (getppid() != prepared.parent) _exit(127);
  }
  if (!prepared.cpus.empty() && syscall(SYS_sched_setaffinity, 0, prepared.cpus.size() * sizeof(unsigned long), prepared.cpus.data()) != 0)
    give_up(Step::affinity);
  if (!start.cwd.empty() && chdir(start.cwd.c_str()) != 0) give_up(Step::directory);

  // First out of the way of the numbers to come, then into place.
  constexpr std::size_t most = 16;
  int moved[most];
  const std::size_t count = std::min(prepared.descriptors.size(), most);
  for (std::size_t i = 0; i < count; ++i)
    if ((moved[i] = fcntl(prepared.descriptors[i].first, F_DUPFD, prepared.first_free)) < 0) give_up(Step::descriptor);
  unsigned next = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const int there = prepared.descriptors[i].second;
    if (dup2(moved[i], there) < 0) give_up(Step::descriptor);
    if (static_cast<unsigned>(there) > next) close_from(next, static_cast<unsigned>(there) - 1);
    next = static_cast<unsigned>(there) + 1;
  }
  close_from(next, UINT_MAX);
  if (start.controlling_terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) give_up(Step::terminal);
  // Behind the descriptors, whose numbers in between may be above what is allowed from now on.
  for (const ResourceLimit& limit : start.limits) {
    const auto resource = static_cast<__rlimit_resource_t>(limit.resource);
    rlimit now{};
    if (getrlimit(resource, &now) != 0) give_up(Step::limit);
    if (now.rlim_cur == limit.value) continue;
    now.rlim_cur = limit.value;
    if (setrlimit(resource, &now) != 0) give_up(Step::limit);
  }

  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  int error = ENOENT;
  for (const std::string& program : prepared.programs) {
    execve(program.c_str(), prepared.argv.data(), prepared.env.data());
    // As execvp(3): a folder that cannot be searched does not end the search, but is remembered.
    if (errno == EACCES) error = EACCES;
    else if (errno != ENOENT && errno != ENOTDIR) {
      error = errno;
      break;
    }
  }
  errno = error;
  give_up(Step::exec);
  _exit(127);
}

// Apart, so that nothing of the caller's frame lives across vfork.
__attribute__((noinline)) pid_t vfork_and_become(const ProcessStart& start, const Prepared& prepared, volatile Failure& failure) {
  const pid_t pid = vfork();
  if (pid == 0) become(start, prepared, failure);
  return pid;
}

std::string why(const ProcessStart& start, Step step) {
  const std::string program = "cannot start " + start.argv.front();
  switch (step) {
    case Step::session: return program + ": setsid";
    case Step::death_signal: return program + ": prctl";
    case Step::limit: return program + ": setrlimit";
    case Step::affinity: return program + " on CPUs " + number_list_text(start.cpus);
    case Step::directory: return program + " in " + start.cwd;
    case Step::descriptor: return program + ": dup";
    case Step::terminal: return program + " with a terminal of its own";
    case Step::exec:
    case Step::none: break;
  }
  return program;
}

class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> all;
  all.reserve(strings.size() + 1);
  for (const std::string& s : strings) all.push_back(const_cast<char*>(s.c_str()));
  all.push_back(nullptr);
  return all;
}

constexpr std::array<std::pair<std::string_view, int>, 31> signal_table{
    {{"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"ILL", SIGILL},       {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},
     {"BUS", SIGBUS},   {"FPE", SIGFPE},       {"KILL", SIGKILL}, {"USR1", SIGUSR1},     {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
     {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD}, {"CONT", SIGCONT},
     {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},   {"XCPU", SIGXCPU},
     {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},   {"IO", SIGIO},     {"PWR", SIGPWR},
     {"SYS", SIGSYS}}};

}  // namespace

pid_t start_process(const ProcessStart& start) {
  Prepared prepared;
  prepared.programs = candidates(start);
  prepared.argv = pointers(start.argv);
  prepared.env = pointers(start.env);
  prepared.descriptors = start.descriptors;
  prepared.parent = getpid();
  constexpr std::int64_t bits = 8 * sizeof(unsigned long);
  if (!start.cpus.empty()) {
    prepared.cpus.resize(static_cast<std::size_t>(*std::max_element(start.cpus.begin(), start.cpus.end()) / bits + 1));
    for (const std::int64_t cpu : start.cpus) prepared.cpus[static_cast<std::size_t>(cpu / bits)] |= 1ul << (cpu % bits);
  }
  FileDescriptor null;
  for (const int standard : {0, 1, 2}) {
    const auto is_it = [standard](const std::pair<int, int>& d) { return d.second == standard; };
    if (std::any_of(prepared.descriptors.begin(), prepared.descriptors.end(), is_it)) continue;
    if (!null) null.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) fail(errno, "cannot open /dev/null");
    prepared.descriptors.emplace_back(null.get(), standard);
  }
  std::sort(prepared.descriptors.begin(), prepared.descriptors.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  prepared.first_free = prepared.descriptors.back().second + 1;

  volatile Failure failure;
  pid_t pid;
  {
    const SignalsBlocked blocked;
    pid = vfork_and_become(start, prepared, failure);
  }
  if (pid < 0) fail(errno, "cannot start " + start.argv.front());
  if (failure.step != Step::none) {
    const Step step = failure.step;
    const int error = failure.error;
    wait_for(pid);
    fail(error, why(start, step));
  }
  return pid;
}

pid_t fork_process() {
  const pid_t pid = fork();
  if (pid < 0) fail(errno, "cannot fork");
  if (pid == 0) setsid();
  return pid;
}

ExitStatus ExitStatus::of(int wait_status) {
  return WIFSIGNALED(wait_status) ? ExitStatus{true, WTERMSIG(wait_status)} : ExitStatus{false, WEXITSTATUS(wait_status)};
}

std::string ExitStatus::str() const {
  if (!by_signal) return "exited with code " + std::to_string(number);
  return "was killed by signal " + std::to_string(number) + " (" + signal_name(number) + ")";
}

std::string signal_name(int signal) {
  for (const auto& [name, number] : signal_table)
    if (number == signal) return std::string(name);
  return std::to_string(signal);
}

std::optional<int> signal_number(std::string_view name) {
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (const auto& [known, number] : signal_table)
    if (known == name) return number;
  return std::nullopt;
}

ExitStatus wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) fail(errno, "cannot wait for process " + std::to_string(pid));
  return ExitStatus::of(status);
}

FileDescriptor open_process(pid_t pid) {
  FileDescriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process) fail(errno, "cannot watch process " + std::to_string(pid));
  return process;
}

DescriptorPair make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail(errno, "cannot make a pipe");
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

double now_seconds() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

void start_over(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv("/proc/self/exe", argv.data());
  throw std::system_error(errno, std::generic_category(), "cannot start over");
}

bool is_executable_file(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && access(path.c_str(), X_OK) == 0;
}

std::string find_on_path(const std::string& name) {
  const char* variable = std::getenv("PATH");
  const std::string path = variable ? variable : "";
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string program = (at == end ? "." : path.substr(at, end - at)) + '/' + name;
    if (is_executable_file(program)) return program;
    at = end + 1;
  }
  return "";
}

}  // namespace fabric
