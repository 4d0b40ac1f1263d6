#include "launch_backends/ssh_words.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

namespace fabric {
namespace {

// ssh(1) of OpenSSH 9: those that a word follows, and those that would change what a call of ours is.
constexpr std::string_view options_with_a_word = "BbcDEeFIiJLlmOoPpQRSWw";
constexpr std::string_view options_of_our_own = "fGMNnOQSstVW";

// Of ssh_config(5), in lower case.
constexpr std::array<std::string_view, 9> settings_of_our_own = {
    "batchmode",     "controlmaster",           "controlpath", "controlpersist", "requesttty",
    "remotecommand", "forkafterauthentication", "sessiontype", "stdinnull"};

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::string quoted_word(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + '\'';
}

std::string on_host(const std::string& fabric, const std::string& words) { return "exec " + quoted_word(fabric) + ' ' + words; }

std::vector<std::string> ssh_words(const Ssh& how, SshRole role, const std::string& socket, const std::string& host,
                                   const std::string& command) {
  std::vector<std::string> words = {"ssh"};
  // What goes through a connection that is there has no need of a way of its own. Of two ways the first counts.
  if (role == SshRole::guest_only) words.insert(words.end(), {"-o", "ProxyCommand=false"});
  words.insert(words.end(), how.options.begin(), how.options.end());
  // A terminal would mix the streams and change ends of lines; a forwarding would be made once more by each call.
  words.insert(words.end(), {"-T", "-x", "-o", "BatchMode=yes", "-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes", "-o",
                             "PermitLocalCommand=no", "-o", "ConnectTimeout=10", "-o",
                             role == SshRole::master ? "ControlMaster=yes" : "ControlMaster=no", "-o", "ControlPersist=no"});
  if (!socket.empty()) words.insert(words.end(), {"-S", socket});
  words.insert(words.end(), {"--", host, command});
  return words;
}

std::vector<RefusedOption> refused_ssh_options(const std::vector<std::string>& options) {
  std::vector<RefusedOption> refused;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const std::string& word = options[i];
    if (word.size() < 2 || word[0] != '-' || word[1] == '-') {
      refused.push_back({i, "`" + word + "` is no option of ssh"});
      continue;
    }
    bool blamed = false;
    for (std::size_t at = 1; at < word.size(); ++at) {
      const char letter = word[at];
      const bool takes_word = options_with_a_word.find(letter) != std::string_view::npos;
      if (options_of_our_own.find(letter) != std::string_view::npos && !std::exchange(blamed, true))
        refused.push_back({i, std::string("`-") + letter + "` would change what fabric's own calls of ssh do"});
      if (!takes_word) continue;
      const bool apart = at + 1 == word.size();
      if (apart && i + 1 == options.size()) {
        refused.push_back({i, std::string("`-") + letter + "` lacks the word behind it"});
        break;
      }
      const std::string argument = apart ? options[++i] : word.substr(at + 1);
      const std::string setting = lower_case(argument.substr(0, argument.find_first_of(" =\t")));
      if (letter == 'o' && std::find(settings_of_our_own.begin(), settings_of_our_own.end(), setting) != settings_of_our_own.end())
        refused.push_back({i, "`" + argument + "` would change what fabric's own calls of ssh do"});
      break;
    }
  }
  return refused;
}

}  // namespace fabric
