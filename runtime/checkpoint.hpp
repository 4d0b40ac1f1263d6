// Training state on disk: one safetensors file, readable by Python's safetensors package, whose metadata carries the loop's state and
// a SHA-256 over everything. A file under its final name is always whole.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/named_tensor.hpp"

namespace fabric {

struct Checkpoint {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> metadata;  // "format" and "sha256" are put in by the writer
};

std::string checkpoint_path(const std::string& folder, std::int64_t step);  // folder/step-00000042.safetensors

// Writes to a temporary name beside path, syncs, renames, and syncs the folder, which is made if it is missing. On failure the
// temporary file is gone, what stood at path still stands, and Failure(checkpoint) says which file and why.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

// Reads a whole file, to the CPU. Throws Failure(checkpoint) that says which file and why: missing, truncated, corrupt.
Checkpoint read_checkpoint(const std::string& path);

// Deletes all but the `keep` newest checkpoints of folder up to the one at path, which was just written, and what an interrupted writer
// left behind. Those of higher steps stay: a run that goes on from an earlier one, because they are damaged, must not lose its own to them.
void keep_newest_checkpoints(const std::string& path, std::int64_t keep);

}  // namespace fabric
