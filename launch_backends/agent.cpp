#include "launch_backends/agent.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <system_error>

#include "launch_backends/keeper.hpp"
#include "launch_backends/node_agent.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/process_tree.hpp"

namespace fabric {
namespace {

struct Arguments {
  std::int64_t node = 0;
  std::int64_t generation = 0;
  std::string nonce;
};

// Null if they are not what a controller gives.
std::optional<Arguments> read_arguments(int argc, char** argv) {
  Arguments arguments;
  const auto number = [](std::string_view text, std::int64_t& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc() && end == text.data() + text.size() && into >= 0;
  };
  if (argc % 2 == 0) return std::nullopt;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i], value = argv[i + 1];
    const bool good = name == "--node"         ? number(value, arguments.node)
                      : name == "--generation" ? number(value, arguments.generation)
                      : name == "--nonce"      ? !(arguments.nonce = value).empty()
                                               : false;
    if (!good) return std::nullopt;
  }
  if (arguments.nonce.empty()) return std::nullopt;
  return arguments;
}

}  // namespace

int agent_main(int argc, char** argv) try {
  const std::optional<Arguments> arguments = read_arguments(argc, argv);
  if (!arguments) {
    std::fputs("fabric agent is started by fabric itself: fabric agent --node N --generation N --nonce TEXT\n", stderr);
    return 3;
  }
  // Whoever started us may ignore the ends of children, or block signals; both are inherited.
  signal(SIGCHLD, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  become_subreaper();

  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair");
  FileDescriptor keepers_end(ends[0]), agents_end(ends[1]);
  const pid_t keeper = getpid();
  const pid_t pid = fork_process();
  if (pid != 0) {
    agents_end.reset();
    return keep({pid, arguments->node, arguments->generation, arguments->nonce}, FileDescriptor(STDIN_FILENO),
                FileDescriptor(STDOUT_FILENO), std::move(keepers_end));
  }
  keepers_end.reset();
  become_subreaper();
  prctl(PR_SET_NAME, "fabric-agent");
  NodeAgent agent({arguments->node, arguments->generation, arguments->nonce, keeper}, FileDescriptor(STDIN_FILENO),
                  FileDescriptor(STDOUT_FILENO), std::move(agents_end));
  return agent.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "fabric agent: %s\n", error.what());
  return 1;
}

}  // namespace fabric
