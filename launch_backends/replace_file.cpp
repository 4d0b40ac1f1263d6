#include "launch_backends/replace_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>

#include "launch_backends/descriptor.hpp"

namespace fabric {
namespace {

[[noreturn]] void replacing_fails(const std::string& path) {
  throw std::system_error(errno, std::generic_category(), "cannot write " + path);
}

}  // namespace

void replace_file(const std::string& path, std::string_view text) {
  // Another machine may have the same folder, and a process of the same number.
  char host[64] = {};
  gethostname(host, sizeof host - 1);
  const std::string temporary = path + ".new-" + host + '-' + std::to_string(getpid());
  try {
    const FileDescriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!file) replacing_fails(path);
    while (!text.empty()) {
      const ssize_t n = write(file.get(), text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) replacing_fails(path);
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    if (rename(temporary.c_str(), path.c_str()) != 0) replacing_fails(path);
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
}

}  // namespace fabric
