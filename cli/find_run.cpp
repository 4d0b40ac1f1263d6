#include "cli/find_run.hpp"

#include <algorithm>
#include <filesystem>

#include "cli/planning.hpp"
#include "launch_backends/slurm_array.hpp"
#include "schema/spelling.hpp"

namespace fabric {

namespace {

bool is_run(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path / "plan.json", error) && std::filesystem::exists(path / "lock", error);
}

// NAME_3, where NAME is an array.
struct TaskNamed {
  std::string name;
  std::string array;  // its folder
  std::int64_t index = 0;
  SlurmJob job;         // of the array
  bool is_one = false;  // the index: of the array
};

std::optional<TaskNamed> find_task(const std::string& asked, const std::string& runs) {
  namespace fs = std::filesystem;
  const std::size_t bar = asked.rfind('_');
  if (bar == std::string::npos || bar + 1 == asked.size() || asked.size() - bar > 10 ||
      asked.find_first_not_of("0123456789", bar + 1) != std::string::npos)
    return std::nullopt;
  const std::string name = asked.substr(0, bar);
  for (const fs::path& path : {fs::path(runs) / name / "latest", fs::path(runs) / name, fs::path(name) / "latest", fs::path(name)}) {
    if (!is_run(path)) continue;
    std::error_code error;
    TaskNamed task{.name = name, .array = fs::canonical(path, error).string(), .index = std::stoll(asked.substr(bar + 1)), .job = {}};
    const std::optional<SlurmJob> job = slurm_job_of(task.array);
    // Not 007.
    if (!job || !job->array || run_of_index(task.array, task.index) != task.array + asked.substr(bar)) continue;
    const std::vector<std::int64_t> indices = indices_of_array(*job->array);
    task.is_one = std::binary_search(indices.begin(), indices.end(), task.index);
    task.job = *job;
    return task;
  }
  return std::nullopt;
}

std::optional<std::string> find_run_of_index(const std::string& asked, const std::string& runs) {
  const std::optional<TaskNamed> named = find_task(asked, runs);
  if (!named || is_run(run_of_index(named->array, named->index)))
    return named ? std::optional(run_of_index(named->array, named->index)) : std::nullopt;
  const std::string index = std::to_string(named->index);
  if (!named->is_one) throw UsageError("the array `" + named->name + "` has no index " + index, "its indices are " + *named->job.array);
  throw UsageError("index " + index + " of the array `" + named->name + "` has not begun, and is no run yet",
                   "`fabric status " + named->name + "` shows all of them; `fabric cancel " + asked + "` takes it from the queue");
}

}  // namespace

std::optional<WaitingTask> find_waiting_task(const std::string& asked, const std::string& runs) {
  const std::optional<TaskNamed> named = find_task(asked, runs);
  if (!named || !named->is_one || is_run(run_of_index(named->array, named->index))) return std::nullopt;
  return WaitingTask{named->array, named->index};
}

std::optional<std::string> folder_of_run(const std::string& asked, const std::string& runs) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths = {fs::path(asked), fs::path(asked) / "latest", fs::path(runs) / asked, fs::path(runs) / asked / "latest"};
  // A bare name is a run's rather than a folder's.
  if (asked.find('/') == std::string::npos) std::rotate(paths.begin(), paths.begin() + 2, paths.end());
  for (const fs::path& path : paths)
    if (is_run(path)) return path.string();
  return find_run_of_index(asked, runs);
}

RunDirectory find_run(const Arguments& arguments) {
  const std::string& asked = *arguments.operand;
  const std::string runs = runs_folder(arguments);
  if (const std::optional<std::string> folder = folder_of_run(asked, runs)) return RunDirectory::open(*folder);
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator entry(runs, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  const std::optional<std::string> meant = closest(asked, names);
  throw UsageError("there is no run `" + asked + "`",
                   meant ? "did you mean `" + *meant + "`?" : "`fabric list` shows the runs; give NAME, NAME/ID, or a run's folder");
}

Plan plan_of(const RunDirectory& run) {
  std::optional<Plan> plan = run.plan();
  if (!plan) throw UsageError(run.path() + "/plan.json is no plan of this version", "give the folder of a run");
  return *std::move(plan);
}

}  // namespace fabric
