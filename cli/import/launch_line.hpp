// The command of a batch script that starts the ranks, taken apart: what starts them, how many, and what each is.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/import/bash_expansion.hpp"
#include "cli/import/bash_statements.hpp"
#include "schema/value.hpp"

namespace fabric {

struct LaunchLine {
  enum class Start { once, by_tasks, by_launcher };  // by itself; a process a task of srun; by torchrun and the like, one a node
  Start start = Start::once;
  std::string launcher;                           // torchrun, accelerate, deepspeed, ...
  std::map<std::string, BashField> srun_options;  // by their whole names
  std::optional<BashField> processes;             // of a node, as the launcher is told; of accelerate of all nodes
  bool processes_of_all = false;
  std::optional<BashField> nodes;
  std::optional<BashField> restarts;
  std::vector<std::pair<std::string, BashField>> variables;  // in front of the command
  std::string image;                                         // of apptainer
  std::vector<std::string> mounts;
  std::string conda;                // of `conda run`
  std::vector<std::string> before;  // commands that each process runs first, in its shell
  std::vector<BashField> python;    // the interpreter and its options; empty: a program of its own
  bool module = false;
  std::vector<BashField> program;  // script, module or command, and its arguments
  std::optional<std::string> local_rank_option;
  Value accelerate;                  // what a line of `accelerate launch` says beside this: part of a job
  std::vector<std::string> remarks;  // what was not taken, in words
  std::vector<std::string> assumed;  // what holds unless the environment of whoever submits says otherwise
};

// Whether a command starts a program that may be what a job is for: 3 for what starts ranks, 2 for a program of Python, 1 for another one
// under srun, 0.
int launch_likelihood(const BashCommand& command, const BashVariables& variables);

LaunchLine read_launch_line(const BashCommand& command, const BashVariables& variables);

}  // namespace fabric
