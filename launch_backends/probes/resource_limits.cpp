#include "launch_backends/probes/resource_limits.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace fabric {
namespace {

std::optional<std::uint64_t> take_limit(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(" \n"));
  text.remove_prefix(word.size());
  if (word == "unlimited") return unlimited;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size() ? std::optional(number) : std::nullopt;
}

}  // namespace

std::optional<SoftAndHard> resource_limit(const ProbeRoot& root, std::string_view row) {
  const auto text = root.read("/proc/self/limits");
  const std::size_t at = text ? text->find("\n" + std::string(row) + ' ') : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(*text).substr(at + 1 + row.size());
  const auto soft = take_limit(rest);
  const auto hard = take_limit(rest);
  if (!soft || !hard) return std::nullopt;
  return SoftAndHard{*soft, *hard};
}

}  // namespace fabric
