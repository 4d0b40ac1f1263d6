#include "cli/render_submission.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <vector>

#include "cli/command.hpp"
#include "cli/outside.hpp"
#include "cli/terminal.hpp"
#include "launch_backends/code_snapshot.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

// slurm.partition, job.yaml:7
std::string cause_in_words(const std::string& field, const Compilation& compilation) {
  const Path path = Path::parse(field).value_or(Path());
  if (const Origin* origin = compilation.origins.find(path)) {
    const Source& source = compilation.sources[origin->value.source];
    if (source.kind == Source::Kind::option) return field + ", by " + source.name;
    const std::string file = fs::path(source.name).filename().string();
    return field + ", " + file + (origin->computed ? "" : ':' + std::to_string(position_of(source.text, origin->value.begin).line));
  }
  if (compilation.plan)
    for (const Decision& decision : compilation.plan->decisions)
      if (decision.field == field) return field + ", auto";
  return field + ", as by default";
}

}  // namespace

void tell_causes(Submission& submission, const Compilation& compilation) {
  for (Submission::File& file : submission.files) {
    if (file.causes.empty()) continue;
    std::vector<std::string> lines;
    std::istringstream in(file.content);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    std::size_t column = 0;
    for (const Submission::File::Cause& cause : file.causes) column = std::max(column, std::min<std::size_t>(lines[cause.line].size(), 46));
    for (const Submission::File::Cause& cause : file.causes) {
      std::string& line = lines[cause.line];
      if (line.size() < column) line.append(column - line.size(), ' ');
      line += "  # " + sanitised(cause_in_words(cause.field, compilation));
    }
    file.content.clear();
    for (const std::string& line : lines) file.content += line + '\n';
  }
}

void write_submission(const Submission& submission, const Plan& plan, const std::string& folder) {
  fs::create_directories(folder);
  std::vector<std::pair<std::string, std::string>> files = {{"plan.json", save_plan(plan)}};
  for (const Submission::File& file : submission.files) files.emplace_back(file.path, file.content);
  std::vector<std::string> names;
  if (plan.job.code.take != CodeTake::none) names = {"code", "code.json"};
  for (const auto& [name, content] : files) names.push_back(name);
  for (const std::string& name : names)
    if (std::error_code error; fs::exists(fs::symlink_status(fs::path(folder) / name, error)))
      throw UsageError(folder + " holds a " + name + " already", "give a new folder: one is for one run");
  copy_code(plan, fs::canonical(folder).string());
  for (const auto& [name, content] : files) write_file((fs::path(folder) / name).string(), content);
}

}  // namespace fabric
