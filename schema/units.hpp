// Quantities with a spelling: durations (90s, 10m, 36h, 4:00:00, 1-12:00:00), intervals (500 steps, 1 epochs), and devices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/path.hpp"
#include "schema/value.hpp"

namespace fabric {

// Seconds, up to 1e15. Written as `90s 10m 36h 2d`, sums of these (`1h30m`), SLURM's `MM:SS`-free forms `H:MM:SS` and `D-HH:MM:SS`, or a
// plain number of seconds.
struct Duration {
  double seconds = 0;

  static constexpr double longest = 1e15;  // what a count of seconds in 64 bits holds with room
  static std::optional<Duration> parse(std::string_view text);
  static Duration from_value(const Value& value, const Path& path);
  Value to_value() const { return seconds; }
  std::string str() const;  // 30s, 1h30m
  friend bool operator==(const Duration&, const Duration&) = default;
};

// How often: a count of optimizer steps or of epochs. `500 steps`, `1 epoch`; a plain integer counts steps.
struct Interval {
  enum class Unit { steps, epochs };
  std::int64_t count = 1;
  Unit unit = Unit::steps;

  static std::optional<Interval> parse(std::string_view text);
  static Interval from_value(const Value& value, const Path& path);
  Value to_value() const { return str(); }
  std::string str() const;
  friend bool operator==(const Interval&, const Interval&) = default;
};

// Devices of one node: a count, or exact indices in the order of local ranks, or all that are visible.
// 4 and "4" count; [0, 2], "0,2", "2," and {ids: [0, 2]} name; -1 and "-1" mean all (Lightning's spellings).
struct Devices {
  bool all = false;
  std::int64_t count = 0;         // 0 while all
  std::vector<std::int64_t> ids;  // empty unless named

  // Why a spelling is refused, or nullopt and the devices.
  static std::optional<std::string> parse(const Value& value, Devices& devices);
  static Devices from_value(const Value& value, const Path& path);
  Value to_value() const;
  std::string str() const;
  friend bool operator==(const Devices&, const Devices&) = default;
};

}  // namespace fabric
