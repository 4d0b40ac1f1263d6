#include "launch_backends/slurm_needs.hpp"

#include <sstream>

namespace fabric {

std::int64_t slurm_cpus_per_rank(const Plan& plan) {
  if (plan.job.slurm->cpus_per_rank) return *plan.job.slurm->cpus_per_rank;
  // Where CPUs compute, preparing is the small part.
  const bool prepares = plan.job.train && plan.job.accelerator == Accelerator::cuda;
  return plan.job.threads + (prepares ? plan.job.train->data_workers : 0);
}

std::int64_t slurm_cpus_per_node(const Plan& plan) { return slurm_cpus_per_rank(plan) * plan.groups.front().ranks_per_node; }

std::string slurm_gres(const Plan& plan) {
  const Slurm& slurm = *plan.job.slurm;
  std::string gres;
  if (plan.groups.front().accelerator == Accelerator::cuda)
    gres = "gpu:" + (slurm.gpu_type ? *slurm.gpu_type + ':' : "") + std::to_string(plan.job.devices.count);
  if (const auto more = slurm.directives.find("gres"); more != slurm.directives.end() && more->second.is_string())
    gres += (gres.empty() ? "" : ",") + more->second.as_string();
  return gres;
}

bool asks_for_gpus(const std::string& gres) {
  std::istringstream resources(gres);
  for (std::string resource; std::getline(resources, resource, ',');)
    if (const std::string name = resource.substr(0, resource.find(':')); name == "gpu" || name == "gres/gpu") return true;
  return false;
}

std::string slurm_output(const Plan& plan) {
  const Slurm& slurm = *plan.job.slurm;
  return slurm.output.value_or(slurm.array ? "slurm-%A_%a.out" : "slurm-%j.out");
}

std::string slurm_output_folder(const Plan& plan) {
  const std::string output = slurm_output(plan);
  const std::size_t end = output.rfind('/');
  std::string folder;
  // What sbatch makes of %% and of two backslashes.
  for (std::size_t i = 0; end != std::string::npos && i < end; ++i) {
    folder += output[i];
    if ((output[i] == '%' || output[i] == '\\') && output[i + 1] == output[i]) ++i;
  }
  return folder;
}

}  // namespace fabric
