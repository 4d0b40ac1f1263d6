#include "launch_backends/ssh_folder.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr int most_tries_at_folder = 100;
constexpr std::size_t longest_folder = 70;  // a socket's path is at most 108 bytes, and ssh adds some

// Held for as long as somebody uses the folder; the kernel lets go of it when that is killed. Closed where it cannot be had.
FileDescriptor lock_of(const std::string& folder, int flags) {
  FileDescriptor lock(open((folder + "/lock").c_str(), O_RDWR | O_CLOEXEC | flags, 0600));
  if (lock && flock(lock.get(), LOCK_EX | LOCK_NB) != 0) lock.reset();
  return lock;
}

bool is_there(const std::string& folder, int lock) {
  struct stat held {
  }, found{};
  return fstat(lock, &held) == 0 && stat((folder + "/lock").c_str(), &found) == 0 && held.st_ino == found.st_ino &&
         held.st_dev == found.st_dev;
}

// What those have left that were killed.
void clear_folders(const std::string& parent) {
  std::error_code error;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end; entry.increment(error)) {
    const std::string path = entry->path().string();
    struct stat status {};
    if (!entry->path().filename().string().starts_with("fabric-ssh-") || lstat(path.c_str(), &status) != 0) continue;
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid()) continue;
    std::error_code ignored;
    if (const FileDescriptor lock = lock_of(path, 0)) fs::remove_all(path, ignored);
  }
}

}  // namespace

SshFolder make_ssh_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  for (const std::string& parent : {std::string(runtime ? runtime : ""), fs::temp_directory_path().string(), std::string("/tmp")}) {
    if (parent.empty() || parent.size() > longest_folder) continue;
    clear_folders(parent);
    for (int tries = 0; tries < most_tries_at_folder; ++tries) {
      std::string path = parent + "/fabric-ssh-XXXXXX";
      if (!mkdtemp(path.data())) break;  // of mode 0700
      // Before it was locked, somebody else may have taken it for one that was left.
      FileDescriptor lock = lock_of(path, O_CREAT);
      if (lock && is_there(path, lock.get())) return {std::move(path), std::move(lock)};
    }
  }
  throw std::system_error(errno, std::generic_category(), "cannot make a folder for connections of ssh");
}

}  // namespace fabric
