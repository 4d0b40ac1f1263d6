// A rank that misbehaves as it is told: rank_program ACTIONS_OF_RANK_0 ACTIONS_OF_RANK_1 ..., each a list `ready,deaf,sleep`. A rank
// beyond the list takes the last.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
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
void leave_naked_daemon() {
  const std::string file = variable("FABRIC_RUN_DIR") + "/naked-" + variable("RANK");
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
  else if (verb == "abort") std::abort();
  else if (verb == "daemon") leave_daemon();
  else if (verb == "naked-daemon") leave_naked_daemon();
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
  else if (verb == "checkpoint") event("{\"kind\":\"checkpoint\",\"path\":\"/ckpt/" + variable("FABRIC_ATTEMPT") + "\"}");
  else if (verb == "checkpoint-at" && variable("FABRIC_ATTEMPT") == rest)
    event("{\"kind\":\"checkpoint\",\"path\":\"/ckpt/" + rest + "\"}");
  else if (verb == "checkpoint-at") return;
  else if (verb == "garbage") event("this is no event");
  else if (verb == "forge") event("{\"kind\":\"rank_exited\",\"exit_code\":0}");
  else if (verb == "communication") event("{\"kind\":\"error\",\"class\":\"communication\",\"message\":\"connection closed by peer\"}");
  else if (verb == "lines")
    for (int i = 0; i < std::stoi(rest); ++i) std::printf("line %d\n", i), std::fflush(stdout);
  else if (verb == "bytes") std::fwrite("a\xff\0\x1b[31mb\n", 1, 10, stdout), std::fflush(stdout);
  else if (verb == "env") std::cout << rest << '=' << variable(rest.c_str()) << std::endl;
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
