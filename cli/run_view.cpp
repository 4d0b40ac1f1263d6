#include "cli/run_view.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include <fmt/core.h>

namespace fabric {
namespace {

constexpr std::chrono::milliseconds between_draws{100};

std::optional<double> real(const Value& detail, std::string_view key) {
  const Value* v = detail.find(key);
  return v && v->is_number() ? std::optional(v->as_real()) : std::nullopt;
}

std::optional<std::int64_t> integer(const Value& detail, std::string_view key) {
  const Value* v = detail.find(key);
  return v && v->is_integer() ? std::optional(v->as_integer()) : std::nullopt;
}

std::string text(const Value& detail, std::string_view key) {
  const Value* v = detail.find(key);
  return v && v->is_string() ? v->as_string() : "";
}

// 2026-11-26T10:50:27.616 info: finished
bool is_worker_info(std::string_view line) {
  constexpr std::string_view shape = "0000-00-00T00:00:00.000 info: ";
  return line.size() >= shape.size() && std::equal(shape.begin(), shape.end(), line.begin(), [](char expected, char c) {
           return expected == '0' ? c >= '0' && c <= '9' : c == expected;
         });
}

std::string passed_over(std::int64_t lines) {
  const bool one = lines == 1;
  return fmt::format("[{} {} not shown, this output is read too slowly; the run's folder has {}]\n", grouped(static_cast<double>(lines)),
                     one ? "line is" : "lines are", one ? "it" : "them");
}

std::string loss_text(const std::optional<double>& x) { return x ? fmt::format("{:.4f}", *x) : "-"; }

}  // namespace

std::string spoken_duration(double seconds) {
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto s = static_cast<std::int64_t>(std::llround(seconds));
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s % 3600 / 60);
}

std::string grouped(double number) {
  std::string digits = fmt::format("{:.0f}", number);
  for (std::size_t at = digits.size(); at > 3 && digits[at - 4] != '-';) digits.insert(at -= 3, ",");
  return digits;
}

namespace {

// Whether what is written to both comes out at one place.
bool same_place(const Terminal& a, const Terminal& b) {
  if (a.fd == b.fd || (a.interactive && b.interactive)) return true;
  struct stat one {};
  struct stat other {};
  return fstat(a.fd, &one) == 0 && fstat(b.fd, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

// Lines and bar of one terminal or pipe keep their order; a pipe that is full holds up no bar elsewhere.
RunView::RunView(const Terminal& lines, const Terminal& bar, Ranks ranks)
    : lines_(lines),
      bar_(bar),
      ranks_(ranks),
      lines_out_(lines.fd),
      bar_alone_(bar.fd),
      bar_out_(same_place(lines, bar) ? lines_out_ : bar_alone_) {}

double RunView::seconds() const { return std::chrono::duration<double>(Clock::now() - begun_).count(); }

void RunView::clear() {
  if (!bar_shown_) return;
  // Most of the time the bar is drawn again at once: better a second one than no line.
  bar_out_.write("\r\x1b[K");
  bar_shown_ = false;
}

void RunView::head(const std::string& text) {
  lines_out_.write(text);
  say_what_failed();
}

bool RunView::finish(std::optional<std::chrono::milliseconds> limit) {
  clear();
  if (!lines_out_.drain(limit)) return false;
  if (dropped_ > 0) lines_out_.write(passed_over(std::exchange(dropped_, 0)));
  if (!lines_out_.drain(limit)) return false;
  say_what_failed();
  return bar_out_.drain(limit);
}

void RunView::print(const std::string& line) {
  clear();
  const std::string text = (dropped_ > 0 ? passed_over(dropped_) : "") + line + '\n';
  if (lines_out_.write(text)) dropped_ = 0;
  else ++dropped_;
  say_what_failed();
  draw(true);
}

void RunView::say_what_failed() {
  const int error = lines_out_.failure();
  if (error == 0 || error == EPIPE || !apart() || std::exchange(failure_told_, true)) return;
  bar_out_.write(bar_.paint(Style::warning, "warning") + ": cannot write to standard output: " + std::strerror(error) +
                 "; the run goes on, and its folder has everything\n");
}

void RunView::on_line(std::int64_t node, std::int64_t rank, std::string_view line) {
  if (ranks_ == Ranks::own_worker && is_worker_info(line)) return;
  print(lines_.paint(Style::faint, fmt::format("[{}:{}]", node, rank)) + ' ' + sanitised_output(line));
}

void RunView::on_event(const Event& event) {
  const Value& d = event.detail;
  if (event.kind == "stopping") {
    if (std::exchange(stopping_, true)) return;
    const std::string why = text(d, "why");
    const bool asked = why.empty() || why.starts_with("SIG");
    print(lines_.paint(Style::warning, "stopping") +
          (asked ? ": ranks save and leave, press Ctrl-C again to kill" : ": " + sanitised(why)));
    return;
  }
  // The controller, an agent or a program has something to say.
  if (event.kind == "note") {
    if (const std::string message = text(d, "message"); !message.empty())
      print(lines_.paint(Style::warning, "note") + ": " + sanitised(message));
    return;
  }
  if (event.kind == "bound") {
    attempt_ = integer(d, "attempt");
    const std::string path = text(d, "resume_path");
    resume_path_ = path.empty() ? std::nullopt : std::optional(path);
    return;
  }
  if (event.kind == "stalled") {
    print(lines_.paint(Style::warning, "stalled") + ": " + sanitised(text(d, "message")));
    return;
  }
  if (event.kind == "restarting") {
    stopping_ = false;
    const double wait = real(d, "wait").value_or(0);
    print(lines_.paint(Style::warning, "restarting") + ": " + sanitised(text(d, "why")) +
          (wait >= 1 ? "; attempt " + std::to_string(integer(d, "attempt").value_or(0)) + " starts in " + spoken_duration(wait) : "") +
          (text(d, "resume_path").empty() ? "" : ", from " + sanitised(text(d, "resume_path"))));
    return;
  }
  if (event.kind == "checkpoint") {
    if (const std::string path = text(d, "path"); !path.empty()) checkpoint_ = path;
    return;
  }
  // Every rank makes the same steps; the first speaks for all.
  if (event.rank.value_or(0) != 0) return;
  if (event.kind == "start") {
    start_ = Start{integer(d, "steps").value_or(0), integer(d, "epochs").value_or(0), integer(d, "resumed_step").value_or(0)};
    std::string line = fmt::format("training: {} steps", grouped(static_cast<double>(start_->steps)));
    if (start_->epochs) line += fmt::format(" in {} {}", start_->epochs, start_->epochs == 1 ? "epoch" : "epochs");
    if (const auto samples = integer(d, "samples")) line += fmt::format(", {} samples", grouped(static_cast<double>(*samples)));
    if (const auto parameters = integer(d, "parameters")) line += fmt::format(", {} parameters", grouped(static_cast<double>(*parameters)));
    if (start_->resumed_step) line += fmt::format(", resumed at step {}", start_->resumed_step);
    print(line);
  } else if (event.kind == "first_step") {
    if (!first_step_seconds_) first_step_seconds_ = seconds();
    stepping_since_ = Clock::now();
    first_step_ = integer(d, "step").value_or(0);
    draw(true);
  } else if (event.kind == "step") {
    step_ = Step{integer(d, "step").value_or(0), integer(d, "epoch").value_or(0), real(d, "loss"), real(d, "samples_per_s")};
    draw(false);
  } else if (event.kind == "epoch") {
    epoch_ended(d);
  } else if (event.kind == "finished") {
    clear();
    start_.reset();
  }
}

void RunView::epoch_ended(const Value& detail) {
  const Epoch e{integer(detail, "epoch").value_or(0), real(detail, "train_loss"), real(detail, "test_loss"), real(detail, "accuracy"),
                real(detail, "samples_per_s")};
  epochs_.push_back(e);
  std::string line = lines_.paint(
      Style::strong, start_ && start_->epochs ? fmt::format("epoch {}/{}", e.epoch, start_->epochs) : fmt::format("epoch {}", e.epoch));
  if (e.train_loss) line += "  train loss " + loss_text(e.train_loss);
  if (e.test_loss) line += "  test loss " + loss_text(e.test_loss);
  if (e.accuracy) line += fmt::format("  accuracy {:.4f}", *e.accuracy);
  if (e.samples_per_s) line += "  " + grouped(*e.samples_per_s) + " images/s";
  print(line);
}

void RunView::draw(bool at_once) {
  if (!bar_.interactive || !start_ || start_->steps <= 0) return;
  const Clock::time_point now = Clock::now();
  if (!at_once && now - drawn_ < between_draws) return;
  drawn_ = now;
  if (bar_out_.write('\r' + bar_line() + "\x1b[K", false)) bar_shown_ = true;
}

std::string RunView::bar_line() const {
  const std::int64_t step = step_ ? step_->step : start_->resumed_step;
  const double share = std::clamp(static_cast<double>(step) / static_cast<double>(start_->steps), 0.0, 1.0);
  std::string left = start_->epochs && step_ ? fmt::format("epoch {}/{}  ", step_->epoch, start_->epochs) : "";
  left += fmt::format("step {}/{}  ", step, start_->steps);
  std::string right = fmt::format("  {:3.0f}%", share * 100);
  if (stopping_) {
    right += "  stopping";
  } else if (step_) {
    if (step_->loss) right += "  loss " + loss_text(step_->loss);
    if (step_->samples_per_s) right += "  " + grouped(*step_->samples_per_s) + " images/s";
    const double spent = std::chrono::duration<double>(Clock::now() - stepping_since_).count();
    if (step > first_step_ && stepping_since_ != Clock::time_point{})
      right +=
          "  " + spoken_duration(spent / static_cast<double>(step - first_step_) * static_cast<double>(start_->steps - step)) + " left";
  }
  const std::size_t used = left.size() + right.size() + 1;
  const std::size_t room = bar_.width > used + 10 ? std::min<std::size_t>(bar_.width - used, 40) : 0;
  const auto full = static_cast<std::size_t>(std::lround(share * static_cast<double>(room)));
  std::string done, open;
  for (std::size_t i = 0; i < full; ++i) done += bar_.unicode ? "\u2501" : "=";
  for (std::size_t i = full; i < room; ++i) open += bar_.unicode ? "\u2501" : "-";
  // Without colour the two halves of a line would look alike.
  if (bar_.unicode && !bar_.colour) {
    open.clear();
    for (std::size_t i = full; i < room; ++i) open += "\u2508";
  }
  return shortened(left, bar_.width - 1) + bar_.paint(Style::good, done) + bar_.paint(Style::faint, open) +
         shortened(right, bar_.width > left.size() + room + 1 ? bar_.width - left.size() - room - 1 : 0);
}

std::string RunView::epochs_table(const Terminal& terminal) const {
  if (epochs_.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{}};
  for (const std::string_view head : {"epoch", "train loss", "test loss", "accuracy", "images/s"})
    rows[0].push_back(terminal.paint(Style::faint, head));
  for (const Epoch& e : epochs_)
    rows.push_back({std::to_string(e.epoch), loss_text(e.train_loss), loss_text(e.test_loss),
                    e.accuracy ? fmt::format("{:.4f}", *e.accuracy) : "-", e.samples_per_s ? grouped(*e.samples_per_s) : "-"});
  return table(rows, 2, terminal.width, {0, 1, 2, 3, 4});
}

}  // namespace fabric
