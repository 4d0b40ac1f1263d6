// Values with a spelling: durations (90s, 10m, 36h, 4:00:00, 1-12:00:00), intervals (500 steps, 1 epochs), devices, arguments, and
// choices of variables.
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

// What stands behind a program on its command line. Written as a list of words, or as a map from option to value:
// {lr: 0.1, sizes: [1, 2], fp16: true, debug: false} is --lr 0.1 --sizes 1 2 --fp16.
struct ProgramArguments {
  std::vector<std::string> words;

  static ProgramArguments from_value(const Value& value, const Path& path);
  Value to_value() const;
  friend bool operator==(const ProgramArguments&, const ProgramArguments&) = default;
};

// Which variables of a shell reach a program: all, none, or those that a pattern matches. A pattern is a name, or its beginning and *.
struct Inherit {
  std::optional<std::vector<std::string>> patterns;  // absent: all

  bool takes(std::string_view name) const;
  static Inherit from_value(const Value& value, const Path& path);
  Value to_value() const;
  friend bool operator==(const Inherit&, const Inherit&) = default;
};

// Whether a name is the pattern, or begins with what stands before its *.
bool matches_variable(std::string_view pattern, std::string_view name);

}  // namespace fabric
