// The command lines of ssh: which words, in which order, and what of an own option cannot be had. What runs on the host is one quoted
// word, so that no shell there reads it otherwise than it is meant.
#pragma once

#include <string>
#include <vector>

#include "schema/job.hpp"

namespace fabric {

// A word for any shell: in single quotes, whatever is in it.
std::string quoted_word(const std::string& word);

// `exec 'FABRIC' WORDS`: the program takes the place of the shell. words hold nothing that a shell would read.
std::string on_host(const std::string& fabric, const std::string& words);

enum class SshRole {
  master,      // other calls go through its connection, at the path of a socket
  guest,       // goes through that of a master, if it can
  guest_only,  // does so, or fails; not with options of a jump host
};

// ssh, the user's own options first since the first of two counts, then what a run needs, the host and the command. Nothing of it is
// secret: what is goes over stdin. socket: of the master; empty: where the user's own settings have it.
std::vector<std::string> ssh_words(const Ssh& how, SshRole role, const std::string& socket, const std::string& host,
                                   const std::string& command);

// Why one of the user's options cannot be had; empty for none.
struct RefusedOption {
  std::size_t index = 0;
  std::string why;
};
std::vector<RefusedOption> refused_ssh_options(const std::vector<std::string>& options);

}  // namespace fabric
