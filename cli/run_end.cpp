#include "cli/run_end.hpp"

#include <filesystem>
#include <system_error>
#include <vector>

#include <fmt/core.h>

#include "cli/outside.hpp"
#include "cli/show_plan.hpp"
#include "cli/spoken.hpp"

namespace fabric {
namespace {

constexpr std::size_t longest_shown = 4096;  // of a line where there is no terminal that it has to fit

}  // namespace

std::string metrics_of(const RunDirectory& run) {
  const std::filesystem::path file = std::filesystem::path(run.path()) / "metrics.csv";
  std::error_code error;
  return std::filesystem::exists(file, error) ? file.string() : "";
}

std::string closing(const RunDirectory& run, const Outcome& outcome, const RunView& view, const Terminal& out) {
  std::string text;
  if (const std::string epochs = view.epochs_table(out); !epochs.empty()) text += '\n' + epochs;
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](std::string_view what, std::string value) { rows.push_back({out.paint(Style::faint, what), std::move(value)}); };
  if (view.checkpoint()) row("checkpoint", sanitised(shown_path(*view.checkpoint())));
  if (const std::string metrics = metrics_of(run); !metrics.empty()) row("metrics", sanitised(shown_path(metrics)));
  row("run", sanitised(shown_path(run.path())));
  std::string time = spoken_duration(view.seconds());
  if (view.first_step_seconds()) time += fmt::format(", the first step after {}", spoken_duration(*view.first_step_seconds()));
  row("time", std::move(time));
  text += '\n' + table(rows, 2, out.width);
  if (outcome.verdict == "finished") text += '\n' + out.paint(Style::good, "finished") + '\n';
  return text;
}

std::string failure(const RunDirectory& run, const Outcome& outcome, const Terminal& err) {
  const bool stopped = outcome.verdict == "stopped";
  std::string message = outcome.message.empty() ? outcome.verdict : outcome.message;
  if (message.starts_with(outcome.verdict + ' ')) message.erase(0, outcome.verdict.size() + 1);  // the word stands in front already
  std::string text = stopped ? err.paint(Style::warning, "stopped") : err.paint(Style::error, "error");
  text += err.paint(Style::strong, (stopped ? " " : ": ") + sanitised(message)) + '\n';
  const std::string bar = err.paint(Style::note, "   |");
  const std::size_t room = !err.interactive ? longest_shown : err.width > 12 ? err.width - 6 : 6;
  for (const std::string& line : outcome.last_lines) text += bar + ' ' + shortened(sanitised_output(line), room) + '\n';
  const auto remark = [&](std::string_view what, const std::string& value) {
    text += "   " + err.paint(Style::note, "=") + ' ' + std::string(what) + ": " + value + '\n';
  };
  if (!outcome.log.empty()) remark("log", sanitised(shown_path(outcome.log)));
  const std::string resume = sanitised(shell_line({"fabric", "resume", shown_path(run.path())}));
  std::vector<SkippedCheckpoint> damaged;
  if (run.newest_checkpoint(damaged)) remark("help", "go on from the newest checkpoint with `" + resume + "`");
  else if (stopped) remark("help", "start it once more in the same folder with `" + resume + "`");
  return text;
}

}  // namespace fabric
