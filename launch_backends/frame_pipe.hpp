// One end of a conversation in frames over two descriptors. Never blocks: what the other side does not take yet waits here, and is
// written in whole frames, of which a pipe takes each entire or not at all.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/messages.hpp"
#include "launch_backends/protocol.hpp"

namespace fabric {

class FramePipe {
 public:
  // in and out are made non-blocking.
  FramePipe(FileDescriptor in, FileDescriptor out, std::string own_name, std::string nonce, std::int64_t generation);

  template <class M>
  void send(const M& message) {
    send_body(messages::message_of(message));
  }
  void send_body(const Value& body);

  // Writes what is taken now. Once nobody reads any more, all is thrown away, then and later.
  void flush();
  bool wants_to_write() const { return !waiting_.empty(); }
  std::size_t waiting_bytes() const { return waiting_bytes_; }

  // Reads what is there now.
  void receive();
  // The next whole message among it. Throws ProtocolError.
  std::optional<Message> next() { return reader_.next(); }
  void stop_reading() { in_.reset(); }
  bool ended() const { return !in_; }  // nothing follows what was received
  const FrameReader& reader() const { return reader_; }

  int in() const { return in_.get(); }    // -1 once ended
  int out() const { return out_.get(); }  // -1 once closed
  // Says that nothing follows.
  void close_out();
  // Its descriptors, for another conversation, once all of this one has been written and read.
  DescriptorPair release() { return {std::move(in_), std::move(out_)}; }

 private:
  FileDescriptor in_;
  FileDescriptor out_;
  FrameWriter writer_;
  FrameReader reader_;
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
};

}  // namespace fabric
