#include <sys/stat.h>

#include <filesystem>

#include "cli/commands/commands.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_standing.hpp"
#include "schema/units.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr Option clean_options[] = {
    {"--older-than", "TIME", "Remove runs that ended longer ago: 7d, 36h."},
    {"--dry-run", "", "Say what would be removed, and remove nothing."},
    runs_option,
};

constexpr Example clean_examples[] = {
    {"fabric clean --older-than 7d --dry-run", "what a week leaves"},
    {"fabric clean --older-than 7d", "remove it"},
};

// `latest` of a name goes to the newest run that is left, or away with the last.
void mend_latest(const fs::path& folder) {
  std::error_code error;
  const fs::path latest = folder / "latest";
  if (!fs::is_symlink(latest, error) || fs::exists(latest, error)) return;
  std::string newest;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (!entry->is_symlink() && fs::exists(entry->path() / "plan.json")) newest = std::max(newest, entry->path().filename().string());
  fs::remove(latest, error);
  if (newest.empty()) fs::remove(folder, error);
  else fs::create_symlink(newest, latest, error);
}

// When a run that says no end last wrote anything; 0 if that is not known.
double last_written(const std::string& run) {
  double last = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator file(run, error), end; !error && file != end; file.increment(error)) {
    struct stat status {};
    if (stat(file->path().c_str(), &status) == 0) last = std::max(last, static_cast<double>(status.st_mtim.tv_sec));
  }
  return last;
}

int run_clean(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const std::optional<std::string> written = arguments.value("older-than");
  if (!written) throw UsageError("`fabric clean` needs `--older-than TIME`", "for example: fabric clean --older-than 7d");
  const std::optional<Duration> age = Duration::parse(*written);
  if (age && written->find_first_not_of("0123456789.") == std::string::npos)
    throw UsageError("`--older-than " + *written + "` has no unit", "write " + *written + "d for days, " + *written + "h for hours");
  if (!age) throw UsageError("`--older-than " + *written + "` is no duration", "write for example 7d, 36h or 90m");
  const bool dry = arguments.has("dry-run");
  std::size_t removed = 0;
  for (const RunSummary& summary : list_runs(runs_folder(arguments))) {
    const RunStatus& status = summary.status;
    if (summary.standing.goes_on) continue;
    const double ended = status.ended.value_or(last_written(summary.path));
    // Of one that does not say when it was, nobody knows how old it is.
    if (ended == 0 || now_seconds() - ended < age->seconds) continue;
    std::error_code error;
    if (!fs::exists(fs::path(summary.path) / "plan.json", error)) continue;  // another clean has it
    RunDirectory run = RunDirectory::open(summary.path);
    // Held until it is gone, so that nobody resumes it meanwhile.
    if (!run.lock()) continue;
    invocation.console.out.write((dry ? "would remove " : "removed ") + sanitised(shown_path(summary.path)) + '\n');
    ++removed;
    if (dry) continue;
    fs::remove_all(summary.path);
    mend_latest(fs::path(summary.path).parent_path());
  }
  if (removed == 0) invocation.console.out.write("no run ended longer than " + age->str() + " ago\n");
  return exit_with(ExitCode::success);
}

}  // namespace

const Command clean_command{
    .name = "clean",
    .summary = "remove old runs",
    .about =
        "Removes the folders of runs that ended longer ago than a time that you give, with their logs and checkpoints. A run that is alive is never touched.",
    .operand = std::nullopt,
    .options = clean_options,
    .examples = clean_examples,
    .run = run_clean,
};

}  // namespace fabric
