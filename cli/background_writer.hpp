// Writes to a descriptor from a thread of its own, so that whoever conducts a run never waits for whoever reads its output: a full
// pipe, a terminal held with Ctrl-S, a slow disk.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace fabric {

class BackgroundWriter {
 public:
  explicit BackgroundWriter(int fd) : fd_(fd) {}
  ~BackgroundWriter();  // drains
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  static constexpr std::size_t capacity = 256 << 10;  // bytes that may wait

  // Takes text, in order and whole, or not at all. With `patient` it waits for room, once for at most 200 ms: from then on until the
  // reader has caught up, what finds no room is refused at once. After a failure everything is taken and dropped.
  bool write(std::string text, bool patient = true);
  // Returns when all has been written that will be, however long the reader takes; false if that is longer than limit.
  bool drain(std::optional<std::chrono::milliseconds> limit = std::nullopt);
  bool idle() const;
  // Why nothing is written any more: an errno, 0 while all is well. EPIPE, a reader that has left, is one, and EAGAIN, no thread.
  int failure() const;

 private:
  void work();

  const int fd_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;  // the first is being written
  std::size_t bytes_ = 0;
  bool behind_ = false;
  bool closing_ = false;
  int failure_ = 0;
  std::thread thread_;  // from the first text on
};

}  // namespace fabric
