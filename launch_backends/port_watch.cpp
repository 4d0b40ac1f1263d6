#include "launch_backends/port_watch.hpp"

#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>

namespace fabric {
namespace {

// 0100007F:1F90 -> 8080
std::int64_t port_of(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::int64_t port = -1;
  if (colon != std::string::npos) std::from_chars(address.data() + colon + 1, address.data() + address.size(), port, 16);
  return port;
}

// nullopt if there is no such table.
std::optional<bool> used_in(const std::string& table, std::int64_t port) {
  std::ifstream in(table);
  if (!in) return std::nullopt;
  std::string line;
  std::getline(in, line);  // the heading
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state;
    // In the state 02, SYN-SENT, nobody has answered yet.
    if (words >> number >> local >> remote >> state && state != "02" && (port_of(local) == port || port_of(remote) == port)) return true;
  }
  return false;
}

}  // namespace

bool port_is_used(std::int64_t port, const std::string& tables) {
  const std::optional<bool> v4 = used_in(tables + "/tcp", port), v6 = used_in(tables + "/tcp6", port);
  return v4.value_or(false) || v6.value_or(false) || (!v4 && !v6);
}

}  // namespace fabric
