#include "cli/run_view.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include <fmt/core.h>

#include "cli/event_detail.hpp"
#include "cli/spoken.hpp"
#include "launch_backends/process.hpp"

namespace fabric {
namespace {

constexpr std::chrono::milliseconds between_draws{100};
constexpr std::size_t most_notes = 100;  // that are kept for the end

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

// Whether what is written to both comes out at one place.
bool same_place(const Terminal& a, const Terminal& b) {
  if (a.fd == b.fd || (a.interactive && b.interactive)) return true;
  struct stat one {};
  struct stat other {};
  return fstat(a.fd, &one) == 0 && fstat(b.fd, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

// Lines and block of one terminal or pipe keep their order; a pipe that is full holds up no bar elsewhere.
RunView::RunView(const Terminal& lines, const Terminal& bar, Ranks ranks, RankFilter filter, Clock::duration age)
    : lines_(lines),
      bar_(bar),
      ranks_(ranks),
      filter_(std::move(filter)),
      lines_out_(lines.fd),
      bar_alone_(bar.fd),
      bar_out_(same_place(lines, bar) ? lines_out_ : bar_alone_),
      begun_(Clock::now() - age) {}

double RunView::seconds() const { return std::chrono::duration<double>(Clock::now() - begun_).count(); }

void RunView::clear() {
  if (!block_.shown()) return;
  // Most of the time the block is drawn again at once: better a second one than no line.
  bar_out_.write(block_.erasing());
  block_.stands(0);
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
  if (!replaying_) board_.heard(rank, Clock::now());
  unfinished_.end(rank);
  if (ranks_ == Ranks::own_worker && is_worker_info(line)) return;
  if (filter_.shows_node(node) && filter_.shows_rank(rank) && filter_.shows_line(line)) print_line(node, rank, line);
}

void RunView::on_unfinished(std::int64_t node, std::int64_t rank, std::string_view text, bool redraws) {
  const Clock::time_point now = Clock::now();
  board_.heard(rank, now);
  if (!filter_.shows_node(node) || !filter_.shows_rank(rank) || !filter_.shows_line(text)) return unfinished_.end(rank);
  if (unfinished_.set(node, rank, text, redraws, now) && !lines_.interactive) print_line(node, rank, text);
  else draw(false);
}

void RunView::print_line(std::int64_t node, std::int64_t rank, std::string_view line) {
  print(lines_.paint(Style::faint, fmt::format("[{}:{}]", node, rank)) + ' ' + sanitised_output(line));
}

void RunView::follow_ranks(const Event& event) {
  // An event that is shown later than it happened was heard then.
  const double past = event.time > 0 ? std::clamp(now_seconds() - event.time, 0.0, 1e9) : 0;
  const Clock::time_point now = Clock::now() - std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(past));
  if (event.kind == "bound") {
    board_.clear();
    unfinished_.clear();
  }
  if (!event.rank) return;
  if (event.kind == "rank_started") board_.started(*event.rank, now);
  board_.heard(*event.rank, now);
  if (const auto step = integer_in(event.detail, "step"); step && (event.kind == "step" || event.kind == "first_step"))
    board_.stepped(*event.rank, *step);
  if (event.kind == "rank_exited") {
    board_.ended(*event.rank);
    unfinished_.end(*event.rank);
  }
  draw(false);
}

void RunView::on_event(const Event& event) {
  follow_ranks(event);
  const Value& d = event.detail;
  if (event.kind == "stopping") {
    if (std::exchange(stopping_, true)) return;
    const std::string why = text_in(d, "why");
    const bool asked = why.empty() || why.starts_with("SIG");
    print(lines_.paint(Style::warning, "stopping") +
          (asked ? std::string(": ranks save and leave") + (ctrl_c_kills_ ? ", press Ctrl-C again to kill" : "") : ": " + sanitised(why)));
    return;
  }
  // The controller, an agent or a program has something to say.
  if (event.kind == "note") {
    if (const std::string message = text_in(d, "message"); !message.empty()) {
      print(lines_.paint(Style::warning, "note") + ": " + sanitised(message));
      if (notes_.size() < most_notes) notes_.push_back(message);
    }
    return;
  }
  if (event.kind == "bound") {
    attempt_ = integer_in(d, "attempt");
    stopping_ = false;
    const std::string path = text_in(d, "resume_path");
    resume_path_ = path.empty() ? std::nullopt : std::optional(path);
    return;
  }
  if (event.kind == "stalled") {
    print(lines_.paint(Style::warning, "stalled") + ": " + sanitised(text_in(d, "message")));
    return;
  }
  if (event.kind == "restarting") {
    stopping_ = false;
    const double wait = real_in(d, "wait").value_or(0);
    print(lines_.paint(Style::warning, "restarting") + ": " + sanitised(text_in(d, "why")) +
          (wait >= 1 ? "; attempt " + std::to_string(integer_in(d, "attempt").value_or(0)) + " starts in " + spoken_duration(wait) : "") +
          (text_in(d, "resume_path").empty() ? "" : ", from " + sanitised(text_in(d, "resume_path"))));
    return;
  }
  if (event.kind == "requeued") {
    stopping_ = false;
    print(lines_.paint(Style::warning, "requeued") + ": " + sanitised(text_in(d, "why")));
    return;
  }
  if (event.kind == "checkpoint") {
    if (const std::string path = text_in(d, "path"); !path.empty()) checkpoint_ = path;
    return;
  }
  // Every rank makes the same steps; the first speaks for all.
  if (event.rank.value_or(0) != 0) return;
  if (event.kind == "start") {
    start_ = Start{integer_in(d, "steps").value_or(0), integer_in(d, "epochs").value_or(0), integer_in(d, "resumed_step").value_or(0)};
    std::string line = fmt::format("training: {} steps", grouped(static_cast<double>(start_->steps)));
    if (start_->epochs) line += fmt::format(" in {} {}", start_->epochs, start_->epochs == 1 ? "epoch" : "epochs");
    if (const auto samples = integer_in(d, "samples")) line += fmt::format(", {} samples", grouped(static_cast<double>(*samples)));
    if (const auto parameters = integer_in(d, "parameters"))
      line += fmt::format(", {} parameters", grouped(static_cast<double>(*parameters)));
    if (start_->resumed_step) line += fmt::format(", resumed at step {}", start_->resumed_step);
    print(line);
  } else if (event.kind == "first_step") {
    // Told later, it is no younger for that.
    const std::chrono::duration<double> ago(event.time > 0 ? std::max(0.0, now_seconds() - event.time) : 0.0);
    if (!first_step_seconds_) first_step_seconds_ = seconds() - ago.count();
    stepping_since_ = Clock::now() - std::chrono::duration_cast<Clock::duration>(ago);
    first_step_ = integer_in(d, "step").value_or(0);
    draw(true);
  } else if (event.kind == "step") {
    step_ = Step{integer_in(d, "step").value_or(0), integer_in(d, "epoch").value_or(0), real_in(d, "loss"), real_in(d, "samples_per_s")};
    draw(false);
  } else if (event.kind == "epoch") {
    epoch_ended(d);
  } else if (event.kind == "finished") {
    clear();
    start_.reset();
  }
}

void RunView::epoch_ended(const Value& detail) {
  const Epoch e{integer_in(detail, "epoch").value_or(0), real_in(detail, "train_loss"), real_in(detail, "test_loss"),
                real_in(detail, "accuracy"), real_in(detail, "samples_per_s")};
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
  if (!bar_.interactive) return;
  const Clock::time_point now = Clock::now();
  if (!at_once && now - drawn_ < between_draws) return;
  drawn_ = now;
  const std::vector<std::string> lines = block();
  if (lines.empty()) return clear();
  if (bar_out_.write(block_.drawing(lines), false)) block_.stands(lines.size());
}

std::vector<std::string> RunView::block() const {
  std::vector<std::string> lines;
  const Clock::time_point now = Clock::now();
  const std::size_t width = bar_.present_width(), room = width - 1;
  if (const auto* line = unfinished_.drawn(now)) {
    const std::string head = fmt::format("[{}:{}]", line->second.node, line->first);
    lines.push_back(bar_.paint(Style::faint, head) + ' ' + shortened(sanitised_output(line->second.text), room - head.size() - 1));
  }
  const bool has_bar = start_ && start_->steps > 0;
  if (has_bar) lines.push_back(bar_line(width));
  // Of fabric's own worker the first rank speaks for all.
  const std::string ranks = board_.line({!has_bar, ranks_ == Ranks::program, bar_.unicode ? " \u00b7 " : " | "}, now);
  if (!ranks.empty()) lines.push_back(bar_.paint(Style::faint, shortened(ranks, room)));
  return lines;
}

std::string RunView::bar_line(std::size_t width) const {
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
  const std::size_t room = width > used + 10 ? std::min<std::size_t>(width - used, 40) : 0;
  const auto full = static_cast<std::size_t>(std::lround(share * static_cast<double>(room)));
  std::string done, open;
  for (std::size_t i = 0; i < full; ++i) done += bar_.unicode ? "\u2501" : "=";
  for (std::size_t i = full; i < room; ++i) open += bar_.unicode ? "\u2501" : "-";
  // Without colour the two halves of a line would look alike.
  if (bar_.unicode && !bar_.colour) {
    open.clear();
    for (std::size_t i = full; i < room; ++i) open += "\u2508";
  }
  return shortened(left, width - 1) + bar_.paint(Style::good, done) + bar_.paint(Style::faint, open) +
         shortened(right, width > left.size() + room + 1 ? width - left.size() - room - 1 : 0);
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
