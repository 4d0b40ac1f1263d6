#include <algorithm>
#include <ctime>

#include "cli/commands/commands.hpp"
#include "cli/planning.hpp"
#include "cli/spoken.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_standing.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Option list_options[] = {runs_option, format_option};

constexpr Example list_examples[] = {
    {"fabric list", "the runs of this folder, the newest last"},
    {"fabric list --format json", "the same for a script"},
};

std::string local_time(double seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm tm{};
  localtime_r(&time, &tm);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm)};
}

Style style_of(const std::string& state) {
  if (state == "finished") return Style::good;
  if (state == "failed" || state == "lost" || state == "refused") return Style::error;
  return state == "stopped" || state == "stopping" ? Style::warning : Style::accent;
}

// The last cell of a row is in its line where there is room for words, and else below it.
std::string with_remarks(std::vector<std::vector<std::string>> rows, const Terminal& out) {
  constexpr std::size_t least_room = 30, indent = 4;
  std::vector<std::string> remarks;
  std::vector<std::vector<std::string>> plain = rows;
  for (std::vector<std::string>& row : plain) {
    remarks.push_back(std::move(row.back()));
    row.pop_back();
  }
  const std::string text = table(plain, 0, out.width);
  std::vector<std::string> lines;
  std::size_t widest = 0;
  for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
    lines.push_back(text.substr(begin, text.find('\n', begin) - begin));
    widest = std::max(widest, display_width(lines.back()));
  }
  if (widest + least_room <= out.width) return table(rows, 0, out.width);
  std::string below;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    below += lines[i] + '\n';
    if (remarks[i].empty()) continue;
    for (const std::string& line : wrapped(remarks[i], out.width > 2 * indent ? out.width - indent : indent))
      below += std::string(indent, ' ') + line + '\n';
  }
  return below;
}

int run_list(const Invocation& invocation) {
  const std::string runs = runs_folder(invocation.arguments);
  const std::vector<RunSummary> all = list_runs(runs);
  const Terminal& out = invocation.console.out;
  if (invocation.arguments.value("format") == "json") {
    Value rows = Value::array();
    for (const RunSummary& run : all) rows.as_array().push_back(document_of(run));
    Value document = Value::object();
    document.set("runs", std::move(rows));
    out.write(pretty_json(document) + '\n');
    return exit_with(ExitCode::success);
  }
  if (all.empty()) {
    out.write("no runs in " + sanitised(runs) + "; `fabric apply job.yaml` starts one\n");
    return exit_with(ExitCode::success);
  }
  std::vector<std::vector<std::string>> rows = {{}};
  for (const char* heading : {"run", "state", "started", "took", "exit", ""}) rows[0].push_back(out.paint(Style::faint, heading));
  for (const RunSummary& run : all) {
    const RunStatus& s = run.status;
    const bool of_some_time_ago = !run.standing.answered && !run.standing.host.empty();
    const std::string& what = of_some_time_ago || (s.message.empty() && run.standing.goes_on) ? run.standing.detail : s.message;
    const double took = s.ended.value_or(now_seconds()) - s.started;
    rows.push_back({sanitised(run.id), out.paint(style_of(s.state), sanitised(s.state)), s.started > 0 ? local_time(s.started) : "",
                    s.started > 0 && (s.ended || s.state != "lost") ? spoken_duration(took) : "",
                    s.exit_code ? std::to_string(*s.exit_code) : "", sanitised(what)});
  }
  // One node of several, which most often there is none of.
  if (std::any_of(all.begin(), all.end(), [](const RunSummary& run) { return run.status.node_rank.has_value(); })) {
    rows[0].insert(rows[0].begin() + 1, out.paint(Style::faint, "node"));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::optional<std::int64_t>& node = all[i].status.node_rank;
      rows[i + 1].insert(rows[i + 1].begin() + 1, node ? std::to_string(*node) : "");
    }
  }
  out.write(with_remarks(rows, out));
  return exit_with(ExitCode::success);
}

}  // namespace

const Command list_command{
    .name = "list",
    .summary = "list the runs of this folder",
    .about = "Shows each run below `runs`, the newest last: where it stands, when it started, how long it took, and how it ended.",
    .operand = std::nullopt,
    .options = list_options,
    .examples = list_examples,
    .run = run_list,
};

}  // namespace fabric
