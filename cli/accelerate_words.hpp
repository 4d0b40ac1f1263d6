// The options of `accelerate launch` and the fields of the file that `accelerate config` writes, and what becomes of each. Source:
// Accelerate 1.15, commands/launch.py for names and defaults, utils/launch.py for variables.
#pragma once

#include <span>
#include <string_view>

namespace fabric {

enum class AccelerateFate {
  taken,        // has a meaning of its own here
  ignored,      // fabric does so anyway, or has no use for it
  remarked,     // has no effect, and `text` says so
  refused,      // cannot be carried, for the reason `text`
  fsdp,         // the variable `text` under use_fsdp
  deepspeed,    // under use_deepspeed
  dynamo,       // once one of these is written
  fp8,          // under mixed_precision fp8
  parallelism,  // under use_parallelism_config
};

struct AccelerateWord {
  std::string_view name;  // with underscores, without dashes in front
  bool is_switch = false;
  AccelerateFate fate = AccelerateFate::taken;
  std::string_view text = "";
  std::string_view otherwise = "";  // the variable's value where nothing is written; empty: then it is not set
  bool lower = false;               // the value in lower case
};

std::span<const AccelerateWord> accelerate_words();

// Null where Accelerate has no such word.
const AccelerateWord* find_accelerate_word(std::string_view name);

// Whether it stands in the file and is no option.
bool is_of_file_alone(const AccelerateWord& word);

// Why Megatron-LM's words are not taken.
inline constexpr std::string_view no_megatron =
    "Megatron-LM's own arguments are not carried; start its script by torchrun's words, as in `fabric run pretrain_gpt.py ...`";

}  // namespace fabric
