#include "launch_backends/protocol.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "schema/json.hpp"
#include "schema/utf8.hpp"

namespace fabric {
namespace {

constexpr std::size_t noise_lines = 20;

// What a character costs inside a JSON string at the very most: \u0000 for a control character, \" for a quote.
std::size_t quoted_size(std::string_view character) {
  const unsigned char c = static_cast<unsigned char>(character[0]);
  if (c < 0x20) return 6;
  return c == '"' || c == '\\' ? 2 : character.size();
}

std::string excerpt(const std::string& line) { return "'" + line.substr(0, 120) + (line.size() > 120 ? "..." : "") + "'"; }

}  // namespace

std::string Message::type() const {
  const Value* type = body.find("type");
  return type && type->is_string() ? type->as_string() : "";
}

std::string FrameWriter::line(std::string_view key, Value content, std::optional<bool> last) {
  Value frame = Value::object();
  frame.set("from", from_);
  frame.set("generation", generation_);
  frame.set("sequence", sequence_++);
  if (last) frame.set("last", *last);
  frame.set(key, std::move(content));
  return canonical_json(frame) + '\n';
}

std::vector<std::string> FrameWriter::frames(const Value& body) {
  const std::string text = canonical_json(body);
  assert(text.size() <= message_limit);
  // Room for what surrounds the message: names, two numbers of 20 digits, the sender.
  const std::size_t room = frame_limit - 100 - 40 - from_.size();
  if (text.size() <= room) return {line("message", body, std::nullopt)};
  std::vector<std::string> lines;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::size_t taken = 0;
    for (std::size_t cost = 0; taken < rest.size();) {
      const std::size_t length = std::max<std::size_t>(utf8_length(rest, taken), 1);
      cost += quoted_size(rest.substr(taken, length));
      if (cost > room) break;
      taken += length;
    }
    const std::string_view part = rest.substr(0, taken);
    rest.remove_prefix(taken);
    lines.push_back(line("part", Value(part), rest.empty()));
  }
  return lines;
}

void FrameReader::feed(std::string_view bytes) {
  buffer_.erase(0, read_);
  read_ = 0;
  buffer_ += bytes;
}

std::optional<Message> FrameReader::next() {
  for (;;) {
    const std::size_t end = buffer_.find('\n', read_);
    if (end == std::string::npos) {
      if (buffer_.size() - read_ > message_limit) throw ProtocolError("a line without end");
      return std::nullopt;
    }
    const std::string line = buffer_.substr(read_, end - read_);
    read_ = end + 1;
    if (std::optional<Message> message = accept(line)) return message;
  }
}

std::optional<Message> FrameReader::accept(const std::string& line) {
  const auto be_noise = [&]() -> std::optional<Message> {
    noise_.push_back(as_utf8(line));
    if (noise_.size() > noise_lines) noise_.pop_front();
    return std::nullopt;
  };
  const auto wrong = [&](const std::string& what) { return ProtocolError(what + ": " + excerpt(as_utf8(line))); };

  std::string why;
  const std::optional<Value> frame = line.size() < frame_limit ? read_json(line, &why) : std::nullopt;
  const Value* from = frame ? frame->find("from") : nullptr;
  const Value* generation = frame ? frame->find("generation") : nullptr;
  const Value* sequence = frame ? frame->find("sequence") : nullptr;
  const Value* whole = frame ? frame->find("message") : nullptr;
  const Value* part = frame ? frame->find("part") : nullptr;
  const Value* last = frame ? frame->find("last") : nullptr;
  const bool formed = from && from->is_string() && generation && generation->is_integer() && sequence && sequence->is_integer() &&
                      ((whole && whole->is_object()) || (part && part->is_string() && last && last->is_bool()));
  if (!formed) {
    // A shell may have printed half a line before.
    if (const std::size_t begin = line.rfind(R"({"from":)"); !greeted() && begin != std::string::npos && begin > 0) {
      std::optional<Message> message = accept(line.substr(begin));
      if (greeted()) return message;
    }
    if (!greeted()) return be_noise();
    throw wrong("a line that is no frame");
  }

  const auto known = senders_.find(from->as_string());
  Sender candidate;
  Sender& sender = known == senders_.end() ? candidate : known->second;
  if (sequence->as_integer() != sender.next) {
    if (!greeted()) return be_noise();
    throw ProtocolError("frame " + std::to_string(sequence->as_integer()) + " of " + from->as_string() + " came where frame " +
                        std::to_string(sender.next) + " was due");
  }
  if (generation->as_integer() != generation_) {
    if (!greeted()) return be_noise();
    throw ProtocolError("a frame of generation " + std::to_string(generation->as_integer()) + " in generation " +
                        std::to_string(generation_));
  }
  std::optional<Value> body;
  if (whole) {
    if (!sender.parts.empty()) throw wrong("a message inside another");
    body = *whole;
  } else {
    sender.parts += part->as_string();
    if (sender.parts.size() > message_limit) throw ProtocolError("a message of " + from->as_string() + " without end");
    if (last->as_bool()) {
      body = read_json(sender.parts, &why);
      if (!body || !body->is_object()) throw wrong("parts that are no message (" + why + ")");
      sender.parts.clear();
    }
  }
  if (known == senders_.end()) {
    const Value* nonce = body ? body->find("nonce") : nullptr;
    if (!nonce || !(*nonce == Value(nonce_))) {
      if (!greeted()) return be_noise();
      throw wrong("a first message without the nonce");
    }
    ++candidate.next;
    senders_.emplace(from->as_string(), std::move(candidate));
  } else {
    ++sender.next;
  }
  if (!body) return std::nullopt;
  return Message{from->as_string(), std::move(*body)};
}

std::string as_utf8(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text, 0);
    if (length == 0) clean += "\xEF\xBF\xBD";
    else clean += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return clean;
}

std::string text_of_bytes(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char byte : bytes) append_utf8(text, static_cast<unsigned char>(byte));
  return text;
}

std::string bytes_of_text(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (first < 0x80) bytes += text[at];
    else if (first <= 0xC3 && at + 1 < text.size()) bytes += static_cast<char>((first & 3) << 6 | (text[++at] & 0x3F));
    else throw ProtocolError("a text that stands for no bytes");
  }
  return bytes;
}

std::string make_nonce() {
  std::array<unsigned char, 8> bytes{};
  // Never fails for so few bytes, once the kernel has started.
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("no random numbers");
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char b : bytes) {
    text += digits[b >> 4];
    text += digits[b & 15];
  }
  return text;
}

}  // namespace fabric
