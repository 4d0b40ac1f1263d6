#include "launch_backends/log_times.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace fabric {

LogTimes::LogTimes(const std::string& path) : file_(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666)) {}

void LogTimes::seen(std::int64_t bytes, double now, bool last) {
  if (!file_ || bytes == bytes_ || (!last && now - told_ < apart && now >= told_)) return;
  bytes_ = bytes;
  told_ = now;
  char line[64];
  const int length = std::snprintf(line, sizeof line, "%.3f %lld\n", now, static_cast<long long>(bytes));
  if (write(file_.get(), line, static_cast<std::size_t>(length)) != length) file_.reset();
}

std::optional<std::int64_t> LogTimes::offset_at(const std::string& path, double time) {
  std::ifstream in(path);
  if (!in) return std::nullopt;
  std::int64_t offset = 0, bytes = 0;
  for (double at = 0; in >> at >> bytes && at <= time;) offset = bytes;
  return offset;
}

}  // namespace fabric
