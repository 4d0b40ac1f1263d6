#include <cmath>

#include "launch_backends/slurm_needs.hpp"
#include "launch_backends/slurm_srun_script.hpp"

namespace fabric {

std::vector<std::string> srun_cannot_promise(const Plan& plan) {
  const ResolvedJob& job = plan.job;
  std::vector<std::string> all;
  if (plan.world_size > 1)
    all.push_back(
        "which rank failed first, and with which exit code: srun ends all when one fails, and most often leaves with 143; the logs of the ranks tell");
  all.push_back("a new start inside the allocation, and a word when all ranks are silent: `restart` and `stall` need an agent");
  const std::string lead = Duration{std::ceil(job.stop.grace.seconds + slurm_warning)}.str();
  all.push_back("an orderly stop at the end of the time: SLURM sends the ranks SIG" + job.stop.signal + ' ' + lead +
                " before it, or up to a minute sooner, and kills them then; FABRIC_STOP_FILE is not set, and no exit code tells it");
  if (!job.main_port && plan.world_size > 1)
    all.push_back(
        "a free port: MASTER_PORT is made of the number of the job and held by nobody, so that another program of the first node may have it");
  if (!job.main_address && plan.job.num_nodes > 1)
    all.push_back("an address that the nodes reach: MASTER_ADDR is the name of the first host, as SLURM has it");
  if (job.slurm->requeue)
    all.push_back(
        "that an earlier start is over: after the job was put back, ranks on a node that was cut off may still run and write beside the new ones");
  all.push_back("that nothing is left: what a rank leaves behind ends only where the cluster keeps jobs in control groups");
  if (job.train) all.push_back("a checkpoint that verifies: a new start of the job takes the newest");
  else if (job.checkpoint.path)
    all.push_back("the checkpoint that the program told of: a new start of the job takes the newest that checkpoint.path finds");
  all.push_back("times: when each rank started, first printed and ended, and `fabric logs --since`");
  if (job.slurm->container && job.slurm->container->runtime == ContainerRuntime::pyxis)
    all.push_back("that the image has bash, which starts the program in it");
  return all;
}

}  // namespace fabric
