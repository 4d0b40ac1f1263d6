#include "launch_backends/code_snapshot.hpp"

#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/replace_file.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

// The output of git in that folder; absent where it fails, as outside of a work tree.
std::optional<std::string> git(const std::string& folder, std::vector<std::string> words) {
  ProcessStart start;
  start.argv = {"git", "-C", folder};
  start.argv.insert(start.argv.end(), words.begin(), words.end());
  start.env = own_environment();
  try {
    ProgramResult result = run_program(std::move(start), "", std::size_t{64} << 20, std::chrono::seconds(60));
    if (result.status.good() && !result.timed_out && !result.too_much_output) return std::move(result.output);
  } catch (const std::system_error&) {}  // there is no git
  return std::nullopt;
}

std::vector<std::string> names_in(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t at = 0, end; (end = text.find('\0', at)) != std::string::npos; at = end + 1) names.push_back(text.substr(at, end - at));
  return names;
}

class Snapshot {
 public:
  Snapshot(std::string folder, const std::vector<std::string>& exclude, std::string into, CopyFor whom)
      : folder_(std::move(folder)), exclude_(exclude), into_(std::move(into)), whom_(whom) {
    taken_.folder = folder_;
    own_ = fs::weakly_canonical(fs::path(into_).parent_path()).lexically_relative(fs::weakly_canonical(folder_));
    if (const std::optional<std::string> tracked = git(folder_, {"ls-files", "-z", "--cached"})) {
      known_.emplace();
      for (const std::string& name : names_in(*tracked)) know(name);
      const std::optional<std::string> others = git(folder_, {"ls-files", "-z", "--others", "--exclude-standard"});
      if (!others) throw std::runtime_error("git did not list the files of " + folder_ + " that it does not track");
      for (const std::string& name : names_in(*others))
        if (!is_of_runs(name)) know(name), untracked_.insert(name);
      if (std::optional<std::string> commit = git(folder_, {"rev-parse", "HEAD"}))
        taken_.git_commit = commit->substr(0, commit->find('\n'));
      if (const std::optional<std::string> dirty = git(folder_, {"diff", "--name-only", "-z", "--relative", "HEAD"}))
        taken_.dirty = names_in(*dirty);
    }
  }

  CodeTaken take() {
    const std::string unfinished = into_ + ".new-" + std::to_string(getpid());
    try {
      copy("", unfinished);
      fs::rename(unfinished, into_);
    } catch (const std::exception& error) {
      std::error_code ignored;
      fs::remove_all(unfinished, ignored);
      throw std::runtime_error(std::string("the code of ") + folder_ + " cannot be copied: " + error.what());
    }
    return std::move(taken_);
  }

 private:
  void know(const std::string& name) {
    for (fs::path path = name; !path.empty(); path = path.parent_path()) known_->insert(path.string());
  }

  // Of runs of fabric, wherever they are kept: their copies of the code would be copied with the code, each time twice as much.
  bool is_of_runs(const std::string& name) {
    const fs::path path(name);
    if (!path.empty() && *path.begin() == "runs") return true;
    fs::path below;
    return std::any_of(path.begin(), path.end(), [&](const fs::path& part) { return (below /= part) == own_ || is_run(below.string()); });
  }

  bool is_run(const std::string& name) {
    const auto [at, is_new] = runs_.emplace(name, false);
    if (is_new) {
      std::error_code error;
      const fs::path path = fs::path(folder_) / name;
      at->second = fs::exists(path / "plan.json", error) && (fs::exists(path / "lock", error) || fs::exists(path / "job.sbatch", error));
    }
    return at->second;
  }

  bool is_code(const fs::directory_entry& entry, const std::string& name) {
    const auto fits = [&](const std::string& pattern) {
      const std::string folder = pattern.ends_with('/') ? pattern.substr(0, pattern.size() - 1) : pattern;
      return fnmatch(folder.c_str(), name.c_str(), 0) == 0 || fnmatch(folder.c_str(), fs::path(name).filename().c_str(), 0) == 0;
    };
    if (std::any_of(exclude_.begin(), exclude_.end(), fits)) return false;
    if (known_) return known_->contains(name);
    const std::string last = fs::path(name).filename().string();
    return !last.starts_with('.') && !is_of_runs(name) && last != "__pycache__" && !fs::exists(entry.path() / "pyvenv.cfg");
  }

  void copy(const std::string& below, const fs::path& to) {
    fs::create_directory(to);
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(folder_) / below)) {
      const std::string name = (fs::path(below) / entry.path().filename()).string();
      const fs::path target = to / entry.path().filename();
      const bool code = is_code(entry, name);
      if (whom_ == CopyFor::others && !code) continue;
      if (whom_ == CopyFor::others && entry.is_symlink()) {
        fs::copy_symlink(entry.path(), target);
      } else if (entry.is_symlink() || !code) {
        fs::create_symlink(entry.path(), target);
      } else if (entry.is_directory()) {
        copy(name, target);
      } else if (entry.is_regular_file()) {
        count(entry, name);
        fs::copy_file(entry.path(), target);
      }
    }
  }

  void count(const fs::directory_entry& entry, const std::string& name) {
    const auto bytes = static_cast<std::int64_t>(entry.file_size());
    ++taken_.files;
    if (untracked_.contains(name)) taken_.untracked.push_back(name);
    taken_.bytes += bytes;
    if (bytes > largest_bytes_) largest_bytes_ = bytes, largest_ = name;
    const bool many = taken_.files > most_code_files;
    if (!many && taken_.bytes <= most_code_bytes) return;
    throw std::runtime_error(
        (many ? "it has more than " + std::to_string(most_code_files) + " files"
              : "it has more than " + std::to_string(most_code_bytes >> 20) + " MiB, of which " + largest_ + " is the largest file") +
        ": name what is no code under code.exclude, or write `code: none`");
  }

  const std::string folder_;
  const std::vector<std::string>& exclude_;
  const std::string into_;
  const CopyFor whom_;
  fs::path own_;                                // the run that the copy is for, below folder_
  std::optional<std::set<std::string>> known_;  // of git, with the folders above
  std::map<std::string, bool> runs_;            // folders that were looked at
  std::set<std::string> untracked_;             // of these those that git would add
  std::int64_t largest_bytes_ = -1;
  std::string largest_;
  CodeTaken taken_;
};

}  // namespace

void copy_code(const Plan& plan, const std::string& run) {
  const std::string copy = run + "/code";
  std::error_code error;
  if (plan.job.code.take == CodeTake::none || fs::exists(copy, error)) return;
  const bool synced = plan.job.code.take == CodeTake::sync;
  const std::string folder = synced ? *plan.job.code.sync : fs::path(plan.request.job).parent_path().string();
  const CodeTaken taken = take_code(folder, plan.job.code.exclude, copy, synced ? CopyFor::others : CopyFor::this_machine);
  replace_file(run + "/code.json", pretty_json(to_value(taken)) + '\n');
}

CodeTaken take_code(const std::string& folder, const std::vector<std::string>& exclude, const std::string& into, CopyFor whom) {
  return Snapshot(folder, exclude, into, whom).take();
}

}  // namespace fabric
