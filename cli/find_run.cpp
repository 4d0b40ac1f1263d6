#include "cli/find_run.hpp"

#include <algorithm>
#include <filesystem>

#include "compiler/spelling.hpp"

namespace fabric {

RunDirectory find_run(const Arguments& arguments) {
  const std::string& asked = *arguments.operand;
  const std::string runs = arguments.value("runs").value_or("runs");
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> paths = {fs::path(asked), fs::path(asked) / "latest", fs::path(runs) / asked, fs::path(runs) / asked / "latest"};
  // A bare name is a run's rather than a folder's.
  if (asked.find('/') == std::string::npos) std::rotate(paths.begin(), paths.begin() + 2, paths.end());
  for (const fs::path& path : paths)
    if (fs::exists(path / "plan.json", error) && fs::exists(path / "lock", error)) return RunDirectory::open(path.string());
  std::vector<std::string> names;
  for (fs::directory_iterator entry(runs, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  const std::optional<std::string> meant = closest(asked, names);
  throw UsageError("there is no run `" + asked + "`",
                   meant ? "did you mean `" + *meant + "`?" : "`fabric list` shows the runs; give NAME, NAME/ID, or a run's folder");
}

}  // namespace fabric
