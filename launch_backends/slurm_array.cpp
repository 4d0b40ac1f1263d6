#include "launch_backends/slurm_array.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

#include "launch_backends/process.hpp"
#include "launch_backends/replace_file.hpp"
#include "launch_backends/run_directory.hpp"

namespace fabric {
namespace {

constexpr std::size_t most_indices = 4'000'001;  // that SLURM can be told to take

}  // namespace

std::vector<std::int64_t> indices_of_array(const std::string& written) {
  std::set<std::int64_t> indices;
  std::istringstream parts(written.substr(0, written.find('%')));
  for (std::string part; std::getline(parts, part, ',');) {
    char* end = nullptr;
    const std::int64_t first = std::strtoll(part.c_str(), &end, 10);
    const std::int64_t last = *end == '-' ? std::strtoll(end + 1, &end, 10) : first;
    const std::int64_t step = *end == ':' ? std::strtoll(end + 1, &end, 10) : 1;
    for (std::int64_t index = first; index <= last && step > 0 && indices.size() < most_indices; index += step) indices.insert(index);
  }
  return {indices.begin(), indices.end()};
}

std::string array_of(const std::vector<std::int64_t>& indices, const std::string& written) {
  std::string list;
  for (std::size_t first = 0, last = 0; first < indices.size(); first = last + 1) {
    // As many as follow each other at the same distance; two of them are no shorter as a range.
    const std::int64_t step = first + 1 < indices.size() ? indices[first + 1] - indices[first] : 1;
    for (last = first; last + 1 < indices.size() && indices[last + 1] - indices[last] == step;) ++last;
    if (last - first < 2) last = first;
    list += (list.empty() ? "" : ",") + std::to_string(indices[first]);
    if (last > first) list += '-' + std::to_string(indices[last]) + (step == 1 ? "" : ':' + std::to_string(step));
  }
  const std::size_t limit = written.find('%');
  return limit == std::string::npos ? list : list + written.substr(limit);
}

std::string run_of_index(const std::string& run, std::int64_t index) { return run + '_' + std::to_string(index); }

std::string take_run_of_index(const std::string& folder, std::int64_t index) {
  // One of them alone, which was submitted again from its own folder.
  if (const std::optional<SlurmJob> own = slurm_job_of(folder); own && own->task == index) return folder;
  const std::string run = run_of_index(folder, index);
  std::filesystem::create_directories(run);
  if (!std::filesystem::exists(run + "/plan.json")) {
    std::ofstream(run + "/lock", std::ios::app);
    // The code was copied once, for all of them.
    const std::filesystem::path array(folder);
    std::error_code there;
    if (std::filesystem::exists(array / "code", there))
      std::filesystem::create_directory_symlink(std::filesystem::path("..") / array.filename() / "code", run + "/code", there);
    replace_file(run + "/plan.json", RunDirectory::open(folder).plan_text());
  }
  return run;
}

}  // namespace fabric
