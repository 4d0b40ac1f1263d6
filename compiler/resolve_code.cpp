#include "compiler/resolve_code.hpp"

#include <algorithm>
#include <filesystem>

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr const char* copy_folder = "/code";  // below the run

// The part of path below folder, with a slash in front; absent if it is not there.
std::optional<std::string> part_below(const std::string& folder, const std::string& path) {
  if (path == folder) return "";
  if (folder.empty() || !path.starts_with(folder.ends_with('/') ? folder : folder + '/')) return std::nullopt;
  return path.substr(folder.ends_with('/') ? folder.size() - 1 : folder.size());
}

bool is_below(const std::string& folder, const std::string& path) { return part_below(folder, path).has_value(); }

// Why a copy of the folder would not be what the program runs; empty: it would. name: of the folder, in words.
std::string hindrance(const JobSpec& job, const std::string& folder, const std::string& name) {
  if (!job.program) return "fabric's own runtime is no code of the job";
  const Program& program = *job.program;
  if (program.script) return is_below(folder, *program.script) ? "" : "the script is not in " + name;
  if (program.module)
    return is_below(folder, program.cwd.value_or(folder)) ? "" : "the module is looked for in a folder that is not " + name;
  return is_below(folder, program.command->front()) ? "" : "the command is no file in " + name;
}

// The folder of which a copy goes to the hosts.
std::string synced_folder(const JobSpec& job, const std::string& folder) {
  std::string synced = fs::path(job.code.sync.value_or(folder)).lexically_normal().string();
  while (synced.size() > 1 && synced.ends_with('/')) synced.pop_back();
  return synced;
}

// Hosts do not have what is brought to them: of that it is asked here.
void ask_here(const std::string& folder, std::vector<Question>& questions, const Outside& outside, Diagnostics& diagnostics) {
  std::erase_if(questions, [&](const Question& question) {
    const bool brought = question.field == "program.cwd" || question.field == "program.command[0]" ||
                         (question.field == "program.script" && question.kind == QuestionKind::is_file);
    if (!brought || !is_below(folder, question.subject)) return false;
    if (outside.real_path(question.subject).empty())
      diagnostics.add({.code = "FAB3060",
                       .message = question.subject + " is not there, and would be missing in the copy of the code",
                       .at = Place(Path::parse(question.field).value_or(Path())),
                       .label = "no such file here",
                       .help = "write the path of a file that is there; a relative path counts from the job file's folder"});
    return true;
  });
}

void resolve_sync(const JobSpec& job, const std::string& folder, Resolution& resolution, std::vector<Question>& questions,
                  const Outside& outside, Diagnostics& diagnostics) {
  const std::string synced = synced_folder(job, folder);
  resolution.job.code.take = CodeTake::sync;
  resolution.job.code.sync = synced;
  const std::string why =
      outside.real_path(synced).empty() ? "there is no folder " + synced : hindrance(job, synced, "the folder " + synced);
  if (!why.empty()) {
    diagnostics.add({.code = "FAB3060",
                     .message = "there is nothing to bring to the hosts: " + why,
                     .at = Place(Path("code") / (job.code.sync ? "sync" : "take")),
                     .label = "whose copy they would get",
                     .help = "write `code: none`, or under `sync` the folder of the code"});
    return;
  }
  ask_here(synced, questions, outside, diagnostics);
}

}  // namespace

void resolve_code(const JobSpec& job, const BackendRules& rules, const std::string& folder, Resolution& resolution,
                  std::vector<Question>& questions, const Outside& outside, Diagnostics& diagnostics) {
  resolution.job.code.exclude = job.code.exclude;
  const bool open = is_auto(job.code.take);
  if (job.code.sync && !open && std::get<CodeTake>(job.code.take) != CodeTake::sync) {
    const std::string take(name_of(std::get<CodeTake>(job.code.take)));
    diagnostics.add({.code = "FAB3061",
                     .message = "`sync` names a folder whose copy the hosts get, and `take: " + take + "` is another way",
                     .at = Place(Path("code") / "take"),
                     .label = "not with `sync`",
                     .help = "leave `take` out, or `sync`"});
    return;
  }
  if (job.code.sync || (!open && std::get<CodeTake>(job.code.take) == CodeTake::sync))
    return resolve_sync(job, folder, resolution, questions, outside, diagnostics);
  const std::string why_not = hindrance(job, folder, "the folder of the job file");
  if (!open) {
    resolution.job.code.take = std::get<CodeTake>(job.code.take);
    if (resolution.job.code.take == CodeTake::none || why_not.empty()) return;
    diagnostics.add({.code = "FAB3060",
                     .message = "there is nothing to take a snapshot of: " + why_not,
                     .at = Place(Path("code") / "take"),
                     .label = "of the job file's folder",
                     .help = "write `code: none`, or put the job file into the folder of the code"});
    return;
  }
  const bool script = job.program && job.program->script;
  const bool takes = rules.waits && script && why_not.empty();
  resolution.job.code.take = takes ? CodeTake::snapshot : CodeTake::none;
  // On one machine nobody waits, and there is nothing to tell.
  if (!rules.waits || !job.program) return;
  Decision d{.field = "code.take", .value = name_of(resolution.job.code.take), .rule = takes ? "a-script-that-waits" : "not-by-itself"};
  d.inputs = {{"backend", name_of(job.backend)}};
  d.because = takes              ? "the job waits in a queue, and runs the code of today"
              : !why_not.empty() ? why_not
                                 : "ranks of a module or a command would start in the copy";
  resolution.decisions.push_back(std::move(d));
}

void start_from_copy(Plan& plan, const std::string& job_folder) {
  const bool synced = plan.job.code.take == CodeTake::sync;
  if (!synced && plan.job.code.take != CodeTake::snapshot) return;
  const std::string folder = synced ? *plan.job.code.sync : job_folder;
  const auto in_copy = [&folder](Text& text) {
    if (!text.is_literal()) return;
    if (const std::optional<std::string> part = part_below(folder, text.str())) text = Text(Binding::run_directory, copy_folder + *part);
  };
  const Program& program = *plan.job.program;
  const std::string code = program.script ? *program.script : program.module ? "" : program.command->front();
  for (NodeGroup& group : plan.groups) {
    for (Text& word : group.rank.argv) {
      if (code.empty() || word != Text(code)) continue;
      in_copy(word);
      break;  // an argument may be the same word, and means what it says
    }
    // Where the copy is all that a host has, its ranks start there.
    if (synced && !program.cwd && !is_below(folder, job_folder)) group.rank.cwd = Text(Binding::run_directory, copy_folder);
    if (synced || !program.script) in_copy(group.rank.cwd);
  }
  plan.outputs.push_back({"code/", "the code of the program as it was"});
}

}  // namespace fabric
