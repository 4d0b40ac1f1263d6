#include "launch_backends/probes/probe_root.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace fabric {
namespace {

constexpr std::size_t longest_text = std::size_t{16} << 20;

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace

CudaVariables CudaVariables::of_this_process() { return {variable("CUDA_VISIBLE_DEVICES"), variable("CUDA_DEVICE_ORDER")}; }

std::string ProbeRoot::at(std::string_view absolute) const {
  std::string out = path;
  while (out.ends_with('/')) out.pop_back();
  return out.append(absolute);
}

std::optional<std::string> ProbeRoot::read(std::string_view absolute) const {
  // A recorded tree may hold anything, a pipe too, and opening one must not wait for a writer.
  const int fd = open(at(absolute).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::string text;
  std::size_t used = 0;
  bool whole = false;
  while (used < longest_text) {
    if (text.size() - used < 4096) text.resize(std::max<std::size_t>(8192, text.size() * 2));
    const ssize_t n = ::read(fd, text.data() + used, text.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    whole = n == 0;
    if (whole) break;
    used += static_cast<std::size_t>(n);
  }
  close(fd);
  if (!whole && used < longest_text) return std::nullopt;
  text.resize(used);
  return text;
}

Diagnostic misread(std::string_view file, std::string_view assumed) {
  return {.severity = Severity::warning,
          .code = "FAB4020",
          .message = std::string(file) + " does not say what it should; " + std::string(assumed),
          .help = "`fabric probe` prints what was found; write it to a file, correct it and give it with --hardware FILE"};
}

}  // namespace fabric
