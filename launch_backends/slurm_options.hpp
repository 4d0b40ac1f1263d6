// The options of sbatch, as its man page (22.05 to 25.05) has them, and what of a job says the same.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fabric {

enum class OptionValue { none, needed, optional };

struct SlurmOption {
  std::string_view name;  // without its dashes
  char letter = 0;        // its short form; 0: none
  OptionValue value = OptionValue::needed;
  // Whether fabric writes it itself or could not do with it, so that it has no place among the directives; then field is what says the same
  // in a job, where anything does.
  bool own = false;
  std::string_view field = {};
};

std::span<const SlurmOption> slurm_options();

// Null where sbatch has no option of this name.
const SlurmOption* find_slurm_option(std::string_view name);
const SlurmOption* find_slurm_option(char letter);

// What sbatch takes a name for that is the beginning of one or several of its own: getopt_long allows that. Null if it is none.
const SlurmOption* abbreviated_slurm_option(std::string_view name);

}  // namespace fabric
