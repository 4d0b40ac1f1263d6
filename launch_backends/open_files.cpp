#include "launch_backends/open_files.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace fabric {

std::uint64_t raise_open_files(std::int64_t ranks) {
  constexpr std::uint64_t files_of_a_rank = 2, own_files = 32;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::system_error(errno, std::generic_category(), "getrlimit");
  const std::uint64_t before = limit.rlim_cur;
  const std::uint64_t needed = own_files + files_of_a_rank * static_cast<std::uint64_t>(ranks);
  limit.rlim_cur = limit.rlim_max;
  // Not allowed to everyone everywhere: then what is there has to do.
  const std::uint64_t now = setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : before;
  if (now < needed)
    throw std::runtime_error(
        "fabric may open " + std::to_string(now) + " files here, and for " + std::to_string(ranks) + " ranks it needs " +
        std::to_string(needed) +
        ": raise the hard limit (`ulimit -Hn`; limits.conf, LimitNOFILE of a service, --ulimit nofile of a container), or "
        "start fewer ranks");
  return before;
}

}  // namespace fabric
