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
#include <cstdlib>
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
  std::int64_t lease = 0;
  bool shares_carrier = false;
  std::int64_t among = 0;  // which it is of those that do
};

std::string_view own_variable(const char* name) {
  const char* value = getenv(name);
  return value ? value : "";
}

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
    const bool good = name == "--node"            ? number(value, arguments.node)
                      : name == "--generation"    ? number(value, arguments.generation)
                      : name == "--lease"         ? number(value, arguments.lease)
                      : name == "--nonce"         ? !(arguments.nonce = value).empty()
                      : name == "--node-variable" ? number(own_variable(argv[i + 1]), arguments.among)
                                                  : false;
    if (!good) return std::nullopt;
    arguments.shares_carrier |= name == "--node-variable";
  }
  if (arguments.nonce.empty()) return std::nullopt;
  arguments.node += arguments.among;
  return arguments;
}

}  // namespace

int agent_main(int argc, char** argv) try {
  const std::optional<Arguments> arguments = read_arguments(argc, argv);
  if (!arguments) {
    std::fputs(
        "fabric agent is started by fabric itself: fabric agent --node N --generation N --nonce TEXT [--lease SECONDS] [--node-variable NAME]\n",
        stderr);
    return 3;
  }
  // A shell that ssh started and whose place we took counts itself as none; the next bash would take itself for the first, and read what is
  // meant for that.
  if (own_variable("SHLVL") == "0") setenv("SHLVL", "1", 1);
  // Whoever started us may ignore the ends of children, or block signals; both are inherited.
  signal(SIGCHLD, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  become_subreaper();
  // Whoever is stopped does not see that the other is gone.
  wake_at_end_of_parent();
  // Whoever starts several agents gives all of them the variables of one machine.
  if (char name[256] = {}; arguments->shares_carrier && getenv("HOSTNAME") && gethostname(name, sizeof name - 1) == 0)
    setenv("HOSTNAME", name, 1);

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
  wake_at_end_of_parent();
  prctl(PR_SET_NAME, "fabric-agent");
  NodeAgent agent({arguments->node, arguments->generation, arguments->nonce, keeper, static_cast<double>(arguments->lease)},
                  FileDescriptor(STDIN_FILENO), FileDescriptor(STDOUT_FILENO), std::move(agents_end));
  return agent.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "fabric agent: %s\n", error.what());
  return 1;
}

}  // namespace fabric
