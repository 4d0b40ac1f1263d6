#include "launch_backends/rank_error.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string_view>

#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr std::size_t longest = 500;  // bytes of a message

// How torch, gloo and NCCL speak of a peer that is gone. A victim says so, and a culprit does not.
bool speaks_of_a_peer(std::string_view message) {
  for (const std::string_view words :
       {"Connection closed by peer", "Connection reset by peer", "DistNetworkError", "ncclRemoteError", "remote process exited",
        "NCCL communicator was aborted", "Timed out waiting", "Broken pipe", "Socket Timeout", "Connection refused"})
    if (message.find(words) != std::string_view::npos) return true;
  return false;
}

RankError error_of(std::string message) {
  RankError error{speaks_of_a_peer(message) ? "communication" : "exception", ""};
  message = message.substr(0, message.find('\n'));
  if (message.size() > longest) message = message.substr(0, longest) + "...";
  error.message = std::move(message);
  return error;
}

}  // namespace

std::optional<RankError> read_error_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in.is_open()) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::optional<Value> value = read_json(text);
  const Value* message = value && value->is_object() ? value->find("message") : nullptr;
  if (message && message->is_object()) message = message->find("message");
  if (!message || !message->is_string() || message->as_string().empty()) return std::nullopt;
  return error_of(message->as_string());
}

std::optional<RankError> find_traceback(const std::vector<std::string>& lines) {
  // torchrun's prefix or a logger's may stand in front.
  const auto begins = [](const std::string& line) { return line.ends_with("Traceback (most recent call last):"); };
  const auto last = std::find_if(lines.rbegin(), lines.rend(), begins);
  if (last == lines.rend()) return std::nullopt;
  const std::size_t indent = last->size() - std::string_view("Traceback (most recent call last):").size();
  for (auto line = last.base(); line != lines.end(); ++line) {
    if (line->size() <= indent) continue;
    const std::string text = line->substr(indent);
    if (text[0] != ' ' && text[0] != '\t') return error_of(text);
  }
  return std::nullopt;
}

}  // namespace fabric
