#include "launch_backends/ssh_logs.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/ssh_words.hpp"

namespace fabric {
namespace {

constexpr std::chrono::minutes fetching_patience{10};  // of one file
constexpr int tries_at_fetching = 3;
constexpr const char* files_of_a_rank[] = {".log", ".times", ".events.jsonl", ".error.json"};

bool ends_within(int process, std::chrono::steady_clock::duration patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  pollfd end{process, POLLIN, 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    const int ready = poll(&end, 1, static_cast<int>(std::max<long long>(left, 0)));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

// Runs a call of ssh whose output becomes the file. Empty if it did; else why not.
std::string take_output(std::vector<std::string> words, const std::string& path) {
  const std::string temporary = path + ".part";
  FileDescriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file) return "cannot write " + temporary + ": " + std::generic_category().message(errno);
  ProcessStart start;
  start.argv = std::move(words);
  start.env = own_environment();
  start.descriptors = {{file.get(), STDOUT_FILENO}};
  start.new_session = true;
  std::string why;
  try {
    const pid_t pid = start_process(start);
    const FileDescriptor process = open_process(pid);
    if (!ends_within(process.get(), fetching_patience)) kill(pid, SIGKILL);
    if (const ExitStatus status = wait_for(pid); !status.good()) why = "ssh " + status.str();
  } catch (const std::system_error& error) {
    why = error.what();
  }
  std::error_code error;
  if (why.empty()) std::filesystem::rename(temporary, path, error);
  else std::filesystem::remove(temporary, error);
  return why;
}

// A connection that was there all the time can fail one call all the same, as on a machine with more to do than it can.
std::string take_output_in_the_end(const std::vector<std::string>& words, const std::string& path) {
  std::string why;
  for (int tries = 0; tries < tries_at_fetching; ++tries) {
    if (tries > 0) poll(nullptr, 0, 500 << tries);
    why = take_output(words, path);
    if (why.empty()) break;
  }
  return why;
}

}  // namespace

std::vector<std::string> fetch_logs(const SshFleet& fleet, const Plan& plan, const std::string& run_directory,
                                    const std::vector<NodeOptions>& nodes) {
  std::vector<std::string> failed;
  for (const NodeGroup& group : plan.groups)
    for (std::int64_t at = 0; at < group.nodes; ++at) {
      const std::int64_t node = group.first_node + at;
      if (!nodes[static_cast<std::size_t>(node)].own_disk) continue;
      if (const std::string& problem = fleet.problem(static_cast<std::size_t>(node)); !problem.empty()) {
        failed.push_back(fleet.host(static_cast<std::size_t>(node)) + ": " + problem);
        continue;
      }
      const std::string folder = run_directory + "/nodes/" + std::to_string(node);
      std::error_code error;
      std::filesystem::create_directories(folder, error);
      for (std::int64_t local = 0; local < group.ranks_per_node; ++local) {
        const std::string rank = folder + "/rank-" + std::to_string(group.first_rank + at * group.ranks_per_node + local);
        for (const char* tail : files_of_a_rank) {
          // A file that nobody wrote is none that is missing.
          const std::string why =
              take_output_in_the_end(fleet.words_for(static_cast<std::size_t>(node),
                                                     "test ! -e " + quoted_word(rank + tail) + " || exec cat " + quoted_word(rank + tail)),
                                     rank + tail);
          if (why.empty()) {
            if (std::filesystem::file_size(rank + tail, error) == 0 && std::string(tail) != ".log")
              std::filesystem::remove(rank + tail, error);
            continue;
          }
          failed.push_back(fleet.host(static_cast<std::size_t>(node)) + ": " + why);
          break;
        }
        if (!failed.empty() && failed.back().starts_with(fleet.host(static_cast<std::size_t>(node)) + ':')) break;
      }
    }
  return failed;
}

}  // namespace fabric
