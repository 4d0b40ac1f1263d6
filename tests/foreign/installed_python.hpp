// The Python that tests/foreign/setup makes, and command lines that run inside it as in an active virtual environment. Lightning's own
// program `fabric` is first on its PATH.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/cli/program.hpp"

namespace fabric::testing {

// True, with a word of why, where setup was not run: the case is left out.
bool left_out();

struct Result {
  int code = 0;
  std::string text;
};

// Runs a line of bash in the folder, with one thread and without GPUs. PyTorch 2.11 may abort in the exit of the interpreter ("terminate
// called", 2 of 6 times under torchrun, when its store's threads outlive it); a line that ends so is tried up to four times.
Result shell(const Folder& folder, const std::string& line);

// What a regular expression finds in what a script printed, sorted.
std::vector<std::string> metrics_of(const std::string& text, const std::string& pattern);

// That a file of a package, named as its RECORD does, is the one of this version, byte for byte.
void is_unmodified(const Folder& folder, const std::string& package, const std::string& version, const std::string& file,
                   const std::string& sha256);

// A script of public.txt that setup has laid down, by its SHA-256 and name; nothing, with a word of why, where it could not.
std::optional<std::filesystem::path> public_script(const std::string& sha256, const std::string& name);

inline const std::string ours = FABRIC_BINARY_DIR "/bin/fabric ";

}  // namespace fabric::testing
