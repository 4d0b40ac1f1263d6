// How controller and agent talk, whatever carries them: JSON lines over the agent's stdin and stdout. A frame is one line of at
// most 1,000 bytes with its newline, since longer ones are torn on the way by some carriers; a longer message travels in parts.
// Each sender numbers its frames from 0, and a gap is an error: nothing is lost in silence.
//
//   {"from":"agent-0","generation":0,"message":{"type":"pong",...},"sequence":7}
//   {"from":"agent-0","generation":0,"last":false,"part":"{\"type\":\"view\",...","sequence":8}
//
// What a shell or a module system prints before the first frame is noise, told from a frame by a nonce that the first message
// of each sender carries, which is never in parts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "schema/value.hpp"

namespace fabric {

constexpr std::size_t frame_limit = 1000;                    // bytes, newline included
constexpr std::size_t message_limit = std::size_t{4} << 20;  // bytes of a message's JSON

// The other side, or something between, does not keep to the protocol: a gap in the numbers, a line that is no frame, another generation.
struct ProtocolError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Message {
  std::string from;
  Value body;  // a map with "type"
  std::string type() const;
};

// Cuts the messages of one sender into frames.
class FrameWriter {
 public:
  FrameWriter(std::string from, std::int64_t generation) : from_(std::move(from)), generation_(generation) {}
  // Lines, each with its newline. body is a map with "type"; all of its text is UTF-8.
  std::vector<std::string> frames(const Value& body);

 private:
  std::string line(std::string_view key, Value content, std::optional<bool> last);

  std::string from_;
  std::int64_t generation_;
  std::int64_t sequence_ = 0;
};

// Puts the messages of all senders of one stream together again.
class FrameReader {
 public:
  FrameReader(std::string nonce, std::int64_t generation) : nonce_(std::move(nonce)), generation_(generation) {}

  void feed(std::string_view bytes);
  // The next whole message, or nullopt until more bytes come. Throws ProtocolError.
  std::optional<Message> next();

  // Whether a first frame with the nonce has come.
  bool greeted() const { return !senders_.empty(); }
  // Whether parts of a message have come, and the last has not.
  bool waits_for_a_part() const {
    return std::any_of(senders_.begin(), senders_.end(), [](const auto& sender) { return !sender.second.parts.empty(); });
  }
  // The last lines of what came before it.
  const std::deque<std::string>& noise() const { return noise_; }

 private:
  struct Sender {
    std::int64_t next = 0;
    std::string parts;
  };
  std::optional<Message> accept(const std::string& line);

  std::string nonce_;
  std::int64_t generation_;
  std::string buffer_;
  std::size_t read_ = 0;  // bytes of buffer_ that are done with
  std::map<std::string, Sender> senders_;
  std::deque<std::string> noise_;
};

// text with every byte that is not UTF-8 replaced by U+FFFD: what a program prints may be anything, a frame may not.
std::string as_utf8(std::string_view text);

// Any bytes as the text of a frame, each as the character of its number, and back again.
std::string text_of_bytes(std::string_view bytes);
std::string bytes_of_text(std::string_view text);

// 16 hexadecimal digits that nobody else has.
std::string make_nonce();

}  // namespace fabric
