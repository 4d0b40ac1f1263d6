// What the compiler needs of the outside, given by this machine: files, links, and a child process that evaluates Jsonnet.
#pragma once

#include <string>
#include <string_view>

#include "compiler/compile.hpp"

namespace fabric {

// self: absolute path of this program. The worker is fabric-worker beside it, or what FABRIC_WORKER names.
Outside make_outside(const std::string& self);

// The bytes of a file, or why it cannot be read. A folder and a device are refused; so is a text of more than 64 MiB.
ReadFile read_file(const std::string& path);

// Replaces path by content: written beside it, flushed to the disk, renamed. Throws std::system_error; then path is as it was.
void write_file(const std::string& path, const std::string& content);

// Of what write_file would replace: throws UsageError for a file with content that is not one of ours.
void keep_foreign_file(const std::string& path, bool (*is_ours)(std::string_view text), std::string_view ours);

// path as a user would write it from the working directory, if that is shorter.
std::string shown_path(const std::string& path);

}  // namespace fabric
