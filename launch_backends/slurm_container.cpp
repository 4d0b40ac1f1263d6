#include "launch_backends/slurm_container.hpp"

#include <algorithm>
#include <filesystem>

namespace fabric {
namespace {

namespace fs = std::filesystem;

std::string folder_of_ranks(const Plan& plan) {
  const Text& cwd = plan.groups.front().rank.cwd;
  return cwd.is_literal() ? cwd.str() : "";
}

}  // namespace

bool container_image_is_file(const Container& container) {
  const std::string& image = container.image;
  if (image.find("://") != std::string::npos) return false;
  return image.starts_with('/') || image.starts_with("./") || image.starts_with("../") || image.ends_with(".sif") ||
         image.ends_with(".simg") || image.ends_with(".sqsh") || image.ends_with(".img");
}

std::string container_image(const Plan& plan) {
  const Container& container = *plan.job.slurm->container;
  if (!container_image_is_file(container)) return container.image;
  return (fs::path(plan.request.job).parent_path() / container.image).lexically_normal().string();
}

std::vector<std::string> container_mounts(const Plan& plan) {
  std::vector<std::string> mounts;
  const auto add = [&mounts](const std::string& mount) {
    if (std::find(mounts.begin(), mounts.end(), mount) == mounts.end()) mounts.push_back(mount);
  };
  for (const std::string& mount : plan.job.slurm->container->mounts)
    add(mount.find(':') == std::string::npos ? mount + ':' + mount : mount);
  const std::string cwd = folder_of_ranks(plan);
  if (!cwd.empty()) add(cwd + ':' + cwd);
  if (plan.job.program && plan.job.program->script) {
    const std::string folder = fs::path(*plan.job.program->script).parent_path().string();
    if (folder != cwd && !folder.starts_with(cwd + '/')) add(folder + ':' + folder);
  }
  return mounts;
}

bool container_by_srun(const Plan& plan) {
  return plan.job.slurm && plan.job.slurm->container && plan.job.slurm->container->runtime == ContainerRuntime::pyxis;
}

std::vector<Text> container_words(const Plan& plan) {
  if (!plan.job.slurm || !plan.job.slurm->container || container_by_srun(plan)) return {};
  std::vector<Text> words = {"apptainer", "exec"};
  if (plan.groups.front().accelerator == Accelerator::cuda) words.emplace_back("--nv");
  words.emplace_back("--bind");
  words.emplace_back(Binding::run_directory);
  for (const std::string& mount : container_mounts(plan)) {
    words.emplace_back("--bind");
    words.emplace_back(mount);
  }
  if (const Text& cwd = plan.groups.front().rank.cwd; cwd != Text("")) {
    words.emplace_back("--pwd");
    words.push_back(cwd);
  }
  words.emplace_back(container_image(plan));
  return words;
}

}  // namespace fabric
