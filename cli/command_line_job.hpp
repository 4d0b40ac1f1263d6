// The job that a command line of another launcher stands for: torchrun's and Lightning's with one word changed, Accelerate's whole. What
// follows the script is the script's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "schema/value.hpp"

namespace fabric {

struct CommandLineJob {
  Value job;                              // a map of the long form
  std::optional<std::int64_t> node_rank;  // the node whose part this command starts, if it is for one
  std::vector<std::string> remarks;       // what an option of theirs means here, where it means something else
  std::optional<std::string> debug;       // the rank that is to have the terminal, as it is written
  bool print_job = false;
  bool plan_only = false;
  bool detach = false;
  std::string format = "human";
  std::map<std::string, std::vector<std::string>, std::less<>> options;  // --runs and what is shown of the ranks, as Arguments have them
};

// words: what follows `fabric run`. `model` in front makes it Lightning's: options count wherever they stand before `--`, what is no
// option of ours is the script's, and the contract is fabric-cli; else options end at the script, as torchrun's do. Where the script would
// be, `accelerate launch` makes what follows Accelerate's, and what stands in front wins. Names may be written with underscores.
// omp_num_threads: what the environment says, which these launchers keep where nothing else is asked for. Throws UsageError.
CommandLineJob read_command_line_job(const std::vector<std::string>& words, const std::string& omp_num_threads = "");

// The options, as `fabric help run` lists them.
std::span<const Option> command_line_options();

// What a job is called after its script: train.py -> train.
std::string job_name_after(const std::string& script);

}  // namespace fabric
