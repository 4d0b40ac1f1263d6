#include "launch_backends/ssh_masters.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <system_error>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/process.hpp"

namespace fabric {
namespace {

constexpr std::size_t asked_at_once = 16;
constexpr int settings_patience = 10'000;  // milliseconds

// A call of ssh that prints what holds for a host, and connects to none.
class SettingsOfHost {
 public:
  SettingsOfHost(const Ssh& how, const std::string& host) {
    ProcessStart start;
    start.argv = {"ssh"};
    start.argv.insert(start.argv.end(), how.options.begin(), how.options.end());
    start.argv.insert(start.argv.end(), {"-T", "-G", "--", host});
    start.env = own_environment();
    DescriptorPair pipe = make_pipe();
    start.descriptors = {{pipe.second.get(), STDOUT_FILENO}};
    start.new_session = true;
    try {
      pid_ = start_process(start);
      said_ = std::move(pipe.first);
    } catch (const std::system_error&) {
      // Who connects says it.
    }
  }

  // Reads them to the end.
  void hear() {
    if (pid_ == 0) return;
    std::array<char, 4096> bytes{};
    pollfd more{said_.get(), POLLIN, 0};
    ssize_t n = 1;
    while (n > 0 && poll(&more, 1, settings_patience) > 0)
      if ((n = read(said_.get(), bytes.data(), bytes.size())) > 0) text_.append(bytes.data(), static_cast<std::size_t>(n));
    // A command that the user's configuration runs (Match exec) can be stuck.
    if (n > 0) kill(-pid_, SIGKILL);
    wait_for(pid_);
  }
  // The path where a connection to it would be shared; empty for none.
  std::string control_path() const { return value_of("controlpath"); }
  // Whether that path is the same where a ProxyCommand is given: %C of it is made of the jump host too, and a name is made canonical only
  // where there is none.
  bool is_plain() const { return value_of("proxyjump").empty() && value_of("canonicalizehostname") == "false"; }

 private:
  std::string value_of(const std::string& name) const {
    const std::string key = '\n' + name + ' ';
    const std::size_t at = text_.find(key);
    if (at == std::string::npos) return "";
    const std::size_t begin = at + key.size();
    return text_.substr(begin, text_.find('\n', begin) - begin);
  }

  pid_t pid_ = 0;
  FileDescriptor said_;
  std::string text_;
};

bool listens(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const FileDescriptor client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return client && connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

UsersConnection connection_at(const std::string& path) {
  // What looks like a variable would be taken for one.
  if (!path.starts_with('/') || path.find("${") != std::string::npos || !listens(path)) return {};
  UsersConnection connection{.open = true, .socket = {}};
  for (const char c : path) connection.socket += c == '%' ? std::string("%%") : std::string(1, c);
  return connection;
}

}  // namespace

std::vector<UsersConnection> connections_of_user(const Ssh& how, const std::vector<std::string>& hosts) {
  std::vector<UsersConnection> all(hosts.size());
  bool plain = true;
  // Those of the hosts from first on; a call of ssh for each takes longer than what it is for.
  const auto look = [&](std::size_t first, std::size_t last) {
    std::vector<SettingsOfHost> asked;
    for (std::size_t i = first; i < last; ++i) asked.emplace_back(how, hosts[i]);
    for (std::size_t i = first; i < last; ++i) {
      asked[i - first].hear();
      plain = plain && asked[i - first].is_plain();
      all[i] = connection_at(asked[i - first].control_path());
      // Mostly all hosts are under one `Host *`: who shares no connection to the first does so to none, and the rest is not asked.
      if (i == 0 && asked[0].control_path().empty()) return false;
    }
    return true;
  };
  if (hosts.empty() || !look(0, 1) || hosts.size() == 1) return all;
  look(hosts.size() - 1, hosts.size());
  if (plain && all.front().open && all.back().open) {
    for (std::size_t i = 1; i + 1 < hosts.size(); ++i) all[i].open = true;
    return all;
  }
  for (std::size_t first = 1; first + 1 < hosts.size(); first += asked_at_once)
    look(first, std::min(first + asked_at_once, hosts.size() - 1));
  return all;
}

}  // namespace fabric
