#include "launch_backends/probes/network.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "launch_backends/probes/untrusted_text.hpp"

namespace fabric {
namespace {

std::optional<std::string> numeric(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN];
  if (address.sa_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    return inet_ntop(AF_INET, &in.sin_addr, text, sizeof text) ? std::optional<std::string>(text) : std::nullopt;
  }
  if (address.sa_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_LINKLOCAL(&in.sin6_addr)) return std::nullopt;
    return inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text) ? std::optional<std::string>(text) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::vector<NetworkInterface> network_interfaces(const ProbeRoot& root, Diagnostics& diagnostics) {
  std::vector<NetworkInterface> found;
  if (!root.is_this_machine()) return found;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    diagnostics.add({.severity = Severity::warning,
                     .code = "FAB4021",
                     .message = "the network interfaces cannot be listed: " + std::generic_category().message(errno),
                     .help = "a job on this machine alone needs none; for others, allow netlink sockets in the sandbox or container"});
    return found;
  }
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr || !(entry->ifa_flags & IFF_UP)) continue;
    if (const auto address = numeric(*entry->ifa_addr))
      found.push_back({valid_utf8(entry->ifa_name), *address, (entry->ifa_flags & IFF_LOOPBACK) != 0});
  }
  return found;
}

}  // namespace fabric
