// How a host comes to run the very fabric that runs here: it is installed there, or a copy of this build lies in the user's cache there, or
// that copy is made first, over the connection that asks for it. A copy appears whole or not at all, and any number may be made at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fabric {

// The program that runs here, and where it is installed on the hosts, if it is.
struct OwnProgram {
  std::string installed;
  std::string id;      // that of no other program, and a name for a folder
  std::string sha256;  // of its bytes; needed for copies alone
  std::int64_t bytes = 0;
};

// What the shell there says, in a line of its own, before it reads the program from its stdin.
std::string program_wanted(const std::string& nonce);

// The exit code of a shell that could not make the copy; its last words are why.
constexpr int no_copy_of_program = 93;

// A command for whatever shell a login has, which starts fabric with these words, in the place of the shell. words hold nothing that a
// shell would read. The copy is looked for first. copies: where there is none, and what is installed is none of this build, it is asked
// for.
std::string start_program(const OwnProgram& program, const std::string& words, bool copies, const std::string& nonce);

// The folder of copies, as people read it.
constexpr const char* folder_of_copies = "~/.cache/fabric/builds";

}  // namespace fabric
