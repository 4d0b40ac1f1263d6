// A copy of a folder of code as it is now, so that a run that starts tomorrow runs what was there today.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/binding.hpp"
#include "schema/plan.hpp"

namespace fabric {

// What was taken: RUN/code.json.
struct CodeTaken {
  std::string folder;                     // from where, absolute
  std::optional<std::string> git_commit;  // 40 hex digits; absent: no work tree of git
  std::vector<std::string> dirty;         // tracked files that differ from the commit, below the folder
  std::vector<std::string> untracked;     // copied files that the commit does not have
  std::int64_t files = 0;                 // copied
  std::int64_t bytes = 0;
  static constexpr auto fields() {
    return listed(field("folder", &CodeTaken::folder), field("git_commit", &CodeTaken::git_commit), field("dirty", &CodeTaken::dirty),
                  field("untracked", &CodeTaken::untracked), field("files", &CodeTaken::files), field("bytes", &CodeTaken::bytes));
  }
};

// Beyond these it is hardly code, and an error says what is large.
constexpr std::int64_t most_code_files = 20'000;
constexpr std::int64_t most_code_bytes = std::int64_t{256} << 20;

// Copies folder to `into`, which must not be there. In a work tree of git those files are copied that git tracks, or would add and are
// of no run of fabric; elsewhere all that are not hidden, of no run, and of no environment (pyvenv.cfg).
// What is not copied, such as data, is a link to where it is, so that a path beside the code leads to it; not so where the copy is for
// other machines, and links in the code stay what they are. exclude: patterns of fnmatch(3) of paths below folder, of what is not to be
// copied either. Appears whole or not at all. Throws std::runtime_error that says what to do.
enum class CopyFor { this_machine, others };
CodeTaken take_code(const std::string& folder, const std::vector<std::string>& exclude, const std::string& into,
                    CopyFor whom = CopyFor::this_machine);

// The same as the plan has it, into the folder `run`, as code/ and code.json; nothing where the plan takes none, or where it is there
// already, as when a run is resumed. Throws std::runtime_error that says what to do.
void copy_code(const Plan& plan, const std::string& run);

}  // namespace fabric
