// The job file that `fabric init` writes: what a script or a data set needs on a machine, each line with its reason. It plans without a
// warning, with and without the lines that stand in it as comments.
#pragma once

#include <string>

#include "compiler/look_at_script.hpp"
#include "schema/hardware.hpp"

namespace fabric {

// Paths are as they are to stand in the file.
struct FirstJob {
  std::string name;
  std::string file;     // the job file, as a user calls it
  std::string script;   // a Python script; or
  std::string command;  // a program; or
  std::string data;     // a data set for fabric's own runtime
  std::string python;   // a virtual environment that belongs to the script; empty: none
  std::string cwd;      // empty: the job file's folder
  ScriptLook look;
  Host host;
};

std::string first_job_text(const FirstJob& job);

// What it comes to, in a line: 2 ranks on 2 GPUs, contract torchrun.
std::string first_job_summary(const FirstJob& job);

}  // namespace fabric
