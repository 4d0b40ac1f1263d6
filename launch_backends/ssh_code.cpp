#include "launch_backends/ssh_code.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "launch_backends/protocol.hpp"
#include "launch_backends/ssh_words.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_earlier = 5;
constexpr std::chrono::minutes bringing_patience{30};

// A word of rsync's option -e, which has quotes of its own: doubled within.
std::string word_for_rsync(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + '\'';
}

// Of runs of the same name, those that took code, the newest first: ../../ID/code.
std::vector<std::string> earlier_copies(const std::string& run_directory) {
  const fs::path run(run_directory);
  std::vector<std::string> ids;
  std::error_code error;
  for (fs::directory_iterator entry(run.parent_path(), error), end; !error && entry != end; entry.increment(error)) {
    std::error_code none;
    const std::string id = entry->path().filename().string();
    if (id < run.filename().string() && !entry->is_symlink(none) && fs::exists(entry->path() / "code.json", none)) ids.push_back(id);
  }
  std::sort(ids.rbegin(), ids.rend());
  if (ids.size() > most_earlier) ids.resize(most_earlier);
  for (std::string& id : ids) id = "../../" + id + "/code";
  return ids;
}

}  // namespace

std::vector<std::string> rsync_words(std::vector<std::string> words, const std::string& folder, const std::vector<std::string>& earlier,
                                     const std::string& nonce) {
  // What a shell prints at a login would be taken for an answer: it ends with a line of ours.
  const std::string mark = "fabric-rsync-" + nonce;
  words.back() += "echo; echo " + mark + "; mkdir -p " + quoted_word(folder) + " && exec ";
  std::string script = "shift; ";  // the name of the host, as rsync knows it
  for (std::size_t i = 0; i < words.size(); ++i) script += quoted_word(words[i]) + (i + 1 == words.size() ? "\"$*\"" : " ");
  script += " | { sed -u '/^" + mark + "$/q' >/dev/null; exec cat; }";
  std::vector<std::string> all = {"rsync", "--recursive", "--links", "--perms", "--times", "--checksum", "-s", "--timeout=60"};
  for (const std::string& copy : earlier) all.push_back("--copy-dest=" + copy);
  all.insert(all.end(), {"-e", "sh -c " + word_for_rsync(script) + " sh", "--", folder + '/', "there:" + folder + '/'});
  return all;
}

SshFleet::Calls bring_code(SshFleet& fleet, const std::string& run_directory, const std::vector<NodeOptions>& nodes) {
  const std::vector<std::string> earlier = earlier_copies(run_directory);
  std::vector<std::vector<std::string>> calls(fleet.size());
  for (std::size_t i = 0; i < fleet.size(); ++i)
    if (nodes[i].own_disk) calls[i] = rsync_words(fleet.words_for(i, ""), run_directory + "/code", earlier, make_nonce());
  const auto [problems, signal] = fleet.run_for_each(calls, bringing_patience);
  // Of a disk that is full its other end says so, but not always in time.
  const std::string no_room = ExitStatus{false, 11}.str();
  std::vector<std::string> failed;
  for (std::size_t i = 0; i < fleet.size(); ++i)
    if (!problems[i].empty())
      failed.push_back(fleet.host(i) + ": " + (problems[i] == no_room ? "rsync could not write there: is its disk full?" : problems[i]));
  return {std::move(failed), signal};
}

}  // namespace fabric
