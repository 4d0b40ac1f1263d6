// The batch script of a plan: what `sbatch` is given, and nothing that is not in the plan. Pure: it is the same on a laptop.
#pragma once

#include <string>
#include <vector>

#include "launch_backends/launch_backend.hpp"
#include "schema/plan.hpp"

namespace fabric {

// The name of the script, below the folder of the run, from which it is submitted: `cd RUN && sbatch job.sbatch`.
constexpr const char* slurm_script_name = "job.sbatch";

// The script, with the field of the job behind each line that comes from one. fabric: the absolute path of this program on the nodes. Of a
// plan that refuse_for_slurm does not refuse.
Submission::File slurm_script(const Plan& plan, const std::string& fabric);

// A line of it that makes the environment which ranks find: modules, an environment of Python, slurm.setup.
struct EnvironmentLine {
  std::string command;
  std::string field;  // of the job; empty: none is told
};
std::vector<EnvironmentLine> environment_lines(const Slurm& slurm);

}  // namespace fabric
