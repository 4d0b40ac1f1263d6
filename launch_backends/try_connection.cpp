#include "launch_backends/try_connection.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "launch_backends/probes/network.hpp"

namespace fabric {
namespace {

constexpr std::chrono::seconds patience_to_connect{5};
constexpr int most_waiting_peers = 4096;

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses looked_up(const std::string& address, std::int64_t port, int flags, std::string& problem) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0) {
    problem = address + ": " + gai_strerror(error);
    found = nullptr;
  }
  return {found, freeaddrinfo};
}

std::string numeric_address(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  const void* bytes = address.ss_family == AF_INET6 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr)
                                                    : &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  return inet_ntop(address.ss_family, bytes, text, sizeof text) ? text : "";
}

std::string interface_of(int socket, const std::vector<NetworkInterface>& interfaces) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) != 0) return "";
  const std::string address = numeric_address(own);
  for (const NetworkInterface& interface : interfaces)
    if (interface.address == address) return interface.name;
  return "";
}

}  // namespace

Listener listen_at(const std::string& address, std::int64_t port) {
  Listener listener;
  const Addresses addresses = looked_up(address, port, AI_PASSIVE, listener.problem);
  if (!addresses) return listener;
  listener.socket.reset(socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (!listener.socket || setsockopt(listener.socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      bind(listener.socket.get(), addresses->ai_addr, addresses->ai_addrlen) != 0 ||
      listen(listener.socket.get(), most_waiting_peers) != 0 ||
      getsockname(listener.socket.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    listener.problem = address + (port == 0 ? "" : ':' + std::to_string(port)) + ": " + std::strerror(errno);
    listener.socket.reset();
    return listener;
  }
  listener.port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                                    : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
  return listener;
}

std::vector<ConnectionTried> try_connections(const std::vector<messages::Endpoint>& endpoints) {
  using Clock = std::chrono::steady_clock;
  if (endpoints.empty()) return {};
  Diagnostics ignored;
  const std::vector<NetworkInterface> interfaces = network_interfaces(ProbeRoot{}, ignored);
  std::vector<ConnectionTried> tried(endpoints.size());
  std::vector<FileDescriptor> sockets(endpoints.size());
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const Addresses address = looked_up(endpoints[i].address, endpoints[i].port, 0, tried[i].problem);
    if (!address) continue;
    sockets[i].reset(socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (sockets[i] && (connect(sockets[i].get(), address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS)) continue;
    tried[i].problem = std::strerror(errno);
    sockets[i].reset();
  }
  const Clock::time_point deadline = Clock::now() + patience_to_connect;
  for (;;) {
    std::vector<pollfd> watched;
    for (const FileDescriptor& socket : sockets) watched.push_back({socket ? socket.get() : -1, POLLOUT, 0});
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    bool waiting = false;
    for (const FileDescriptor& socket : sockets) waiting |= static_cast<bool>(socket);
    if (!waiting || left <= 0) break;
    if (poll(watched.data(), watched.size(), static_cast<int>(left)) < 0 && errno != EINTR) break;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      if (!sockets[i] || watched[i].revents == 0) continue;
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(sockets[i].get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) tried[i].problem = std::strerror(error);
      else tried[i].interface = interface_of(sockets[i].get(), interfaces);
      sockets[i].reset();
    }
  }
  for (std::size_t i = 0; i < sockets.size(); ++i)
    if (sockets[i]) tried[i].problem = "no answer within " + std::to_string(patience_to_connect.count()) + " s";
  return tried;
}

}  // namespace fabric
