#include <cstdlib>
#include <ctime>
#include <deque>
#include <optional>

#include <fmt/core.h>

#include "cli/commands/commands.hpp"
#include "cli/find_run.hpp"
#include "cli/follow_run.hpp"
#include "cli/live_block.hpp"
#include "cli/planning.hpp"
#include "cli/rank_filter.hpp"
#include "cli/rank_logs.hpp"
#include "cli/show_plan.hpp"
#include "cli/unfinished_lines.hpp"
#include "launch_backends/process.hpp"
#include "schema/units.hpp"

namespace fabric {
namespace {

constexpr Option logs_options[] = {
    {"-f,--follow", "", "Go on while the run lives."},
    rank_option,
    node_option,
    grep_option,
    {"--tail", "N", "Begin with the last N lines of each rank."},
    {"--since", "TIME", "Only what was printed since: 10m ago, or since 2026-11-28T20:15; exact to about a second."},
    runs_option,
};

constexpr Example logs_examples[] = {
    {"fabric logs train", "all that the ranks of the last run of that name have printed"},
    {"fabric logs train -f --rank 1 --tail 20", "what rank 1 prints from now on, after its last 20 lines"},
    {"fabric logs train --since 10m", "what all ranks have printed in the last ten minutes"},
    {"fabric logs train --grep 'loss|error'", "some lines of all ranks"},
};

// 2026-11-28T20:15:00, with Z or +01:00 behind it or else by this machine's zone; without seconds, or the day alone.
std::optional<double> read_time(const std::string& text) {
  std::tm tm{};
  const char* rest = nullptr;
  for (const char* shape : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    tm = {};
    if ((rest = strptime(text.c_str(), shape, &tm))) break;
  }
  if (!rest) return std::nullopt;
  double fraction = 0;
  if (*rest == '.') {
    char* end = nullptr;
    fraction = std::strtod(rest, &end);
    rest = end;
  }
  if (*rest == '\0') {
    tm.tm_isdst = -1;
    return static_cast<double>(mktime(&tm)) + fraction;
  }
  std::tm zone{};
  if (rest == std::string("Z")) return static_cast<double>(timegm(&tm)) + fraction;
  if (*rest != '+' && *rest != '-') return std::nullopt;
  const char* end = strptime(rest + 1, "%H:%M", &zone);
  if (!end || *end != '\0') return std::nullopt;
  const double east = (*rest == '+' ? 60.0 : -60.0) * (60 * zone.tm_hour + zone.tm_min);
  return static_cast<double>(timegm(&tm)) + fraction - east;
}

// A plan that cannot be read stands in nobody's way who wants all.
RankFilter filter_of(const Arguments& arguments, const RunDirectory& run) {
  RankFilter filter(arguments);
  if (filter.names_places()) return RankFilter(arguments, plan_of(run), run.node_rank());
  return filter;
}

class LogReader {
 public:
  LogReader(const Invocation& invocation, const RunDirectory& run)
      : out_(invocation.console.out), run_(run), logs_(run, filter_of(invocation.arguments, run)), tail_(tail_of(invocation.arguments)) {
    const auto text = invocation.arguments.value("since");
    if (!text) return;
    const Terminal& err = invocation.console.err;
    const auto note = [&err](const char* what) { err.write(err.paint(Style::warning, "note") + ": " + what + '\n'); };
    const std::optional<Duration> ago = Duration::parse(*text);
    const std::optional<double> time = ago ? std::optional(now_seconds() - ago->seconds) : read_time(*text);
    if (!time) throw UsageError("`--since " + *text + "` is neither a duration nor a time", "write for example 10m, or 2026-11-28T20:15");
    if (invocation.arguments.has("follow"))
      while (*time > now_seconds() && run.is_alive()) logs_.wait();
    if (*time > now_seconds()) {
      nothing_ = true;
      if (!invocation.arguments.has("follow")) note("that time is yet to come, and nothing was printed since");
    } else if (!logs_.begin_at(*time)) {
      note("of some ranks no times were kept; all that they printed follows");
    }
  }

  void read(bool follows) {
    if (nothing_) return;
    read_all(follows);
    if (follows) follow();
  }

 private:
  void read_all(bool follows) {
    std::deque<std::pair<std::string, std::int64_t>> kept;  // of one rank, with its node
    std::int64_t of_rank = 0;
    const auto keep = [&](std::int64_t node, std::int64_t rank, std::string_view line) {
      if (!tail_) return print(node, rank, line);
      of_rank = rank;
      kept.emplace_back(line, node);
      if (kept.size() > *tail_) kept.pop_front();
    };
    const auto show_kept = [&] {
      for (const auto& [line, node] : kept) print(node, of_rank, line);
      kept.clear();
    };
    // Half a line has its other half to come.
    logs_.read_all(
        !follows, keep, [this](auto node, auto rank, auto text) { show_state(node, rank, text); }, show_kept);
  }

  void follow() {
    StandingWatch standing(run_);
    for (bool last = false;;) {
      const bool more = logs_.read_more(
          last, [this](auto node, auto rank, auto line) { print(node, rank, line); },
          [this](auto node, auto rank, auto text) { show_state(node, rank, text); }, [this](auto rank) { unfinished_.end(rank); });
      draw();
      if (more) continue;
      if (last) return erase();
      last = !standing.look().goes_on;
      logs_.wait();
    }
  }

  // The line that a rank is redrawing.
  void show_state(std::int64_t node, std::int64_t rank, std::string_view text) {
    if (unfinished_.set(node, rank, text, true, UnfinishedLines::Clock::now()) && !out_.interactive) print(node, rank, text);
  }

  void draw() {
    if (!out_.interactive) return;
    const auto now = UnfinishedLines::Clock::now();
    if (now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    const auto* line = unfinished_.drawn(now);
    if (!line) return erase();
    const std::string head = fmt::format("[{}:{}]", line->second.node, line->first);
    const std::string state = shortened(sanitised_output(line->second.text), out_.present_width() - head.size() - 2);
    const std::string text = out_.paint(Style::faint, head) + ' ' + state;
    if (block_.shown() && text == drawn_text_) return;
    out_.write(block_.drawing({text}));
    block_.stands(1);
    drawn_text_ = text;
  }

  void erase() {
    if (!block_.shown()) return;
    out_.write(block_.erasing());
    block_.stands(0);
  }

  void print(std::int64_t node, std::int64_t rank, std::string_view line) {
    erase();
    out_.write(out_.paint(Style::faint, fmt::format("[{}:{}]", node, rank)) + ' ' + sanitised_output(line) + '\n');
  }

  const Terminal& out_;
  const RunDirectory& run_;
  RankLogs logs_;
  const std::optional<std::size_t> tail_;
  bool nothing_ = false;  // was printed since then
  UnfinishedLines unfinished_;
  LiveBlock block_;
  UnfinishedLines::Clock::time_point drawn_{};
  std::string drawn_text_;
};

int run_logs(const Invocation& invocation) {
  const RunDirectory run = find_run(invocation.arguments);
  if (is_array(run))
    throw UsageError("`" + *invocation.arguments.operand + "` is an array of runs, and each has logs of its own",
                     "name one of them, by its index: `" + shell_line({"fabric", "logs", *invocation.arguments.operand + "_0"}) + "`");
  const Terminal& err = invocation.console.err;
  if (const std::string problem = bring_up_to_date(run, !invocation.arguments.has("follow")); !problem.empty())
    err.write(err.paint(Style::warning, "note") + ": what follows is of some time ago: " + sanitised(problem) + '\n');
  LogReader reader(invocation, run);
  reader.read(invocation.arguments.has("follow"));
  return exit_with(ExitCode::success);
}

}  // namespace

const Command logs_command{
    .name = "logs",
    .summary = "print what the ranks of a run have printed",
    .about =
        "Prints the log files of a run's ranks, each line with [NODE:RANK] in front, rank after rank; with --follow also what they print from then on, as it comes. A line that is redrawn, as progress is, counts as one, in its last state; with --follow it is drawn over on a terminal, and elsewhere its state is printed every ten seconds.\n\n"
        "What a rank prints has no time of its own; the agent notes once a second how long its file is, and --since begins at such a note: "
        "what comes before is at the most about a second older. Of a time that is yet to come nothing is printed; with --follow it is waited "
        "for.",
    .operand = Operand{"RUN", "NAME, NAME/ID, or the folder of a run"},
    .options = logs_options,
    .examples = logs_examples,
    .run = run_logs,
};

}  // namespace fabric
