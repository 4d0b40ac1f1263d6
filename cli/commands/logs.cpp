#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <deque>
#include <filesystem>
#include <set>

#include <fmt/core.h>

#include "cli/commands/commands.hpp"
#include "cli/find_run.hpp"
#include "cli/planning.hpp"
#include "launch_backends/descriptor.hpp"
#include "launch_backends/rank_output.hpp"
#include "schema/pattern.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_piece = 1 << 16;

constexpr Option logs_options[] = {
    {"-f,--follow", "", "Go on while the run lives."},
    {"--rank", "RANKS", "Only these: 0,3-5."},
    {"--node", "NODES", "Only ranks of these nodes."},
    {"--grep", "PATTERN", "Only lines in which this regular expression is found."},
    {"--tail", "N", "Begin with the last N lines of each rank."},
    runs_option,
};

constexpr Example logs_examples[] = {
    {"fabric logs train", "all that the ranks of the last run of that name have printed"},
    {"fabric logs train -f --rank 1 --tail 20", "what rank 1 prints from now on, after its last 20 lines"},
    {"fabric logs train --grep 'loss|error'", "some lines of all ranks"},
};

// 0,3-5 -> {0, 3, 4, 5}; empty: all.
std::set<std::int64_t> numbers(const Arguments& arguments, const char* option) {
  std::set<std::int64_t> all;
  const std::string text = arguments.value(option).value_or("");
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    std::int64_t first = 0, last = 0;
    auto [stop, error] = std::from_chars(at, end, first);
    last = first;
    if (error == std::errc() && stop < end && *stop == '-') {
      const auto upper = std::from_chars(stop + 1, end, last);
      stop = upper.ptr;
      error = upper.ec;
    }
    if (error != std::errc() || (stop < end && *stop != ',') || last < first || last - first > 1'000'000)
      throw UsageError("`--" + std::string(option) + " " + text + "` is no list of numbers",
                       "write for example --" + std::string(option) + " 0,3-5");
    for (std::int64_t n = first; n <= last; ++n) all.insert(n);
    at = stop < end ? stop + 1 : stop;
  }
  return all;
}

struct RankLog {
  std::int64_t node = 0, rank = 0;
  FileDescriptor file;
  LineCutter cutter;
};

std::optional<std::int64_t> number_between(const std::string& name, std::string_view head, std::string_view tail) {
  if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size()) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = name.data() + name.size() - tail.size();
  const auto [stop, error] = std::from_chars(name.data() + head.size(), end, number);
  return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

class LogReader {
 public:
  LogReader(const Invocation& invocation, const RunDirectory& run)
      : out_(invocation.console.out),
        run_(run),
        ranks_(numbers(invocation.arguments, "rank")),
        nodes_(numbers(invocation.arguments, "node")) {
    if (const auto text = invocation.arguments.value("grep")) {
      pattern_.emplace(*text);
      if (const std::string why = pattern_->error(); !why.empty())
        throw UsageError("`--grep " + *text + "` is no regular expression: " + why, "the language is RE2's");
    }
    if (const auto text = invocation.arguments.value("tail")) {
      std::size_t count = 0;
      const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), count);
      if (error != std::errc() || end != text->data() + text->size())
        throw UsageError("`--tail " + *text + "` is no number", "write for example --tail 20");
      tail_ = count;
    }
  }

  void read_all(bool follows) {
    find_logs();
    for (RankLog& log : logs_) {
      std::deque<std::string> kept;
      const auto keep = [&](std::string_view line) {
        if (!wanted(line)) return;
        if (!tail_) return print(log, line);
        kept.emplace_back(line);
        if (kept.size() > *tail_) kept.pop_front();
      };
      // A rank may write faster than this reads: what is there now is enough.
      struct stat status {};
      for (off_t left = log.file && fstat(log.file.get(), &status) == 0 ? status.st_size : 0; left > 0;
           left -= static_cast<off_t>(largest_piece))
        if (!read_some(log, keep)) break;
      // Half a line has its other half to come.
      if (!follows) log.cutter.finish(keep);
      for (const std::string& line : kept) print(log, line);
    }
    tail_.reset();
  }

  void follow() {
    for (bool last = false;;) {
      find_logs();
      bool more = false;
      for (RankLog& log : logs_) {
        const auto show = [&](std::string_view line) {
          if (wanted(line)) print(log, line);
        };
        more |= read_some(log, show);
        if (last && !more) log.cutter.finish(show);
      }
      if (more) continue;
      if (last) return;
      last = !run_.is_alive();
      poll(nullptr, 0, 50);
    }
  }

 private:
  void find_logs() {
    std::error_code error;
    for (fs::directory_iterator node(run_.path() + "/nodes", error), end; !error && node != end; node.increment(error)) {
      const auto node_number = number_between(node->path().filename().string(), "", "");
      if (!node_number || (!nodes_.empty() && !nodes_.contains(*node_number))) continue;
      std::error_code inner;
      for (fs::directory_iterator file(node->path(), inner), last; !inner && file != last; file.increment(inner)) {
        const auto rank = number_between(file->path().filename().string(), "rank-", ".log");
        if (!rank || (!ranks_.empty() && !ranks_.contains(*rank)) || !known_.insert(*rank).second) continue;
        logs_.push_back({*node_number, *rank, FileDescriptor(open(file->path().c_str(), O_RDONLY | O_CLOEXEC)), {}});
      }
    }
    std::sort(logs_.begin(), logs_.end(), [](const RankLog& a, const RankLog& b) { return a.rank < b.rank; });
  }

  template <class Line>
  bool read_some(RankLog& log, Line&& line) {
    char buffer[largest_piece];
    const ssize_t n = log.file ? read(log.file.get(), buffer, sizeof buffer) : 0;
    if (n <= 0) return false;
    log.cutter.feed({buffer, static_cast<std::size_t>(n)}, line);
    return true;
  }

  bool wanted(std::string_view line) const { return !pattern_ || pattern_->found_in(line); }

  void print(const RankLog& log, std::string_view line) {
    out_.write(out_.paint(Style::faint, fmt::format("[{}:{}]", log.node, log.rank)) + ' ' + sanitised_output(line) + '\n');
  }

  const Terminal& out_;
  const RunDirectory& run_;
  const std::set<std::int64_t> ranks_, nodes_;
  std::optional<Pattern> pattern_;
  std::optional<std::size_t> tail_;
  std::set<std::int64_t> known_;
  std::vector<RankLog> logs_;
};

int run_logs(const Invocation& invocation) {
  const RunDirectory run = find_run(invocation.arguments);
  LogReader reader(invocation, run);
  reader.read_all(invocation.arguments.has("follow"));
  if (invocation.arguments.has("follow")) reader.follow();
  return exit_with(ExitCode::success);
}

}  // namespace

const Command logs_command{
    .name = "logs",
    .summary = "print what the ranks of a run have printed",
    .about =
        "Prints the log files of a run's ranks, each line with [NODE:RANK] in front, rank after rank; with --follow also what they print from then on, as it comes.",
    .operand = Operand{"RUN", "NAME, NAME/ID, or the folder of a run"},
    .options = logs_options,
    .examples = logs_examples,
    .run = run_logs,
};

}  // namespace fabric
