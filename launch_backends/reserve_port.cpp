#include "launch_backends/reserve_port.hpp"

#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>
#include <vector>

#include "launch_backends/process_tree.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  void set_port(std::int64_t port) {
    const in_port_t wire = htons(static_cast<std::uint16_t>(port));
    if (storage.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(storage).sin6_port = wire;
    else reinterpret_cast<sockaddr_in&>(storage).sin_port = wire;
  }
  bool is_loopback() const {
    if (storage.ss_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr);
    return ntohl(reinterpret_cast<const sockaddr_in&>(storage).sin_addr.s_addr) >> 24 == 127;
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address resolve(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (error != 0) throw PortError("the main address " + name + " cannot be resolved: " + gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  Address address;
  address.length = list->ai_addrlen;
  std::memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
  return address;
}

std::int64_t port_of(int socket) {
  Address bound;
  bound.length = sizeof bound.storage;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&bound.storage), &bound.length) != 0) return 0;
  return ntohs(bound.storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound.storage).sin6_port
                                                   : reinterpret_cast<const sockaddr_in&>(bound.storage).sin_port);
}

std::string claim_name(std::int64_t port) { return "fabric-main-port-" + std::to_string(port); }

// False if another fabric has it.
bool claim(std::int64_t port, FileDescriptor& holder) {
  holder.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!holder) throw PortError(std::string("no socket: ") + std::strerror(errno));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = claim_name(port);
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return bind(holder.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0;
}

// The inodes of sockets that hold the port: TCP listeners, and another fabric's claim.
std::vector<std::string> holders_inodes(std::int64_t port) {
  std::vector<std::string> inodes;
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...
      std::istringstream words(line);
      std::string slot, local, remote, state, skip, inode;
      words >> slot >> local >> remote >> state >> skip >> skip >> skip >> skip >> skip >> inode;
      const std::size_t colon = local.find(':');
      if (colon == std::string::npos || inode == "0") continue;
      std::int64_t number = -1;
      std::from_chars(local.data() + colon + 1, local.data() + local.size(), number, 16);
      if (number == port) inodes.push_back(inode);
    }
  }
  std::ifstream in("/proc/net/unix");
  std::string line;
  while (std::getline(in, line)) {
    // Num RefCount Protocol Flags Type St Inode Path
    std::istringstream words(line);
    std::string skip, inode, path;
    words >> skip >> skip >> skip >> skip >> skip >> skip >> inode >> path;
    if (path == '@' + claim_name(port)) inodes.push_back(inode);
  }
  return inodes;
}

// "process 4711 (python3)", or "" if nobody can be found.
std::string holder_of(std::int64_t port) {
  for (const std::string& inode : holders_inodes(port)) {
    const std::string wanted = "socket:[" + inode + "]";
    std::error_code error;
    for (fs::directory_iterator process("/proc", error), end; !error && process != end; process.increment(error)) {
      const std::string pid = process->path().filename().string();
      if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
      std::error_code hidden;
      for (fs::directory_iterator fd(process->path() / "fd", hidden), last; !hidden && fd != last; fd.increment(hidden)) {
        std::error_code gone;
        if (fs::read_symlink(fd->path(), gone).string() != wanted) continue;
        const std::optional<ProcessEntry> entry = process_entry(static_cast<pid_t>(std::stol(pid)));
        return "process " + pid + (entry ? " (" + entry->name + ")" : "");
      }
    }
  }
  return "";
}

[[noreturn]] void refuse(const std::string& address, std::optional<std::int64_t> port, int error) {
  std::string text =
      "cannot bind " + address + " port " + (port ? std::to_string(*port) : std::string("(any)")) + ": " + std::strerror(error);
  if (port && error == EADDRINUSE) {
    const std::string holder = holder_of(*port);
    text += holder.empty() ? "; who holds it cannot be seen from here" : "; held by " + holder;
  }
  if (error == EADDRNOTAVAIL) text += "; no interface of this machine has this address, and node 0 belongs where it is";
  throw PortError(text);
}

}  // namespace

void check_address(const std::string& address) { resolve(address); }

ReservedPort reserve_port(const std::string& address, std::optional<std::int64_t> port, bool listening) {
  Address at = resolve(address);
  at.set_port(port.value_or(0));
  // A free port may turn out to be claimed by another fabric whose sockets of that port are elsewhere; then the next one is taken.
  for (int attempt = 0;; ++attempt) {
    ReservedPort reserved;
    reserved.socket.reset(::socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!reserved.socket) refuse(address, port, errno);
    const int fd = reserved.socket.get();
    const int on = 1;
    // Connections of an earlier attempt may linger at a written port. For a free one the kernel must choose as for an ordinary socket,
    // or it may pick a port that is shared; so the option comes after the bind.
    if (port) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at.get(), at.length) != 0) refuse(address, port, errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    reserved.port = port_of(fd);
    reserved.loopback = at.is_loopback();
    if (!claim(reserved.port, reserved.claim)) {
      if (!port && attempt < 100) continue;
      refuse(address, reserved.port, EADDRINUSE);
    }
    if (listening && listen(fd, SOMAXCONN) != 0) refuse(address, reserved.port, errno);
    return reserved;
  }
}

}  // namespace fabric
