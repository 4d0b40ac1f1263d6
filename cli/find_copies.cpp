#include "cli/find_copies.hpp"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace fabric {
namespace {

std::optional<std::int64_t> number_in_environment(const char* variable) {
  const char* value = std::getenv(variable);
  const std::string_view text = value ? value : "";
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

struct Launcher {
  const char* name;
  const char* task;
  const char* tasks;
  const char* once;
  const char* step;  // must be a number too: a batch script has the others, and is no task
};

constexpr Launcher launchers[] = {
    {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "`srun --ntasks=1`, or without srun", "SLURM_STEP_ID"},
    {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "`mpirun -n 1`, or without mpirun", nullptr},
    {"mpirun", "PMI_RANK", "PMI_SIZE", "`mpirun -n 1`, or without mpirun", nullptr},
};

}  // namespace

void find_copies(Diagnostics& diagnostics) {
  for (const Launcher& launcher : launchers) {
    const auto task = number_in_environment(launcher.task), tasks = number_in_environment(launcher.tasks);
    if (!task || !tasks || *tasks < 2 || (launcher.step && !number_in_environment(launcher.step))) continue;
    const std::string which =
        "process " + std::to_string(*task) + " of the " + std::to_string(*tasks) + " that " + launcher.name + " started";
    const std::string help = std::string("start fabric once, with ") + launcher.once + ": it starts the ranks itself";
    if (*task == 0)
      diagnostics.add({.severity = Severity::warning,
                       .code = "FAB5030",
                       .message = "this fabric is " + which + ", and the only one that starts the job",
                       .help = help});
    else
      diagnostics.add({.code = "FAB5030",
                       .message = "this fabric is " + which + ", and would start the whole job once more",
                       .help = help + "; in a shell that only inherited this, `env -u " + launcher.task + " fabric ...`"});
    return;
  }
}

}  // namespace fabric
