#include "launch_backends/probes/cgroup.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace fabric {
namespace {

// From here on a number stands for "no limit": version 1 writes the greatest multiple of a page below 2^63.
constexpr std::int64_t endless_bytes = std::int64_t{1} << 60;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(space), text.size()));
  return text.substr(0, text.find_last_not_of(space) + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool has_item(std::string_view list, std::string_view item) {
  const auto items = split(list, ',');
  return std::find(items.begin(), items.end(), item) != items.end();
}

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range && !text.starts_with('-')) return INT64_MAX;
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// mountinfo writes space, tab, newline and backslash of a path as \040 and so on (proc(5)).
std::string unescaped(std::string_view text) {
  const auto octal = [&](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '7'; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_below(std::string_view path, std::string_view folder) {
  return folder == "/" || (path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/'));
}

// A mounted hierarchy of control groups.
struct Mount {
  std::string root;   // the group that stands at point
  std::string point;  // absolute path
  bool version2 = false;
  std::string options;  // of version 1: names its controllers
};

std::vector<Mount> cgroup_mounts(std::string_view mountinfo) {
  std::vector<Mount> mounts;
  for (const std::string_view line : split(mountinfo, '\n')) {
    const std::size_t dash = line.find(" - cgroup");
    if (dash == std::string_view::npos) continue;
    const auto before = split(line.substr(0, dash), ' ');
    const auto after = split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3 || !before[4].starts_with('/')) continue;
    if (after[0] != "cgroup" && after[0] != "cgroup2") continue;
    mounts.push_back({unescaped(before[3]), unescaped(before[4]), after[0] == "cgroup2", std::string(after[2])});
  }
  return mounts;
}

// The group of this process in one hierarchy: a line of /proc/self/cgroup.
struct Membership {
  std::string_view controllers;  // cpu,cpuacct; empty in version 2
  std::string_view group;        // absolute within the hierarchy
};

std::vector<Membership> memberships(std::string_view cgroup) {
  std::vector<Membership> found;
  for (const std::string_view line : split(cgroup, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    found.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
  }
  return found;
}

// Folders from the own group upwards to the mount point.
std::vector<std::string> folders(const Mount& mount, std::string_view group) {
  std::string path = mount.point;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::size_t top = path.size();
  // In a container the group may lie outside of what is mounted, which then stands for the own group.
  const bool outside = !is_below(group, mount.root) || group.find("..") != std::string_view::npos;
  if (!outside) {
    path += mount.root == "/" ? group : group.substr(mount.root.size());
    while (path.size() > top && path.ends_with('/')) path.pop_back();
  }
  std::vector<std::string> up{path};
  while (path.size() > top) {
    path.resize(std::max(top, path.rfind('/')));
    up.push_back(path);
  }
  return up;
}

class Search {
 public:
  Search(const ProbeRoot& root, Diagnostics& diagnostics) : root_(root), diagnostics_(diagnostics) {}

  void version2(const std::string& folder) {
    const std::string cpu = folder + "/cpu.max";
    if (const auto text = root_.read(cpu)) {
      const auto words = split(trimmed(*text), ' ');
      if (words.size() == 2) cpus(cpu, words[0] == "max" ? std::optional<std::int64_t>(-1) : integer(words[0]), integer(words[1]));
      else pass_over(cpu);
    }
    const std::string memory = folder + "/memory.max";
    if (const auto text = root_.read(memory))
      bytes(memory, trimmed(*text) == "max" ? std::optional<std::int64_t>(INT64_MAX) : integer(trimmed(*text)));
  }

  void version1_cpu(const std::string& folder) {
    const std::string quota = folder + "/cpu.cfs_quota_us";
    const auto quota_text = root_.read(quota);
    const auto period_text = root_.read(folder + "/cpu.cfs_period_us");
    if (quota_text && period_text) cpus(quota, integer(trimmed(*quota_text)), integer(trimmed(*period_text)));
  }

  void version1_memory(const std::string& folder) {
    const std::string file = folder + "/memory.limit_in_bytes";
    if (const auto text = root_.read(file)) bytes(file, integer(trimmed(*text)));
  }

  CgroupLimits found;

 private:
  // Microseconds; a quota of -1 is none.
  void cpus(const std::string& file, std::optional<std::int64_t> quota, std::optional<std::int64_t> period) {
    if (!quota || !period || *period <= 0 || *quota == 0 || *quota < -1) return pass_over(file);
    if (*quota == -1) return;
    const double limit = static_cast<double>(*quota) / static_cast<double>(*period);
    if (found.cpus && *found.cpus <= limit) return;
    found.cpus = limit;
    found.cpus_file = file;
  }

  void bytes(const std::string& file, std::optional<std::int64_t> limit) {
    if (limit == std::optional<std::int64_t>(-1)) return;
    if (!limit || *limit < 0) return pass_over(file);
    if (*limit >= endless_bytes || (found.memory_bytes && *found.memory_bytes <= *limit)) return;
    found.memory_bytes = limit;
    found.memory_file = file;
  }

  void pass_over(const std::string& file) { diagnostics_.add(misread(file, "it is taken as no limit")); }

  const ProbeRoot& root_;
  Diagnostics& diagnostics_;
};

}  // namespace

CgroupLimits cgroup_limits(const ProbeRoot& root, Diagnostics& diagnostics) {
  Search search(root, diagnostics);
  const auto cgroup = root.read("/proc/self/cgroup");
  const auto mountinfo = root.read("/proc/self/mountinfo");
  if (!cgroup || !mountinfo) return {};
  const std::vector<Mount> mounts = cgroup_mounts(*mountinfo);
  for (const Membership& member : memberships(*cgroup)) {
    // A hierarchy may be mounted in several places; the one that shows the own group tells most.
    const auto upwards = [&](auto&& is_the_hierarchy) {
      const Mount* best = nullptr;
      for (const Mount& mount : mounts)
        if (is_the_hierarchy(mount) && (!best || (!is_below(member.group, best->root) && is_below(member.group, mount.root))))
          best = &mount;
      return best ? folders(*best, member.group) : std::vector<std::string>{};
    };
    if (member.controllers.empty())
      for (const std::string& folder : upwards([](const Mount& m) { return m.version2; })) search.version2(folder);
    if (has_item(member.controllers, "cpu"))
      for (const std::string& folder : upwards([](const Mount& m) { return !m.version2 && has_item(m.options, "cpu"); }))
        search.version1_cpu(folder);
    if (has_item(member.controllers, "memory"))
      for (const std::string& folder : upwards([](const Mount& m) { return !m.version2 && has_item(m.options, "memory"); }))
        search.version1_memory(folder);
  }
  return std::move(search.found);
}

}  // namespace fabric
