#include "runtime/events.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "runtime/failure.hpp"
#include "runtime/log.hpp"
#include "schema/event.hpp"
#include "schema/json.hpp"

namespace fabric {

EventFile::EventFile(const std::string& path, std::int64_t rank) : path_(path), rank_(rank) {
  if (path.empty()) return;
  fd_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) throw Failure(FailureClass::output, path + ": events cannot be written: " + std::strerror(errno));
}

EventFile::~EventFile() {
  if (fd_ >= 0) ::close(fd_);
}

void EventFile::write(std::string_view kind, Value detail) {
  if (fd_ < 0) return;
  Event event;
  event.kind = kind;
  event.time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  event.rank = rank_;
  event.detail = std::move(detail);
  const std::string line = canonical_json(to_value(event)) + '\n';
  if (::write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size()) || lost_) return;
  lost_ = true;
  log_warning(path_ + ": events are lost: " + std::strerror(errno));
}

}  // namespace fabric
