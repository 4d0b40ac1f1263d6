// What a batch script does between its directives and its end, sorted by what becomes of it in a job: modules, environments, variables,
// commands before and after, and the one that starts the ranks.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/import/launch_line.hpp"

namespace fabric {

// Something of the script, and where it begins there.
struct ScriptPart {
  std::string text;
  std::size_t at = 0;
};

// Where the script is submitted and where its first command runs, absolute: they differ by --chdir.
struct ScriptFolders {
  std::string submitted;
  ScriptPart start;
};

// A path of that folder, or an absolute one, without . and .. and a / at its end.
std::string plain_path(const std::string& folder, const std::string& path);

struct BatchBody {
  std::vector<ScriptPart> modules;
  std::optional<ScriptPart> conda;
  std::optional<ScriptPart> venv;
  std::vector<std::pair<std::string, ScriptPart>> variables;  // known ones, for every rank
  std::optional<ScriptPart> threads;
  std::optional<ScriptPart> folder;  // where ranks start, if not where the script was submitted
  std::vector<ScriptPart> setup;
  std::vector<ScriptPart> teardown;
  std::optional<LaunchLine> launch;
  std::size_t launch_at = 0;
};

}  // namespace fabric
