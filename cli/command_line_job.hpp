// The job that a command line of another launcher stands for: torchrun's and Lightning's, with one word changed. What follows the script
// is the script's.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "schema/value.hpp"

namespace fabric {

struct CommandLineJob {
  Value job;                         // a map of the long form
  std::vector<std::string> remarks;  // what an option of theirs means here, where it means something else
  bool print_job = false;
  bool plan_only = false;
  std::string runs = "runs";
  std::string format = "human";
};

// words: what follows `fabric run`. `model` in front makes it Lightning's: options count wherever they stand before `--`, what is no
// option of ours is the script's, and the contract is fabric-cli; else options end at the script, as torchrun's do. Names may be written
// with underscores. Throws UsageError.
CommandLineJob read_command_line_job(const std::vector<std::string>& words);

// The options, as `fabric help run` lists them.
std::span<const Option> command_line_options();

// The job as a file that says the same.
std::string job_as_yaml(const Value& job);

}  // namespace fabric
