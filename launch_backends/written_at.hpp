// When a file was written last, in seconds since the epoch, by the clock of whoever keeps it.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

namespace fabric {

inline double written_at(const struct stat& status) {
  return static_cast<double>(status.st_mtim.tv_sec) + static_cast<double>(status.st_mtim.tv_nsec) / 1e9;
}

// nullopt where there is no such file.
inline std::optional<double> written_at(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? std::optional(written_at(status)) : std::nullopt;
}

}  // namespace fabric
