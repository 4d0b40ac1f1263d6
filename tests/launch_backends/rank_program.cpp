// A rank that misbehaves as it is told: rank_program ACTIONS_OF_RANK_0 ACTIONS_OF_RANK_1 ..., each a list `ready,deaf,sleep`. A rank
// beyond the list takes the last.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void event(const std::string& line) { std::ofstream(variable("FABRIC_EVENTS"), std::ios::app) << line << std::endl; }

[[noreturn]] void sleep_on() {
  for (;;) pause();
}

void leave_daemon() {
  if (fork() != 0) return;
  setsid();
  if (fork() != 0) _exit(0);
  signal(SIGTERM, SIG_IGN);
  for (int fd = 0; fd < 64; ++fd) close(fd);
  sleep_on();
}

// As leave_daemon, but with nothing inherited by which it could be found; its pid stands in the file naked-RANK.
void leave_naked_daemon(const std::string& suffix = "") {
  const std::string file = variable("FABRIC_RUN_DIR") + "/naked-" + variable("RANK") + suffix;
  if (fork() != 0) {
    while (access(file.c_str(), F_OK) != 0) usleep(1000);
    return;
  }
  setsid();
  if (fork() != 0) _exit(0);
  signal(SIGTERM, SIG_IGN);
  std::ofstream(file + ".new") << getpid() << std::endl;
  std::rename((file + ".new").c_str(), file.c_str());
  for (int fd = 0; fd < 64; ++fd) close(fd);
  char name[] = "sleep", time[] = "1000";
  char* const argv[] = {name, time, nullptr};
  char* const env[] = {nullptr};
  execve("/bin/sleep", argv, env);
  _exit(1);
}

// What is born while its parent is being ended.
void breed() {
  static int times = 0;
  leave_daemon();
  leave_naked_daemon("-" + std::to_string(++times));
}

// Numbered lines with a checksum, one write each. After each, their count stands in the file wrote-RANK, whoever is killed then.
void write_numbered(std::int64_t count) {
  const int counter = open((variable("FABRIC_RUN_DIR") + "/wrote-" + variable("RANK")).c_str(), O_RDWR | O_CREAT, 0666);
  if (ftruncate(counter, sizeof count) != 0) _exit(98);
  void* const shared = mmap(nullptr, sizeof count, PROT_READ | PROT_WRITE, MAP_SHARED, counter, 0);
  if (shared == MAP_FAILED) _exit(98);
  auto* const wrote = static_cast<volatile std::int64_t*>(shared);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string text = "rank " + variable("RANK") + " line " + std::to_string(i);
    std::uint32_t sum = 2166136261;  // FNV-1a
    for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619;
    char hexadecimal[16];
    std::snprintf(hexadecimal, sizeof hexadecimal, " %08x\n", sum);
    const std::string line = text + hexadecimal;
    if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(98);
    *wrote = i + 1;
  }
}

void allow_core() {
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_CORE, &all) != 0) _exit(96);
}

// Takes memory and touches it, so that the kernel has to give it.
void eat(std::size_t megabytes) {
  for (std::size_t i = 0; i < megabytes; ++i) {
    void* const page = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) _exit(97);
    std::memset(page, 1, 1 << 20);
  }
}

// And ends as a shell does whose last child was killed.
[[noreturn]] void eat_in_child(std::size_t megabytes) {
  const pid_t child = fork();
  if (child == 0) {
    eat(megabytes);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

void act(const std::string& action) {
  const std::size_t colon = action.find(':');
  const std::string verb = action.substr(0, colon), rest = colon == std::string::npos ? "" : action.substr(colon + 1);
  if (verb == "ready") std::ofstream(variable("FABRIC_RUN_DIR") + "/ready-" + variable("RANK")) << getpid() << std::endl;
  else if (verb == "exit") _exit(std::stoi(rest));
  else if (verb == "sleep") sleep_on();
  else if (verb == "ms") usleep(static_cast<useconds_t>(std::stoi(rest)) * 1000);
  else if (verb == "deaf") signal(SIGTERM, SIG_IGN), signal(SIGINT, SIG_IGN);
  else if (verb == "orderly") signal(SIGTERM, [](int) { _exit(0); });
  else if (verb == "segfault") signal(SIGSEGV, SIG_DFL), raise(SIGSEGV);
  else if (verb == "core") allow_core();
  else if (verb == "abort") std::abort();
  else if (verb == "daemon") leave_daemon();
  else if (verb == "naked-daemon") leave_naked_daemon();
  else if (verb == "breed") signal(SIGTERM, [](int) { breed(); }), signal(SIGINT, SIG_IGN);
  else if (verb == "breed-and-leave") signal(SIGTERM, [](int) { breed(), _exit(0); });
  else if (verb == "say") std::cout << rest << std::endl;
  else if (verb == "event") event("{\"kind\":\"" + rest + "\",\"step\":3}");
  else if (verb == "cut-event") std::ofstream(variable("FABRIC_EVENTS"), std::ios::app) << "{\"kind\":\"" << rest << "\"}" << std::flush;
  else if (verb == "half-event") std::ofstream(variable("FABRIC_EVENTS"), std::ios::app) << "{\"kind\":\"" << rest << std::flush;
  else if (verb == "steps")
    for (int i = 1; i <= std::stoi(rest); ++i) event("{\"kind\":\"step\",\"step\":" + std::to_string(i) + "}");
  else if (verb == "doze")
    for (;;) usleep(100'000'000);
  else if (verb == "spin")
    for (volatile std::uint64_t i = 0;;) {
      const std::uint64_t next = i + 1;
      i = next;
    }
  else if (verb == "fail-before" && std::stoi(variable("FABRIC_ATTEMPT")) < std::stoi(rest)) _exit(3);
  else if (verb == "fail-before") return;
  else if (verb == "write") std::ofstream(rest + variable("FABRIC_ATTEMPT") + ".pt") << "weights";
  else if (verb == "rewrite") std::ofstream(rest) << "weights of attempt " << variable("FABRIC_ATTEMPT");
  else if (verb == "tell") event("{\"kind\":\"checkpoint\",\"path\":\"" + rest + "\"}");
  else if (verb == "checkpoint") event("{\"kind\":\"checkpoint\",\"path\":\"/ckpt/" + variable("FABRIC_ATTEMPT") + "\"}");
  else if (verb == "checkpoint-at" && variable("FABRIC_ATTEMPT") == rest)
    event("{\"kind\":\"checkpoint\",\"path\":\"/ckpt/" + rest + "\"}");
  else if (verb == "checkpoint-at") return;
  else if (verb == "garbage") event("this is no event");
  else if (verb == "forge") event("{\"kind\":\"rank_exited\",\"exit_code\":0}");
  else if (verb == "communication") event("{\"kind\":\"error\",\"class\":\"communication\",\"message\":\"connection closed by peer\"}");
  else if (verb == "eat") eat(std::stoul(rest));
  else if (verb == "child-eats") eat_in_child(std::stoul(rest));
  else if (verb == "kill-self") kill(getpid(), SIGKILL);
  else if (verb == "numbered") write_numbered(std::stoll(rest));
  else if (verb == "lines")
    for (int i = 0; i < std::stoi(rest); ++i) std::printf("line %d\n", i), std::fflush(stdout);
  else if (verb == "bytes") std::fwrite("a\xff\0\x1b[31mb\n", 1, 10, stdout), std::fflush(stdout);
  else if (verb == "cpus") {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set)) std::cout << "CPU " << cpu << std::endl;
  } else if (verb == "env") std::cout << rest << '=' << variable(rest.c_str()) << std::endl;
  else if (verb == "descriptors")
    for (int fd = 3; fd < 256; ++fd) {
      if (fcntl(fd, F_GETFD) >= 0) std::cout << "open " << fd << '\n';
    }
  else if (verb == "accepts") {
    int listening = 0;
    socklen_t size = sizeof listening;
    getsockopt(std::atoi(variable("FABRIC_STORE_FD").c_str()), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
    std::cout << "accepts " << listening << std::endl;
  } else if (verb == "await-ready")
    while (access((variable("FABRIC_RUN_DIR") + "/ready-" + rest).c_str(), F_OK) != 0) usleep(1000);
  else if (verb == "await-stop-file")
    while (access(variable("FABRIC_STOP_FILE").c_str(), F_OK) != 0) usleep(5000);
  else std::cerr << "no action " << action << std::endl, _exit(99);
}

}  // namespace

int main(int argc, char** argv) {
  const int rank = std::atoi(variable("RANK").c_str());
  const std::string actions = argv[std::min(rank + 1, argc - 1)];
  for (std::size_t at = 0; at < actions.size();) {
    const std::size_t end = std::min(actions.find(',', at), actions.size());
    act(actions.substr(at, end - at));
    at = end + 1;
  }
  return 0;
}
