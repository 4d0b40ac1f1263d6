#include "launch_backends/slurm_agents.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/slurm_container.hpp"
#include "launch_backends/slurm_needs.hpp"
#include "launch_backends/slurm_queue.hpp"

namespace fabric {

// What srun would take from the job that is not so for a step is said again.
Carrier agents_by_srun(const std::string& self, const Plan& plan, const std::string& run) {
  const std::string nodes = std::to_string(plan.job.num_nodes);
  Carrier carrier;
  carrier.argv = {"srun",
                  "--nodes=" + nodes,
                  "--ntasks=" + nodes,
                  "--ntasks-per-node=1",
                  "--cpus-per-task=" + std::to_string(slurm_cpus_per_node(plan)),
                  "--export=ALL",
                  "--distribution=block",
                  "--wait=0",
                  "--kill-on-bad-exit=0",

                  "--input=all",
                  "--output=all",
                  "--error=all",
                  "--quiet"};
  if (container_by_srun(plan)) {
    std::string mounts = (run.empty() ? "" : run + ':' + run + ',') + self + ':' + self;
    for (const std::string& mount : container_mounts(plan)) mounts += ',' + mount;
    carrier.argv.insert(carrier.argv.end(), {"--container-image=" + container_image(plan), "--container-mounts=" + mounts});
  }
  carrier.argv.insert(carrier.argv.end(), {self, "agent"});
  carrier.nodes = plan.job.num_nodes;
  carrier.node_variable = "SLURM_PROCID";
  carrier.sets = {"SLURM_", "PMI_", "PMI2_", "PMIX_"};
  carrier.at_our_end = SIGCONT;  // a stopped srun would not tell its agents
  return carrier;
}

void take_options_of_job(const Plan& plan, const std::string& nodes, RunOptions& options) {
  options.main_address = first_slurm_host(nodes);
  options.lease = plan.job.slurm->lease.seconds;
  // SLURM has chosen them, and shows no others.
  if (plan.groups.front().accelerator == Accelerator::cuda)
    for (std::int64_t i = 0; i < plan.job.devices.count; ++i) options.device_ids.push_back(i);
  options.wrapper = container_words(plan);
}

std::optional<double> time_for_ranks(const Plan& plan, const std::string& job_id) {
  const std::optional<double> left = slurm_time_left(job_id);
  if (!left) return std::nullopt;
  // Of a very short time half of it.
  return std::max(*left - plan.job.stop.grace.seconds - slurm_margin, *left / 2);
}

void clear_variables_of_srun() {
  for (const char* name :
       {"SLURM_LABELIO", "SLURM_UNBUFFEREDIO", "SLURM_STDOUTMODE", "SLURM_STDERRMODE", "SLURM_STDINMODE", "SLURM_PTY_PORT",
        "SLURM_TEST_EXEC", "SLURM_MULTI_PROG", "SLURM_OVERLAP", "SLURM_EXACT", "SLURM_HINT", "SLURM_EXPORT_ENV", "SRUN_EXPORT_ENV",
        "SLURM_WORKING_DIR", "SLURM_REMOTE_CWD", "SLURM_RELATIVE", "SLURM_THREADS"})
    unsetenv(name);
}

std::string run_teardown(const Plan& plan, const std::string& run, int out) {
  if (plan.job.slurm->teardown.empty()) return "";
  std::string commands;
  for (const std::string& line : plan.job.slurm->teardown) commands += line + '\n';
  ProcessStart start;
  start.argv = {"bash", "-c", commands};
  start.env = own_environment();
  start.cwd = run;
  start.descriptors = {{out, STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}};
  const ExitStatus status = wait_for(start_process(start));
  return status.good() ? "" : "teardown " + status.str();
}

}  // namespace fabric
