// Which program this is, for another on another machine.
#pragma once

#include <string>

namespace fabric {

// By which two fabrics are the same program: what the linker computed of it, with the size of its file, or the file's SHA-256 where it
// computed nothing. Computing that takes longer than all else that is asked of a host.
std::string digest_of_this_program();

// SHA-256 of its bytes, lower-case hex.
std::string sha256_of_this_program();

}  // namespace fabric
