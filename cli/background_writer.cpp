#include "cli/background_writer.hpp"

#include <signal.h>

#include <system_error>

#include "cli/terminal.hpp"

namespace fabric {

BackgroundWriter::~BackgroundWriter() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool BackgroundWriter::write(std::string text, bool patient) {
  std::unique_lock lock(mutex_);
  if (failure_ != 0) return true;
  const auto room = [&] { return failure_ != 0 || waiting_.empty() || bytes_ + text.size() <= capacity; };
  if (behind_ && bytes_ < capacity / 2) behind_ = false;
  if (!room() && patient && !behind_) changed_.wait_for(lock, std::chrono::milliseconds(200), room);
  if (!room()) {
    behind_ = true;
    return false;
  }
  bytes_ += text.size();
  waiting_.push_back(std::move(text));
  if (!thread_.joinable()) {
    // Signals are for the thread that conducts the run.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread([this] { work(); });
    } catch (const std::system_error& error) {
      // No more processes are allowed to this user: a run of which nothing is shown is better than none.
      failure_ = error.code().value();
      waiting_.clear();
      bytes_ = 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  lock.unlock();
  changed_.notify_all();
  return true;
}

bool BackgroundWriter::drain(std::optional<std::chrono::milliseconds> limit) {
  std::unique_lock lock(mutex_);
  const auto written = [this] { return waiting_.empty(); };
  if (limit) return changed_.wait_for(lock, *limit, written);
  changed_.wait(lock, written);
  return true;
}

bool BackgroundWriter::idle() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty();
}

int BackgroundWriter::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void BackgroundWriter::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    // Texts are only added behind it, so that it stays where it is.
    const std::string& text = waiting_.front();
    lock.unlock();
    const int error = write_all(fd_, text);
    lock.lock();
    if (error != 0) {
      failure_ = error;
      waiting_.clear();
      bytes_ = 0;
    } else {
      bytes_ -= text.size();
      waiting_.pop_front();
    }
    changed_.notify_all();
  }
}

}  // namespace fabric
