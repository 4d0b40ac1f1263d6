#include "launch_backends/probes/meminfo.hpp"

#include <algorithm>
#include <charconv>

namespace fabric {

std::optional<std::int64_t> total_memory(std::string_view meminfo) {
  constexpr std::string_view row = "MemTotal:";
  const std::size_t at = meminfo.find(row);
  if (at == std::string_view::npos) return std::nullopt;
  meminfo.remove_prefix(at + row.size());
  meminfo.remove_prefix(std::min(meminfo.find_first_not_of(' '), meminfo.size()));
  std::int64_t kibibytes = 0;
  const auto [end, error] = std::from_chars(meminfo.data(), meminfo.data() + meminfo.size(), kibibytes);
  if (error != std::errc() || kibibytes < 0 || kibibytes > INT64_MAX / 1024) return std::nullopt;
  meminfo.remove_prefix(static_cast<std::size_t>(end - meminfo.data()));
  return meminfo.starts_with(" kB") ? std::optional(kibibytes * 1024) : std::nullopt;
}

}  // namespace fabric
