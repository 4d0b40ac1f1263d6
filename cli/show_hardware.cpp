#include "cli/show_hardware.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "cli/outside.hpp"
#include "cli/spoken.hpp"
#include "schema/hardware_schema.hpp"
#include "schema/json.hpp"
#include "schema/json_schema.hpp"
#include "schema/number_list.hpp"

namespace fabric {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// 64 of the CPUs share 32 cores: 0,32 and so on
std::string smt_words(const Host& host) {
  std::size_t cpus = 0;
  for (const std::vector<std::int64_t>& core : *host.smt_siblings) cpus += core.size();
  return fmt::format("{} of the CPUs are threads of {} {}, such as {}", cpus, host.smt_siblings->size(),
                     host.smt_siblings->size() == 1 ? "core" : "cores", number_list_text(host.smt_siblings->front()));
}

std::string show_host(const HostGroup& group, const Terminal& terminal) {
  const Host& host = group.host;
  std::string text = terminal.paint(Style::strong, sanitised(host.hostname)) +
                     (group.count > 1 ? fmt::format("  and {} alike", group.count - 1) : "") +
                     (group.unavailable.value_or(0) > 0 ? fmt::format("; {} of them take no job now", *group.unavailable) : "") + "\n\n";
  Rows rows;
  const auto row = [&](std::string_view what, std::string value) {
    rows.push_back({terminal.paint(Style::faint, what), std::move(value)});
  };
  row("CPUs", fmt::format("{} of {}: {}", host.cpus.size(), host.cpus_online, number_list_text(host.cpus)));
  if (host.smt_siblings && !host.smt_siblings->empty()) row("Cores", smt_words(host));
  if (host.cpu_quota) row("CPU quota", fmt::format("{:.2f} CPUs' worth of time", *host.cpu_quota));
  row("Memory", spoken_bytes(host.memory_bytes));
  if (host.memory_limit) row("Memory limit", spoken_bytes(*host.memory_limit));
  for (const NumaNode& n : host.numa_nodes)
    row(fmt::format("NUMA node {}", n.id), fmt::format("CPUs {}, {}", number_list_text(n.cpus), spoken_bytes(n.memory_bytes)));
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
    std::string line = sanitised(g.name);
    if (g.memory_bytes) line += ", " + spoken_bytes(*g.memory_bytes);
    if (g.compute_major && g.compute_minor) line += fmt::format(", compute capability {}.{}", *g.compute_major, *g.compute_minor);
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
  for (const HostGroup& group : hardware.groups) text += (text.empty() ? "" : "\n") + show_host(group, terminal);
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
  return from_value<Hardware>(*value);
}

bool is_one_machine(const Hardware& hardware, const std::string& path, Diagnostics& diagnostics) {
  if (hardware.groups.size() == 1 && hardware.groups.front().count == 1) return true;
  Diagnostic d{.code = "FAB4803", .message = path + " describes several machines, and backend local is one"};
  d.at = Place("groups");
  d.label = "more than one";
  d.help = "leave one group with `count: 1`, or write another backend";
  diagnostics.add(std::move(d));
  return false;
}

}  // namespace fabric
