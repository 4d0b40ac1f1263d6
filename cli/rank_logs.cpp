#include "cli/rank_logs.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <stdexcept>

#include "launch_backends/log_times.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/written_at.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_piece = 1 << 16;
constexpr std::size_t longest_line = 1 << 16;  // bytes of one that are shown and searched
constexpr off_t looked_back = 64 << 10;        // bytes in which the begin of a line is looked for

std::optional<std::int64_t> number_between(const std::string& name, std::string_view head, std::string_view tail) {
  if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size()) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = name.data() + name.size() - tail.size();
  const auto [stop, error] = std::from_chars(name.data() + head.size(), end, number);
  return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

constexpr int looks_apart = 20;  // times as long as a look for new files takes: of a thousand nodes, with a folder each, on a slow disk

// To what is allowed at all: there may be more logs than a shell allows at first.
std::uint64_t raise_limit_of_files() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

off_t size_of_log(const FileDescriptor& file) {
  struct stat status {};
  return file && fstat(file.get(), &status) == 0 ? status.st_size : 0;
}

// What a log has in front of that byte, as far as one looks back.
std::string text_before(const FileDescriptor& file, off_t end) {
  const off_t from = std::max<off_t>(0, end - looked_back);
  std::string text(static_cast<std::size_t>(end - from), '\0');
  const ssize_t n = file ? pread(file.get(), text.data(), text.size(), from) : 0;
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

}  // namespace

RankLogs::RankLogs(const RunDirectory& run, RankFilter filter)
    : run_(run), filter_(std::move(filter)), most_files_(raise_limit_of_files()) {}

bool RankLogs::begin_at(double time) {
  find();
  bool known = true;
  for (Log& log : logs_) {
    const std::optional<std::int64_t> offset = LogTimes::offset_at(run_.rank_file(log.node, log.rank, ".times"), time);
    known = known && (offset || size_of_log(log.file) == 0);
    if (!offset || !log.file) continue;
    lseek(log.file.get(), *offset, SEEK_SET);
    const std::string text = text_before(log.file, *offset);
    if (const std::size_t begin = text.rfind('\n') + 1; begin > 0 || static_cast<off_t>(text.size()) == *offset)
      log.line_before = text.substr(begin);
  }
  return known;
}

void RankLogs::begin_with_last(std::size_t lines) {
  find();
  for (Log& log : logs_) {
    const off_t size = size_of_log(log.file);
    const std::string text = text_before(log.file, size);
    std::size_t begin = text.size();
    std::size_t end = text.ends_with('\n') ? text.size() - 1 : text.size();  // of the line before `begin`
    for (std::size_t i = 0; i < lines && begin > 0; ++i) {
      const std::size_t newline = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
      begin = newline == std::string::npos ? 0 : newline + 1;
      end = newline == std::string::npos ? 0 : newline;
    }
    if (log.file) lseek(log.file.get(), size - static_cast<off_t>(text.size() - begin), SEEK_SET);
  }
}

void RankLogs::read_all(bool last, const Line& line, const Line& state, const std::function<void()>& after) {
  find();
  for (Log& log : logs_) {
    const auto show = [&](std::string_view text) {
      if (filter_.shows_line(text)) line(log.node, log.rank, text);
    };
    // A rank may write faster than this reads: what is there now is enough.
    const off_t begun = log.file ? lseek(log.file.get(), 0, SEEK_CUR) : 0;
    for (off_t left = size_of_log(log.file) - begun; left > 0; left -= static_cast<off_t>(largest_piece))
      if (!read_some(log, show)) break;
    if (last) log.cutter.finish(show);
    else show_state(log, state);
    after();
  }
}

bool RankLogs::read_more(bool last, const Line& line, const Line& state, const std::function<void(std::int64_t rank)>& ended) {
  find(last);
  bool more = false;
  for (Log& log : logs_) {
    const auto show = [&](std::string_view text) {
      ended(log.rank);
      if (filter_.shows_line(text)) line(log.node, log.rank, text);
    };
    const bool some = read_some(log, show);
    if (some) show_state(log, state);
    more |= some;
    if (last && !more) log.cutter.finish(show);
  }
  return more;
}

void RankLogs::each_written(const std::function<void(std::int64_t rank, double seconds_ago)>& visit) const {
  for (const Log& log : logs_) {
    struct stat status {};
    if (!log.file || fstat(log.file.get(), &status) != 0 || status.st_size == 0) continue;
    visit(log.rank, std::max(0.0, now_seconds() - written_at(status)));
  }
}

void RankLogs::wait(bool soon) {
  // At once when a rank writes, but not without a pause. Of a file that is not there yet nobody tells.
  pollfd written{watch_.descriptor(), POLLIN, 0};
  if (poll(&written, 1, soon && logs_.empty() ? 10 : 50) > 0) poll(nullptr, 0, 5);
  watch_.take();
}

void RankLogs::find(bool must) {
  const auto begun = std::chrono::steady_clock::now();
  if (!must && begun < look_again_at_) return;
  std::error_code error;
  const auto check = [this](bool too_many) {
    if (!too_many) return;
    throw std::runtime_error("the run has more log files than may be open here at once, which is " + std::to_string(most_files_) +
                             ": look at some ranks, as with --rank 0-99, or raise the hard limit (ulimit -Hn)");
  };
  const auto open_log = [&](const fs::path& path) {
    FileDescriptor log(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    check(!log && errno == EMFILE);
    return log;
  };
  for (fs::directory_iterator node(run_.path() + "/nodes", error), end; !error && node != end; node.increment(error)) {
    const auto node_number = number_between(node->path().filename().string(), "", "");
    if (!node_number || !filter_.shows_node(*node_number)) continue;
    std::error_code inner;
    fs::directory_iterator file(node->path(), inner);
    check(inner.value() == EMFILE);
    for (const fs::directory_iterator last; !inner && file != last; file.increment(inner)) {
      const auto rank = number_between(file->path().filename().string(), "rank-", ".log");
      if (!rank || !filter_.shows_rank(*rank) || !known_.insert(*rank).second) continue;
      watch_.add(file->path().string());
      logs_.push_back({*node_number, *rank, open_log(file->path()), LineCutter(longest_line)});
    }
  }
  const auto now = std::chrono::steady_clock::now();
  look_again_at_ = now + looks_apart * (now - begun);
  std::sort(logs_.begin(), logs_.end(), [](const Log& a, const Log& b) { return a.rank < b.rank; });
}

bool RankLogs::read_some(Log& log, const std::function<void(std::string_view)>& line) {
  char buffer[largest_piece];
  const ssize_t n = log.file ? read(log.file.get(), buffer, sizeof buffer) : 0;
  if (n <= 0) return false;
  log.cutter.feed(std::exchange(log.line_before, ""), line);
  log.cutter.feed({buffer, static_cast<std::size_t>(n)}, line);
  return true;
}

void RankLogs::show_state(const Log& log, const Line& state) const {
  if (!log.cutter.redraws()) return;
  const std::string text = log.cutter.unfinished();
  if (filter_.shows_line(text)) state(log.node, log.rank, text);
}

}  // namespace fabric
