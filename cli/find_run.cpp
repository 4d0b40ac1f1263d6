#include "cli/find_run.hpp"

#include <algorithm>
#include <filesystem>

#include "launch_backends/slurm_array.hpp"
#include "schema/json.hpp"
#include "schema/spelling.hpp"

namespace fabric {

namespace {

bool is_run(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path / "plan.json", error) && std::filesystem::exists(path / "lock", error);
}

}  // namespace

std::optional<std::string> find_run_of_index(const std::string& asked, const std::string& runs) {
  namespace fs = std::filesystem;
  const std::size_t bar = asked.rfind('_');
  if (bar == std::string::npos || bar + 1 == asked.size() || asked.size() - bar > 10 ||
      asked.find_first_not_of("0123456789", bar + 1) != std::string::npos)
    return std::nullopt;
  const std::string name = asked.substr(0, bar);
  std::vector<fs::path> arrays = {fs::path(runs) / name / "latest", fs::path(runs) / name, fs::path(name) / "latest", fs::path(name)};
  for (const fs::path& path : arrays) {
    if (!is_run(path)) continue;
    std::error_code error;
    const std::string array = fs::canonical(path, error).string();
    const std::string task = array + asked.substr(bar);
    if (is_run(task)) return task;
    const std::optional<SlurmJob> job = slurm_job_of(array);
    const std::int64_t index = std::stoll(asked.substr(bar + 1));
    if (!job || !job->array || task != run_of_index(array, index)) continue;
    const std::vector<std::int64_t> indices = indices_of_array(*job->array);
    if (!std::binary_search(indices.begin(), indices.end(), index))
      throw UsageError("the array `" + name + "` has no index " + std::to_string(index), "its indices are " + *job->array);
    throw UsageError(
        "index " + std::to_string(index) + " of the array `" + name + "` has not begun, and is no run yet",
        "`fabric status " + name + "` shows all of them; `scancel " + job->id + '_' + std::to_string(index) + "` takes it from the queue");
  }
  return std::nullopt;
}

RunDirectory find_run(const Arguments& arguments) {
  const std::string& asked = *arguments.operand;
  const std::string runs = arguments.value("runs").value_or("runs");
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> paths = {fs::path(asked), fs::path(asked) / "latest", fs::path(runs) / asked, fs::path(runs) / asked / "latest"};
  // A bare name is a run's rather than a folder's.
  if (asked.find('/') == std::string::npos) std::rotate(paths.begin(), paths.begin() + 2, paths.end());
  for (const fs::path& path : paths)
    if (is_run(path)) return RunDirectory::open(path.string());
  if (const std::optional<std::string> task = find_run_of_index(asked, runs)) return RunDirectory::open(*task);
  std::vector<std::string> names;
  for (fs::directory_iterator entry(runs, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  const std::optional<std::string> meant = closest(asked, names);
  throw UsageError("there is no run `" + asked + "`",
                   meant ? "did you mean `" + *meant + "`?" : "`fabric list` shows the runs; give NAME, NAME/ID, or a run's folder");
}

Plan plan_of(const RunDirectory& run) {
  const std::optional<Value> document = read_json(run.plan_text());
  const Value* value = document ? document->find("plan") : nullptr;
  if (!value) throw UsageError(run.path() + "/plan.json is no plan", "give the folder of a run");
  return from_value<Plan>(*value);
}

}  // namespace fabric
