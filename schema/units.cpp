#include "schema/units.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "schema/binding.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

// A run of digits, with an optional fraction, taken off the front of text.
std::optional<double> take_number(std::string_view& text, bool fraction) {
  std::size_t n = 0;
  while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
  if (n == 0) return std::nullopt;
  if (fraction && n + 1 < text.size() && text[n] == '.' && text[n + 1] >= '0' && text[n + 1] <= '9') {
    ++n;
    while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
  }
  double number = 0;
  if (std::from_chars(text.data(), text.data() + n, number).ec != std::errc{}) return std::nullopt;
  text.remove_prefix(n);
  return number;
}

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t i = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), i);
  if (text.empty() || error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return i;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// H:MM:SS or D-HH:MM:SS, as SLURM writes a time limit.
std::optional<double> parse_clock(std::string_view text) {
  double days = 0;
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto d = whole(text.substr(0, dash));
    if (!d || *d < 0) return std::nullopt;
    days = static_cast<double>(*d);
    text.remove_prefix(dash + 1);
  }
  double parts[3];
  for (int i = 0; i < 3; ++i) {
    const auto n = take_number(text, false);
    if (!n || (i > 0 && *n > 59)) return std::nullopt;
    parts[i] = *n;
    if (i < 2) {
      if (text.empty() || text.front() != ':') return std::nullopt;
      text.remove_prefix(1);
    }
  }
  if (!text.empty()) return std::nullopt;
  return days * 86400 + parts[0] * 3600 + parts[1] * 60 + parts[2];
}

}  // namespace

std::optional<Duration> Duration::parse(std::string_view text) {
  text = trim(text);
  if (text.find(':') != std::string_view::npos) {
    const auto seconds = parse_clock(text);
    return seconds && *seconds <= longest ? std::optional(Duration{*seconds}) : std::nullopt;
  }
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  for (bool first = true; !text.empty(); first = false) {
    const auto number = take_number(text, true);
    if (!number) return std::nullopt;
    if (text.empty() && first) {  // a plain number
      seconds = *number;
      break;
    }
    double unit = 0;
    if (text.starts_with("ms")) {
      unit = 0.001;
      text.remove_prefix(1);
    } else if (text.starts_with('s')) {
      unit = 1;
    } else if (text.starts_with('m')) {
      unit = 60;
    } else if (text.starts_with('h')) {
      unit = 3600;
    } else if (text.starts_with('d')) {
      unit = 86400;
    } else {
      return std::nullopt;
    }
    text.remove_prefix(1);
    seconds += *number * unit;
  }
  return seconds <= longest ? std::optional(Duration{seconds}) : std::nullopt;
}

Duration Duration::from_value(const Value& value, const Path& path) {
  if (value.is_number() && value.as_real() >= 0 && value.as_real() <= longest) return Duration{value.as_real()};
  if (value.is_string())
    if (const auto duration = parse(value.as_string())) return *duration;
  throw BindingError(path, "expected a duration such as 90s, 10m, 36h or 1-12:00:00");
}

std::string Duration::str() const {
  if (seconds != std::floor(seconds) || seconds == 0) {
    char text[400];  // the smallest double has 324 places
    return std::string(text, std::to_chars(text, text + sizeof text, seconds, std::chars_format::fixed).ptr) + 's';
  }
  auto left = static_cast<std::int64_t>(seconds);
  std::string text;
  for (const auto& [unit, size] : {std::pair{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}) {
    if (left >= size) text += std::to_string(left / size) + unit;
    left %= size;
  }
  return text;
}

std::optional<Interval> Interval::parse(std::string_view text) {
  text = trim(text);
  const auto number = take_number(text, false);
  if (!number || *number < 1 || *number > 9e15) return std::nullopt;
  text = trim(text);
  const auto count = static_cast<std::int64_t>(*number);
  if (text.empty() || text == "steps" || text == "step") return Interval{count, Unit::steps};
  if (text == "epochs" || text == "epoch") return Interval{count, Unit::epochs};
  return std::nullopt;
}

Interval Interval::from_value(const Value& value, const Path& path) {
  if (const auto count = value.whole(); count && *count >= 1) return Interval{*count, Unit::steps};
  if (value.is_string())
    if (const auto interval = parse(value.as_string())) return *interval;
  throw BindingError(path, "expected an interval such as 500 steps or 1 epoch");
}

std::string Interval::str() const { return std::to_string(count) + (unit == Unit::steps ? " step" : " epoch") + (count == 1 ? "" : "s"); }

std::optional<std::string> Devices::parse(const Value& value, Devices& devices) {
  devices = {};
  const auto take_count = [&](std::int64_t n) -> std::optional<std::string> {
    if (n == -1) {
      devices.all = true;
      return std::nullopt;
    }
    if (n < 1) return "a count of devices is 1 or more, or -1 for all";
    devices.count = n;
    return std::nullopt;
  };
  const auto take_ids = [&](std::vector<std::int64_t> ids) -> std::optional<std::string> {
    if (ids.empty()) return "a list of devices names at least one";
    if (std::set<std::int64_t>(ids.begin(), ids.end()).size() != ids.size()) return "a device is named twice";
    if (*std::min_element(ids.begin(), ids.end()) < 0) return "a device index is 0 or more";
    devices.count = static_cast<std::int64_t>(ids.size());
    devices.ids = std::move(ids);
    return std::nullopt;
  };

  if (value.is_number()) {
    const auto count = value.whole();
    return count ? take_count(*count) : "a count of devices is an integer";
  }
  if (value.is_string()) {
    const std::string_view text = trim(value.as_string());
    if (text == "all") return take_count(-1);
    if (const auto n = whole(text)) return take_count(*n);
    std::vector<std::int64_t> ids;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      const auto id = whole(trim(text.substr(at, comma - at)));
      if (!id) return "expected a count such as \"2\", or indices such as \"0,2\" or \"2,\"";
      ids.push_back(*id);
      at = comma + 1;
    }
    return take_ids(std::move(ids));
  }
  const Value* list = value.is_object() ? value.find("ids") : &value;
  if (value.is_object() && !list)
    if (const Value* count = value.find("count")) return parse(*count, devices);
  if (!list || !list->is_array()) return "expected auto, a count, or indices such as [0, 2]";
  std::vector<std::int64_t> ids;
  for (const Value& id : list->as_array()) {
    const auto index = id.whole();
    if (!index) return "a device index is an integer";
    ids.push_back(*index);
  }
  return take_ids(std::move(ids));
}

Devices Devices::from_value(const Value& value, const Path& path) {
  Devices devices;
  if (const auto why = parse(value, devices)) throw BindingError(path, *why);
  return devices;
}

Value Devices::to_value() const {
  Value out = Value::object();
  if (all) out.set("count", "all");
  else if (ids.empty()) out.set("count", count);
  else out.set("ids", fabric::to_value(ids));
  return out;
}

ProgramArguments ProgramArguments::from_value(const Value& value, const Path& path) {
  ProgramArguments arguments;
  const auto text = [](const Value& v) { return v.is_string() ? v.as_string() : canonical_json(v); };
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.as_array().size(); ++i) {
      const Value& word = value.as_array()[i];
      if (!word.is_string()) binding_fails(path / i, "a string", word);
      arguments.words.push_back(word.as_string());
    }
    return arguments;
  }
  if (!value.is_object()) binding_fails(path, "a list or a map", value);
  for (const Member& option : value.as_object()) {
    if (option.value.is_bool() && !option.value.as_bool()) continue;
    // A word that begins with a dash is taken for an option by who parses them, unless it is joined to its own.
    const std::string name = "--" + option.key;
    if (option.value.is_string() && option.value.as_string().starts_with('-')) {
      arguments.words.push_back(name + '=' + option.value.as_string());
      continue;
    }
    arguments.words.push_back(name);
    if (option.value.is_array())
      for (const Value& item : option.value.as_array()) arguments.words.push_back(text(item));
    else if (!option.value.is_bool()) arguments.words.push_back(text(option.value));
  }
  return arguments;
}

Value ProgramArguments::to_value() const { return fabric::to_value(words); }

bool matches_variable(std::string_view pattern, std::string_view name) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
}

bool Inherit::takes(std::string_view name) const {
  return !patterns || std::any_of(patterns->begin(), patterns->end(), [name](const std::string& p) { return matches_variable(p, name); });
}

Inherit Inherit::from_value(const Value& value, const Path& path) {
  if (value == Value("all")) return {};
  if (value == Value("none")) return {std::vector<std::string>{}};
  if (!value.is_array()) binding_fails(path, "`all`, `none` or a list", value);
  return {fabric::from_value<std::vector<std::string>>(value, path)};
}

Value Inherit::to_value() const { return !patterns ? Value("all") : patterns->empty() ? Value("none") : fabric::to_value(*patterns); }

std::string Devices::str() const {
  if (all) return "all";
  if (ids.empty()) return std::to_string(count);
  std::string text = "[";
  for (const std::int64_t id : ids) text += (text.size() > 1 ? ", " : "") + std::to_string(id);
  return text + "]";
}

}  // namespace fabric
