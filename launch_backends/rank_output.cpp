#include "launch_backends/rank_output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <system_error>
#include <utility>

#include "launch_backends/process.hpp"
#include "launch_backends/protocol.hpp"
#include "schema/json.hpp"
#include "schema/utf8.hpp"

namespace fabric {
namespace {

constexpr std::array<std::string_view, 11> reserved_kinds = {"run_started",  "node_ready",   "bound",      "rank_started",
                                                             "rank_exited",  "stopping",     "restarting", "stalled",
                                                             "run_finished", "first_output", "met"};

constexpr std::chrono::milliseconds unfinished_every{200};
constexpr std::size_t most_unfinished = 512;  // bytes; no screen is wider

std::int64_t size_of(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? static_cast<std::int64_t>(status.st_size) : 0;
}

// Bytes of the file from offset on; empty at its end and where it cannot be read.
std::string read_at(int fd, std::int64_t offset, std::size_t most) {
  std::string bytes(most, '\0');
  ssize_t n;
  do n = pread(fd, bytes.data(), most, static_cast<off_t>(offset));
  while (n < 0 && errno == EINTR);
  bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return bytes;
}

FileDescriptor open_to_follow(const std::string& path, int flags) {
  FileDescriptor file(open(path.c_str(), flags | O_RDONLY | O_CLOEXEC | O_NOCTTY, 0666));
  if (!file) throw std::system_error(errno, std::generic_category(), "cannot open " + path);
  return file;
}

}  // namespace

void LineCutter::feed(std::string_view bytes, const std::function<void(std::string_view)>& line) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    std::string_view part = bytes.substr(0, end);
    for (std::size_t at; (at = part.find('\r')) != std::string_view::npos; part.remove_prefix(at + 1)) {
      take(part.substr(0, at));
      if (!head_.empty()) redrawn_ = shown();
      head_.clear();
      beyond_ = 0;
      return_seen_ = true;
    }
    take(part);
    if (end == std::string_view::npos) return;
    // \r\n ends a line like \n. A line whose last redrawing is empty shows what stood there before.
    line(unfinished());
    begin_line();
    bytes.remove_prefix(end + 1);
  }
}

void LineCutter::take(std::string_view bytes) {
  const std::size_t room = std::min(longest_ - head_.size(), bytes.size());
  head_ += bytes.substr(0, room);
  beyond_ += bytes.size() - room;
}

std::string LineCutter::shown() const {
  if (beyond_ == 0) return head_;
  // No character is cut in two.
  std::size_t end = head_.size();
  const auto continues = [&](std::size_t at) { return at > 0 && at < head_.size() && (head_[at] & 0xC0) == 0x80; };
  std::size_t last = end - 1;
  while (continues(last) && end - last < 4) --last;
  if ((head_[last] & 0x80) != 0 && utf8_length(head_, last) != end - last) end = last;
  const std::uint64_t more = beyond_ + (head_.size() - end);
  return head_.substr(0, end) + " [" + std::to_string(more) + (more == 1 ? " byte" : " bytes") + " more in the log file]";
}

void LineCutter::begin_line() {
  head_.clear();
  beyond_ = 0;
  redrawn_.clear();
  return_seen_ = false;
}

void LineCutter::finish(const std::function<void(std::string_view)>& line) {
  if (const std::string rest = unfinished(); !rest.empty()) line(rest);
  begin_line();
}

LogTail::LogTail(const std::string& path) : file_(open_to_follow(path, O_CREAT)), offset_(size_of(file_.get())) {}

std::int64_t LogTail::size() const { return size_of(file_.get()); }

LogTail::Lines LogTail::read(std::size_t most, bool last) {
  Lines out;
  const auto keep = [&out](std::string_view line) { out.lines.push_back(as_utf8(line)); };
  const std::int64_t size = this->size();
  const auto behind = static_cast<std::int64_t>(most_behind);
  if (size - offset_ > 2 * behind) pass_over(size - behind, keep);
  // The line that was being read stands before them.
  if (!out.lines.empty() && !last) return out;
  out.dropped = std::exchange(dropped_, 0);
  while (most > 0) {
    const std::string bytes = read_at(file_.get(), offset_, std::min<std::size_t>(most, 1 << 16));
    if (bytes.empty()) break;
    offset_ += static_cast<std::int64_t>(bytes.size());
    most -= bytes.size();
    cutter_.feed(bytes, keep);
  }
  if (last && offset_ >= this->size()) {
    cutter_.finish(keep);
    return out;
  }
  const Clock::time_point now = Clock::now();
  if (now - unfinished_told_ < unfinished_every) return out;
  // A line that begins as the one before it is another one.
  if (!out.lines.empty()) unfinished_.clear();
  std::string shown = as_utf8(cutter_.unfinished().substr(0, most_unfinished));
  if (std::exchange(unfinished_, shown) == shown || shown.empty()) return out;
  unfinished_told_ = now;
  out.unfinished = {std::move(shown), cutter_.redraws()};
  return out;
}

// What is passed over stays in the file. The line that was being read is seen to its end, and the last one from its beginning; of those
// between them the ends are counted.
void LogTail::pass_over(std::int64_t end, const std::function<void(std::string_view)>& line) {
  bool is_first = true;
  while (offset_ < end) {
    const std::string passed = read_at(file_.get(), offset_, static_cast<std::size_t>(std::min<std::int64_t>(end - offset_, 1 << 16)));
    if (passed.empty()) return;
    offset_ += static_cast<std::int64_t>(passed.size());
    std::string_view rest = passed;
    if (const std::size_t first = rest.find('\n'); is_first && first != std::string_view::npos) {
      cutter_.feed(rest.substr(0, first + 1), line);
      rest.remove_prefix(first + 1);
      is_first = false;
    }
    if (const std::size_t last = rest.rfind('\n'); last != std::string_view::npos) {
      dropped_ += std::count(rest.begin(), rest.end(), '\n');
      cutter_ = LineCutter();
      rest.remove_prefix(last + 1);
    }
    cutter_.feed(rest, line);
  }
}

EventTail::EventTail(const std::string& path) : file_(open_to_follow(path, O_CREAT)), offset_(size_of(file_.get())) {}

std::int64_t EventTail::size() const { return size_of(file_.get()); }

std::int64_t EventTail::take_malformed(bool cut_short) {
  const std::int64_t half = std::exchange(half_, false) && !cut_short ? 1 : 0;
  return std::exchange(malformed_, 0) + half;
}

std::vector<Event> EventTail::read(std::size_t most, bool last) {
  std::vector<Event> events;
  while (most > 0) {
    const std::string bytes = read_at(file_.get(), offset_, std::min<std::size_t>(most, 1 << 16));
    if (bytes.empty()) break;
    offset_ += static_cast<std::int64_t>(bytes.size());
    most -= bytes.size();
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      if (!skipping_) pending_ += rest.substr(0, end);
      if (end == std::string_view::npos) {
        if (pending_.size() > longest) {
          pending_.clear();
          skipping_ = true;
        }
        break;
      }
      rest.remove_prefix(end + 1);
      if (skipping_ || pending_.size() > longest) ++malformed_;
      else line(pending_, events);
      skipping_ = false;
      pending_.clear();
    }
  }
  if (last && offset_ >= size() && !skipping_) {
    const std::int64_t before = malformed_;
    line(std::exchange(pending_, {}), events);
    half_ = std::exchange(malformed_, before) > before;
  }
  return events;
}

void EventTail::line(std::string_view text, std::vector<Event>& events) {
  if (text.find_first_not_of(" \t\r") == std::string_view::npos) return;
  if (std::optional<Event> event = read_event_line(text, now_seconds())) events.push_back(std::move(*event));
  else ++malformed_;
}

std::optional<Event> read_event_line(std::string_view line, double now) {
  std::optional<Value> value = read_json(line);
  const Value* kind = value && value->is_object() ? value->find("kind") : nullptr;
  if (!kind || !kind->is_string() || kind->as_string().empty()) return std::nullopt;
  Event event;
  event.kind = kind->as_string();
  // Only fabric may say that a rank has ended.
  if (std::find(reserved_kinds.begin(), reserved_kinds.end(), event.kind) != reserved_kinds.end()) return std::nullopt;
  const Value* time = value->find("time");
  event.time = time && time->is_number() ? time->as_real() : now;
  const Value* nested = value->find("detail");
  event.detail = nested && nested->is_object() ? *nested : Value::object();
  for (const Member& member : value->as_object()) {
    const bool known = member.key == "kind" || member.key == "time" || member.key == "node" || member.key == "rank" ||
                       (member.key == "detail" && member.value.is_object());
    if (!known) event.detail.set(member.key, member.value);
  }
  return event;
}

std::vector<std::string> last_lines(const std::string& path, std::size_t count, std::int64_t begin) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  const std::int64_t size = size_of(file.get());
  const std::int64_t from = std::max<std::int64_t>(size - (64 << 10), begin);
  const std::string bytes = read_at(file.get(), from, 64 << 10);
  std::deque<std::string> lines;
  const auto keep = [&](std::string_view line) {
    lines.push_back(as_utf8(line));
    if (lines.size() > count) lines.pop_front();
  };
  LineCutter cutter;
  std::string_view text = bytes;
  // The first line is most often half of one.
  if (from > begin) text.remove_prefix(std::min(text.find('\n') + 1, text.size()));
  cutter.feed(text, keep);
  cutter.finish(keep);
  return {lines.begin(), lines.end()};
}

}  // namespace fabric
