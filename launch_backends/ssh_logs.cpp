#include "launch_backends/ssh_logs.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/protocol.hpp"
#include "launch_backends/ssh_words.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::minutes silence_while_fetching{2};
constexpr int tries_at_fetching = 3;
constexpr const char* files_of_a_rank[] = {".log", ".times", ".events.jsonl", ".error.json"};
constexpr std::string_view log_tail = files_of_a_rank[0];
constexpr std::size_t longest_head = 4096;  // what is longer is no line of ours

// The files of one node as its host prints them: whatever its shell says at a login, a line that nobody else knows, then for each file that
// is there `INDEX BYTES` in a line and so many bytes, and `end`. The host says which of the files that were asked for it means; where they
// are put is known here alone.
class FilesOfNode {
 public:
  // names: in the folder, here and there.
  FilesOfNode(std::string folder, std::vector<std::string> names) : folder_(std::move(folder)), names_(std::move(names)) {
    std::error_code error;
    fs::create_directories(folder_, error);
  }

  // What is printed from now on is that of this command, for whatever shell a login has.
  std::string command() {
    mark_ = "fabric-files-" + make_nonce();
    part_ = Part::noise;
    head_.clear();
    problem_.clear();
    next_ = 0;
    bytes_.assign(names_.size(), std::nullopt);
    std::string script = "echo; echo " + mark_ + "; i=0; cd " + quoted_word(folder_) + " 2>/dev/null && for f in";
    for (const std::string& name : names_) script += ' ' + name;
    // A file that nobody wrote is none that is missing. One may still grow, or be cut off: then less arrives than was said.
    script +=
        "; do if [ -e \"$f\" ]; then n=$(wc -c <\"$f\") || exit 1; echo $i $((n)); head -c $((n)) \"$f\" || exit 1; fi; i=$((i+1)); done; echo end";
    return "exec sh -c " + quoted_word(script);
  }

  void take(std::string_view bytes) {
    while (!bytes.empty() && part_ != Part::end) bytes.remove_prefix(part_ == Part::file ? take_file(bytes) : take_line(bytes));
  }

  // Empty: all of them are here, in the place of those that were.
  std::string problem() const {
    if (!problem_.empty()) return problem_;
    return part_ == Part::end ? "" : "only a part of it arrived";
  }
  bool is_whole() const { return problem().empty(); }

  void leave_no_part() {
    file_.reset();
    std::error_code error;
    for (const std::string& name : names_) fs::remove(part_of(name), error);
  }

 private:
  enum class Part { noise, head, file, end };

  std::string path_of(const std::string& name) const { return folder_ + '/' + name; }
  std::string part_of(const std::string& name) const { return path_of(name) + ".part"; }

  void fail(std::string why) {
    problem_ = std::move(why);
    part_ = Part::end;
  }

  // Returns how many of the bytes were taken.
  std::size_t take_line(std::string_view bytes) {
    const std::size_t end = bytes.find('\n');
    head_ += bytes.substr(0, end);
    if (end == std::string_view::npos) {
      if (head_.size() > longest_head) head_.assign(1, '?');  // it is no mark, however it ends
      return bytes.size();
    }
    const std::string line = std::exchange(head_, "");
    if (part_ == Part::noise) part_ = line == mark_ ? Part::head : Part::noise;
    else if (line == "end") end_all();
    else begin_file(line);
    return end + 1;
  }

  void begin_file(std::string_view line) {
    std::size_t index = 0;
    const auto [space, bad] = std::from_chars(line.data(), line.data() + line.size(), index);
    const char* const end = line.data() + line.size();
    const bool known = bad == std::errc() && space != end && *space == ' ' && index >= next_ && index < names_.size();
    const auto [rest, worse] = std::from_chars(known ? space + 1 : end, end, left_);
    if (!known || worse != std::errc() || rest != end) return fail("what it prints is not what was asked for");
    next_ = index;
    bytes_[index] = left_;
    file_ = FileDescriptor(open(part_of(names_[index]).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!file_) return fail("cannot write " + part_of(names_[index]) + ": " + std::generic_category().message(errno));
    part_ = Part::file;
    if (left_ == 0) end_file();
  }

  std::size_t take_file(std::string_view bytes) {
    const std::size_t taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    for (std::string_view rest = bytes.substr(0, taken); !rest.empty();) {
      const ssize_t n = write(file_.get(), rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        fail("cannot write " + part_of(names_[next_]) + ": " + std::generic_category().message(errno));
        return bytes.size();
      }
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    left_ -= taken;
    if (left_ == 0) end_file();
    return taken;
  }

  void end_file() {
    file_.reset();
    part_ = Part::head;
    ++next_;
  }

  // All have come: they take their places.
  void end_all() {
    part_ = Part::end;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const std::string path = path_of(names_[i]);
      const bool is_log = names_[i].ends_with(log_tail);
      std::error_code error;
      if (bytes_[i].value_or(0) > 0 || (is_log && bytes_[i])) fs::rename(part_of(names_[i]), path, error);
      // A rank has a log, be it empty; and what was heard of one is more than nothing.
      else if (is_log) FileDescriptor(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
      // Of the others one that is empty says nothing.
      else fs::remove(path, error);
      if (error) fail("cannot write " + path + ": " + error.message());
    }
  }

  const std::string folder_;
  const std::vector<std::string> names_;
  std::string mark_;
  std::string problem_;
  Part part_ = Part::noise;
  std::string head_;      // of a line, as far as it has come
  std::size_t next_ = 0;  // of the names, the one that is being written or the first that may follow
  FileDescriptor file_;
  std::uint64_t left_ = 0;                           // bytes of it
  std::vector<std::optional<std::uint64_t>> bytes_;  // of each that is there
};

std::vector<std::string> names_of_files(const NodeGroup& group, std::int64_t at) {
  std::vector<std::string> names;
  for (std::int64_t local = 0; local < group.ranks_per_node; ++local)
    for (const char* tail : files_of_a_rank)
      names.push_back("rank-" + std::to_string(group.first_rank + at * group.ranks_per_node + local) + tail);
  return names;
}

}  // namespace

std::vector<std::string> fetch_logs(SshFleet& fleet, const Plan& plan, const std::string& run_directory,
                                    const std::vector<NodeOptions>& nodes) {
  std::vector<std::optional<FilesOfNode>> files(fleet.size());
  std::vector<std::string> problems(fleet.size());
  for (const NodeGroup& group : plan.groups)
    for (std::int64_t at = 0; at < group.nodes; ++at) {
      const auto node = static_cast<std::size_t>(group.first_node + at);
      if (!nodes[node].own_disk) continue;
      problems[node] = fleet.problem(node);
      if (problems[node].empty()) files[node].emplace(run_directory + "/nodes/" + std::to_string(node), names_of_files(group, at));
    }
  const auto take = [&files](std::size_t node, std::string_view bytes) { files[node]->take(bytes); };
  // A connection that was there all the time can fail one call all the same, as on a machine with more to do than it can.
  int signal = 0;
  for (int tries = 0; tries < tries_at_fetching && signal == 0; ++tries) {
    std::vector<std::vector<std::string>> calls(fleet.size());
    bool any = false;
    for (std::size_t node = 0; node < fleet.size(); ++node)
      if (files[node] && (tries == 0 || !files[node]->is_whole())) {
        calls[node] = fleet.words_for(node, files[node]->command());
        any = true;
      }
    if (!any) break;
    if (tries > 0) poll(nullptr, 0, 500 << tries);
    const SshFleet::Calls called = fleet.run_for_each(calls, silence_while_fetching, take);
    signal = called.signal;
    for (std::size_t node = 0; node < fleet.size(); ++node) {
      if (calls[node].empty()) continue;
      problems[node] = called.problems[node].empty() || files[node]->is_whole() ? files[node]->problem() : called.problems[node];
      files[node]->leave_no_part();
    }
  }
  std::vector<std::string> failed;
  for (std::size_t node = 0; node < fleet.size(); ++node)
    if (!problems[node].empty()) failed.push_back(fleet.host(node) + ": " + problems[node]);
  return failed;
}

}  // namespace fabric
