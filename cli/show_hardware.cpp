#include "cli/show_hardware.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "cli/outside.hpp"
#include "schema/hardware_schema.hpp"
#include "schema/json.hpp"
#include "schema/json_schema.hpp"

namespace fabric {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// 0-3,8
std::string ranges(const std::vector<std::int64_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ",", numbers[i]);
    if (last > i) text += fmt::format("-{}", numbers[last]);
    i = last + 1;
  }
  return text;
}

std::string show_host(const Host& host, std::int64_t count, const Terminal& terminal) {
  std::string text =
      terminal.paint(Style::strong, sanitised(host.hostname)) + (count > 1 ? fmt::format("  and {} alike", count - 1) : "") + "\n\n";
  Rows rows;
  const auto row = [&](std::string_view what, std::string value) {
    rows.push_back({terminal.paint(Style::faint, what), std::move(value)});
  };
  row("CPUs", fmt::format("{} of {}: {}", host.cpus.size(), host.cpus_online, ranges(host.cpus)));
  if (host.cpu_quota) row("CPU quota", fmt::format("{:.2f} CPUs' worth of time", *host.cpu_quota));
  row("Memory", spoken_bytes(host.memory_bytes));
  if (host.memory_limit) row("Memory limit", spoken_bytes(*host.memory_limit));
  for (const NumaNode& n : host.numa_nodes)
    row(fmt::format("NUMA node {}", n.id), fmt::format("CPUs {}, {}", ranges(n.cpus), spoken_bytes(n.memory_bytes)));
  for (std::size_t i = 0; i < host.interfaces.size(); ++i) {
    const NetworkInterface& first = host.interfaces[i];
    const auto same = [&](const NetworkInterface& other) { return other.name == first.name; };
    const auto at = host.interfaces.begin();
    if (std::any_of(at, at + static_cast<std::ptrdiff_t>(i), same)) continue;
    std::string addresses;
    for (const NetworkInterface& other : host.interfaces)
      if (same(other)) addresses += (addresses.empty() ? "" : ", ") + sanitised(other.address);
    row(fmt::format("Interface {}", sanitised(first.name)), addresses + (first.loopback ? "; this machine only" : ""));
  }
  row("NVIDIA driver", host.nvidia_driver ? sanitised(*host.nvidia_driver) : "none that can be used");
  for (const Gpu& g : host.gpus) {
    std::string line =
        fmt::format("{}, {}, compute capability {}.{}", sanitised(g.name), spoken_bytes(g.memory_bytes), g.compute_major, g.compute_minor);
    if (g.numa_node) line += fmt::format(", NUMA node {}", *g.numa_node);
    row(fmt::format("GPU {}", g.index), line);
  }
  return text + table(rows, 2, terminal.width);
}

}  // namespace

std::string spoken_bytes(std::int64_t bytes) {
  constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < std::size(units)) {
    amount /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, units[unit]);
}

std::string show_hardware(const Hardware& hardware, const Terminal& terminal) {
  std::string text;
  for (const HostGroup& group : hardware.groups) text += (text.empty() ? "" : "\n") + show_host(group.host, group.count, terminal);
  return text;
}

std::string hardware_json(const Hardware& hardware) { return pretty_json(to_value(hardware)) + '\n'; }

namespace {

// What is wrong with a description of machines, by its schema.
Diagnostic wrong_hardware(const Violation& violation) {
  const std::string field = violation.instance.empty() ? "the file" : violation.instance.str();
  Diagnostic d;
  d.code = "FAB4802";
  d.message = "not a description of machines: ";
  d.at = Place(violation.instance);
  d.help = "record the machine again with `fabric probe -o FILE`; `fabric schema hardware` prints what a file may hold";
  const std::string& keyword = violation.keyword;
  const std::string expected = violation.expected.is_string() ? violation.expected.as_string() : canonical_json(violation.expected);
  if (keyword == "additionalProperties") {
    d.message += "unknown key `" + violation.property + "` in " + field;
    d.at = Place(violation.instance / violation.property, true);
  } else if (keyword == "required") {
    d.message += field + " lacks `" + violation.property + '`';
  } else if (keyword == "type") {
    d.message +=
        field + ": expected " + (violation.expected.is_array() ? violation.expected.as_array()[0].as_string() + " or null" : expected);
  } else if (keyword == "const") {
    d.message += field + ": this fabric knows " + expected;
  } else if (keyword == "minimum" || keyword == "exclusiveMinimum") {
    d.message += field + ": expected " + (keyword == "minimum" ? "at least " : "more than ") + expected;
  } else if (keyword == "minItems" || keyword == "minLength") {
    d.message += field + " is empty";
  } else if (keyword == "uniqueItems") {
    d.message += field + " names one twice";
  } else {
    d.message += field + " breaks " + keyword + ' ' + expected;
  }
  return d;
}

}  // namespace

std::optional<Hardware> read_hardware(const std::string& path, Sources& sources, SourceMap& origins, Diagnostics& diagnostics) {
  const ReadFile file = read_file(path);
  Diagnostic d;
  if (!file.text) {
    d.code = "FAB4801";
    d.message = "cannot read " + path + ": " + file.error;
    d.help = "`fabric probe -o FILE` records the machine it runs on";
    diagnostics.add(std::move(d));
    return std::nullopt;
  }
  const std::uint32_t source = sources.add({path, *file.text, Source::Kind::file});
  const std::optional<Value> value = read_json(sources, source, &origins, diagnostics);
  if (!value) return std::nullopt;
  const std::vector<Violation> violations = JsonSchema(hardware_schema()).validate(*value);
  for (const Violation& violation : violations) diagnostics.add(wrong_hardware(violation));
  if (!violations.empty()) return std::nullopt;
  Hardware hardware = from_value<Hardware>(*value);
  if (hardware.groups.size() == 1 && hardware.groups.front().count == 1) return hardware;
  d.code = "FAB4803";
  d.message = path + " describes several machines, and this version of fabric plans for one";
  d.at = Place("groups");
  d.label = "more than one";
  d.help = "leave one group with `count: 1`";
  diagnostics.add(std::move(d));
  return std::nullopt;
}

}  // namespace fabric
