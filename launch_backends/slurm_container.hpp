// An image in which ranks run: what stands in front of a program, and what srun is told, of slurm.container.
#pragma once

#include <string>
#include <vector>

#include "schema/plan.hpp"

namespace fabric {

// The image as the runtime takes it; a path counts from the folder of the job file.
std::string container_image(const Plan& plan);
// Whether the image is a file, and not an address.
bool container_image_is_file(const Container& container);

// Folders of the node that are seen inside, but for the run's own: those of slurm.container.mounts, that in which ranks start, and that of
// their script. PATH:INSIDE each.
std::vector<std::string> container_mounts(const Plan& plan);

// What stands in front of each rank's program: `apptainer exec ...`. Empty: nothing does.
std::vector<Text> container_words(const Plan& plan);

// Whether srun starts its tasks inside the image, by the plug-in pyxis.
bool container_by_srun(const Plan& plan);

}  // namespace fabric
