// Facts that are needed before anything is launched: what other launchers call our fields, and what formats an accelerator can
// compute in.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "schema/hardware.hpp"
#include "schema/job.hpp"

namespace fabric {

// A word of a peer and where its meaning stands here.
struct PeerWord {
  std::string_view word;
  std::string_view path;  // of our field; empty: nothing here has this meaning, see hint
  std::string_view hint;  // what to write, where the path alone does not say it
};

// What `word` of torchrun, Lightning, DeepSpeed, accelerate, SLURM or Kubernetes means here; a dash is as good as an underscore.
std::optional<PeerWord> peer_word(std::string_view word);

// What a strategy of other launchers means here, in any case; path is the word of `strategy` to write.
std::optional<PeerWord> peer_strategy(std::string_view word);

// The files of a data set in the IDX format of MNIST (Y. LeCun, "The MNIST database"), each plain or with .gz behind its name.
inline constexpr std::array<std::string_view, 4> idx_files{"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                                           "t10k-labels-idx1-ubyte"};

// bfloat16 in hardware: compute capability 8.0 and later. Source: CUDA C++ Programming Guide, table of arithmetic throughput.
bool has_bfloat16(const Gpu& gpu);

}  // namespace fabric
