#include "cli/follow_run.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "cli/rank_logs.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/ssh.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;
using Clock = RunView::Clock;

constexpr auto time_to_appear = 5s;  // for whoever is to carry it out, once it is told to stop

volatile std::sig_atomic_t interrupts = 0;
volatile std::sig_atomic_t last_interrupt = 0;

void take_interrupt(int signal) {
  interrupts = interrupts + 1;
  last_interrupt = signal;
}

// events.jsonl, as it grows.
class EventFile {
 public:
  explicit EventFile(const RunDirectory& run) : path_(run.path() + "/events.jsonl") {}

  // Those that have come since.
  std::vector<Event> read_new() {
    if (!file_) file_.reset(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    std::vector<Event> events;
    char buffer[1 << 16];
    for (ssize_t n; file_ && (n = read(file_.get(), buffer, sizeof buffer)) > 0;) {
      pending_.append(buffer, static_cast<std::size_t>(n));
      std::size_t begin = 0;
      for (std::size_t end; (end = pending_.find('\n', begin)) != std::string::npos; begin = end + 1)
        take(pending_.substr(begin, end - begin), events);
      pending_.erase(0, begin);
    }
    return events;
  }

 private:
  static void take(const std::string& line, std::vector<Event>& events) {
    const std::optional<Value> value = read_json(line);
    if (!value) return;
    try {
      events.push_back(from_value<Event>(*value));
    } catch (const BindingError&) {}
  }

  const std::string path_;
  FileDescriptor file_;
  std::string pending_;  // of a line that has not ended
};

// The last attempt is what is being watched.
std::vector<Event> of_last_attempt(std::vector<Event> events) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < events.size(); ++i)
    if (events[i].kind == "run_started") begin = i;
  events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(begin));
  return events;
}

}  // namespace

const RunStanding& StandingWatch::look(bool soon) {
  const Clock::time_point now = Clock::now();
  const bool alive = run_.is_alive();
  const auto apart = soon ? std::min<Clock::duration>(apart_, 300ms) : apart_;
  if (asked_ && alive == alive_ && now - *asked_ < apart) return found_;
  alive_ = alive;
  found_ = standing_of(run_);
  asked_ = Clock::now();
  // Here it costs nothing. A scheduler is left in peace.
  const bool costs = *asked_ - now > 2ms;
  const bool is_slow = *asked_ - now > 1s;      // one that does not answer holds up the lines of ranks for as long
  const bool elsewhere = !found_.host.empty();  // it brings lines with it
  apart_ = elsewhere         ? Clock::duration(is_slow ? 3s : 300ms)
           : is_slow         ? Clock::duration(30s)
           : !costs          ? Clock::duration::zero()
           : found_.in_queue ? std::min<Clock::duration>(apart_ + 500ms, 10s)
                             : Clock::duration(2s);
  return found_;
}

FollowEnd follow_run(const RunDirectory& run, RunView& view, RankFilter filter, const Following& how) {
  interrupts = 0;
  std::signal(SIGINT, take_interrupt);
  if (how.stops) std::signal(SIGTERM, take_interrupt);
  take_signals_kept();
  EventFile events(run);
  RankLogs logs(run, std::move(filter));
  logs.begin_with_last(how.tail);
  const auto line = [&view](std::int64_t node, std::int64_t rank, std::string_view text) { view.on_line(node, rank, text); };
  const auto state = [&view](std::int64_t node, std::int64_t rank, std::string_view text) { view.on_unfinished(node, rank, text, true); };
  const std::vector<Event> happened_before = of_last_attempt(events.read_new());
  const auto stop =
      std::find_if(happened_before.begin(), happened_before.end(), [](const Event& event) { return event.kind == "stopping"; });
  std::for_each(happened_before.begin(), stop, [&view](const Event& event) { view.on_event(event); });
  view.replay(true);
  logs.read_all(false, line, state);
  view.replay(false);
  // Of what ranks have printed most was there before.
  std::for_each(stop, happened_before.end(), [&view](const Event& event) { view.on_event(event); });
  logs.each_written([&view](std::int64_t rank, double seconds_ago) {
    view.heard_at(rank, Clock::now() - std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds_ago)));
  });
  const auto say = [&view](const std::string& message) {
    Event note{.kind = "note", .time = now_seconds(), .detail = Value::object()};
    note.detail.set("message", message);
    view.on_event(note);
  };
  StandingWatch standing(run);
  std::string told;
  bool closing = false, delivered = false;
  Clock::time_point starts_until{};
  Clock::time_point insist_at = Clock::time_point::max(), tell_again_at = Clock::time_point::max();
  std::string why_not_told;
  std::optional<Clock::time_point> nobody_since;
  for (int passed_on = 0;;) {
    const RunStanding& stands = standing.look(closing);
    const bool last = !stands.goes_on;
    // What was printed before something happened is shown before it.
    const std::vector<Event> happened = events.read_new();
    while (logs.read_more(last, line, state, [](std::int64_t) {})) {}
    for (const Event& event : happened) {
      view.on_event(event);
      if (event.kind == "node_ready") starts_until = Clock::now() + 5s;
      closing = event.kind == "run_finished" || (closing && event.kind != "run_started");
    }
    if (last) return {true, delivered ? static_cast<int>(last_interrupt) : 0};
    if (stands.in_queue) closing = false;  // it was put back
    if (!closing && stands.detail != std::exchange(told, stands.detail) && !told.empty()) say(told);
    if (interrupts > passed_on || Clock::now() >= tell_again_at) {
      if (!how.stops) return {};
      passed_on = interrupts;
      tell_again_at = Clock::time_point::max();
      try {
        // Hurried only if the first was heard.
        if (stop_run(run, last_interrupt, delivered)) {
          delivered = true;
        } else if (!delivered) {
          // It was ordered on another machine, and may be about to begin there.
          if (!nobody_since) nobody_since = Clock::now();
          if (Clock::now() - *nobody_since > time_to_appear) {
            say("nobody carries the run out, and it has not begun");
            return {true, 0};
          }
          tell_again_at = Clock::now() + 500ms;
        }
        if (delivered) insist_at = Clock::now() + time_to_insist;
      } catch (const std::runtime_error& error) {
        if (std::exchange(why_not_told, error.what()) != error.what())
          say("the run could not be told to stop, and goes on until it can: " + why_not_told);
        tell_again_at = Clock::now() + 2s;
      }
    }
    if (Clock::now() > insist_at) {
      insist_at = Clock::time_point::max();
      insist_on_stop(run, interrupts > 1);
    }
    view.on_tick();
    logs.wait(Clock::now() < starts_until);
  }
}

}  // namespace fabric
