#include "launch_backends/probes/gpu_holder.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "launch_backends/probes/untrusted_text.hpp"

namespace fabric {
namespace {

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// The executable's name, and the script's if its first argument is one. Further arguments may hold secrets and say little.
std::string program_of(const ProbeRoot& root, const std::string& folder) {
  const std::string command = root.read(folder + "/cmdline").value_or("");
  const std::string program = command.substr(0, command.find('\0'));
  if (program.empty()) {
    std::string name = root.read(folder + "/comm").value_or("");
    name.resize(std::min(name.find('\n'), name.size()));
    return valid_utf8(name);
  }
  std::string argument = command.substr(std::min(program.size() + 1, command.size()));
  argument.resize(std::min(argument.find('\0'), argument.size()));
  const bool script = argument.ends_with(".py") || argument.ends_with(".sh") || argument.ends_with(".jl");
  return valid_utf8(base_name(program) + (script ? ' ' + base_name(argument) : ""));
}

std::string login_name(uid_t uid) {
  std::vector<char> buffer(4096);
  passwd entry{};
  passwd* found = nullptr;
  const bool known = getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found;
  return known ? valid_utf8(entry.pw_name) : std::to_string(uid);
}

std::string user_of(const ProbeRoot& root, const std::string& folder) {
  constexpr std::string_view row = "\nUid:\t";
  const auto status = root.read(folder + "/status");
  const std::size_t at = status ? status->find(row) : std::string::npos;
  if (at == std::string::npos) return "";
  uid_t uid = 0;
  const char* end = status->data() + status->size();
  if (std::from_chars(status->data() + at + row.size(), end, uid).ec != std::errc()) return "";
  return root.is_this_machine() ? login_name(uid) : std::to_string(uid);
}

}  // namespace

GpuHolder gpu_holder(const ProbeRoot& root, std::int64_t pid, std::int64_t memory_bytes) {
  const std::string folder = "/proc/" + std::to_string(pid);
  return {pid, program_of(root, folder), user_of(root, folder), memory_bytes};
}

}  // namespace fabric
