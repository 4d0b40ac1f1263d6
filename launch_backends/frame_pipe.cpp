#include "launch_backends/frame_pipe.hpp"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <cerrno>

namespace fabric {
namespace {

void make_nonblocking(int fd) {
  if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

}  // namespace

FramePipe::FramePipe(FileDescriptor in, FileDescriptor out, std::string own_name, std::string nonce, std::int64_t generation)
    : in_(std::move(in)), out_(std::move(out)), writer_(std::move(own_name), generation), reader_(std::move(nonce), generation) {
  make_nonblocking(in_.get());
  make_nonblocking(out_.get());
}

void FramePipe::send_body(const Value& body) {
  if (!out_) return;
  for (std::string& line : writer_.frames(body)) {
    waiting_bytes_ += line.size();
    waiting_.push_back(std::move(line));
  }
  flush();
}

void FramePipe::flush() {
  while (out_ && !waiting_.empty()) {
    std::string batch;
    std::size_t frames = 0;
    while (frames < waiting_.size() && (frames == 0 || batch.size() + waiting_[frames].size() <= PIPE_BUF)) batch += waiting_[frames++];
    const ssize_t n = write(out_.get(), batch.data(), batch.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      close_out();
      return;
    }
    // A socket, unlike a pipe, may take a part.
    std::size_t taken = static_cast<std::size_t>(n);
    waiting_bytes_ -= taken;
    while (taken > 0) {
      std::string& front = waiting_.front();
      if (taken < front.size()) {
        front.erase(0, taken);
        break;
      }
      taken -= front.size();
      waiting_.pop_front();
    }
  }
}

void FramePipe::receive() {
  char buffer[1 << 16];
  while (in_) {
    const ssize_t n = read(in_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      in_.reset();
      return;
    }
    reader_.feed({buffer, static_cast<std::size_t>(n)});
    // One bufferful at a time keeps other work going.
    return;
  }
}

void FramePipe::close_out() {
  out_.reset();
  waiting_.clear();
  waiting_bytes_ = 0;
}

}  // namespace fabric
