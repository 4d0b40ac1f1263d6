#include "launch_backends/file_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace fabric {

void FileWatch::add(const std::string& path) {
  if (!inotify_) inotify_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const int watch = inotify_ ? inotify_add_watch(inotify_.get(), path.c_str(), IN_MODIFY | IN_ONESHOT) : -1;
  if (watch >= 0) paths_[watch] = path;
  else complete_ = false;
}

bool FileWatch::take() {
  bool written = false;
  char bytes[1 << 14];
  for (ssize_t n; inotify_ && (n = read(inotify_.get(), bytes, sizeof bytes)) > 0;) {
    for (ssize_t at = 0; at + static_cast<ssize_t>(sizeof(inotify_event)) <= n;) {
      inotify_event event;
      std::memcpy(&event, bytes + at, sizeof event);
      at += static_cast<ssize_t>(sizeof event + event.len);
      written |= (event.mask & (IN_MODIFY | IN_Q_OVERFLOW)) != 0;
      // The watch is over by now, which it is not for sure when its one event comes.
      if ((event.mask & IN_IGNORED) == 0) continue;
      if (const auto spent = paths_.extract(event.wd)) add(spent.mapped());
    }
  }
  return written;
}

}  // namespace fabric
