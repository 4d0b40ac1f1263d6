#include "schema/slurm_time.hpp"

#include <array>
#include <charconv>

namespace fabric {
namespace {

constexpr std::int64_t most = 1000000;  // days, hours, minutes or seconds; beyond it is no time of anybody

// The number in front, which is taken away. Nothing where none is there.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > most) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::optional<std::int64_t> slurm_seconds(std::string_view text) {
  std::array<std::int64_t, 4> numbers{};  // in the order in which they are written
  std::size_t count = 0;
  bool days = false;
  for (;;) {
    const std::optional<std::int64_t> number = take_number(text);
    if (!number || count == numbers.size()) return std::nullopt;
    numbers[count++] = *number;
    if (text.empty()) break;
    if (text.front() == '-' && count == 1) days = true;
    else if (text.front() != ':') return std::nullopt;
    text.remove_prefix(1);
  }
  if (!days && count > 3) return std::nullopt;
  // Behind days come hours first; without them one number is minutes, and two end with seconds.
  if (days) return 86400 * numbers[0] + 3600 * numbers[1] + 60 * numbers[2] + numbers[3];
  return count == 3 ? 3600 * numbers[0] + 60 * numbers[1] + numbers[2] : 60 * numbers[0] + numbers[1];
}

}  // namespace fabric
