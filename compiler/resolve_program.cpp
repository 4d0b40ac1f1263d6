#include "compiler/resolve_program.hpp"

#include <filesystem>

#include "compiler/check_job.hpp"
#include "compiler/look_at_script.hpp"
#include "compiler/share_batch.hpp"
#include "schema/env_file.hpp"
#include "schema/sha256.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

class ProgramResolver {
 public:
  ProgramResolver(const JobSpec& job, std::string folder, const Outside& outside, Sources& sources, const SourceMap& origins,
                  Diagnostics& diagnostics)
      : job_(job),
        program_(*job.program),
        folder_(std::move(folder)),
        outside_(outside),
        rules_(rules_of(outside, job)),
        sources_(sources),
        origins_(origins),
        diagnostics_(diagnostics) {}

  ProgramStart run() {
    for (const std::string& word : program_.wrapper) out_.argv.emplace_back(word);
    if (!program_.wrapper.empty()) ask(QuestionKind::is_program, program_.wrapper.front(), "program.wrapper[0]");
    if (program_.script) {
      python();
      out_.argv.emplace_back(*program_.script);
      ask(QuestionKind::is_file, *program_.script, "program.script");
      look(*program_.script);
    } else if (program_.module) {
      python();
      out_.argv.emplace_back("-m");
      out_.argv.emplace_back(*program_.module);
    } else if (program_.command) {
      for (const std::string& word : *program_.command) out_.argv.emplace_back(word);
      ask(QuestionKind::is_program, program_.command->front(), "program.command[0]");
    }
    if (program_.local_rank_option) {
      out_.argv.emplace_back(*program_.local_rank_option);
      out_.argv.emplace_back(Binding::local_rank);
    }
    for (const std::string& word : program_.args.words) out_.argv.emplace_back(word);
    if (program_.cwd) ask(QuestionKind::is_directory, *program_.cwd, "program.cwd");
    if (program_.env_file) variables(*program_.env_file);
    if (outside_.git_state)
      out_.code.git_commit = outside_.git_state(program_.script ? fs::path(*program_.script).parent_path().string() : folder_);
    return std::move(out_);
  }

 private:
  void ask(QuestionKind kind, const std::string& subject, const char* field) {
    if (kind == QuestionKind::is_program && subject.find('/') == std::string::npos && rules_.makes_environment) return;
    out_.questions.push_back({kind, subject, field});
  }

  bool exists(const std::string& path) const { return !outside_.real_path(path).empty(); }

  // The path is not resolved further: an interpreter finds its virtual environment by the path that it was started by.
  void python() {
    std::string path;
    const char* field = "program.python";
    if (program_.python) {
      path = written_python(*program_.python);
    } else {
      const std::string environment = outside_.environment ? outside_.environment("VIRTUAL_ENV") : "";
      Decision d{.field = "program.python"};
      d.inputs = {{"environment.VIRTUAL_ENV", environment}};
      if (!rules_.python.empty()) {
        path = rules_.python;
        d.rule = "environment-of-the-job";
        d.because = "the job activates this virtual environment";
      } else if (rules_.makes_environment) {
        path = "python";
        d.rule = "first-on-path-of-the-node";
        d.because = "the job makes its own environment on the node, where python is looked up";
        d.rejected = {{"the python of this machine", "the job does not start here"}};
      } else if (!environment.empty()) {
        path = environment + "/bin/python";
        d.rule = "active-virtual-environment";
        d.because = "VIRTUAL_ENV is set";
        d.rejected = {{"python3", "is not the active environment's"}};
      } else {
        const std::string found = outside_.find_program ? outside_.find_program("python3") : "";
        path = found.empty() ? "python3" : found;
        d.rule = "first-on-path";
        d.because = std::string("no virtual environment is active, and python3 is ") + (found.empty() ? "looked up at start" : "on PATH");
      }
      d.value = path;
      out_.decisions.push_back(std::move(d));
      field = program_.script ? "program.script" : "program.module";
    }
    out_.argv.emplace_back(path);
    ask(QuestionKind::is_program, path, field);
    if (outside_.python_version && path.find('/') != std::string::npos) out_.code.python_version = outside_.python_version(path);
  }

  std::string written_python(const std::string& written) const {
    const Origin* origin = origins_.find(Path("program") / "python");
    const bool option = origin && sources_[origin->value.source].kind == Source::Kind::option;
    const std::string there = (fs::path(option ? outside_.working_directory : folder_) / written).lexically_normal().string();
    if (exists(there + "/bin/python")) return there + (there.ends_with('/') ? "bin/python" : "/bin/python");
    if (written.find('/') != std::string::npos || (exists(there) && !exists(there + "/."))) return there;
    // A name is looked up where ranks start, on their own PATH.
    if (rules_.makes_environment || rules_.starts_elsewhere || job_.env.contains("PATH") || program_.env.contains("PATH")) return written;
    const std::string found = outside_.find_program ? outside_.find_program(written) : "";
    return found.empty() ? written : found;
  }

  void take(const std::string& path, const std::string& text) { out_.inputs.push_back({path, sha256_hex(text)}); }

  void look(const std::string& path) {
    const ReadFile file = outside_.read_file(path);
    if (!file.text) return;  // the question says so
    take(path, *file.text);
    if (const auto world = written_world_size(job_); world && *world == 1) return;
    const ScriptLook look = look_at_script(*file.text);
    const std::string name = fs::path(path).filename().string();
    const auto warn = [&](const char* code, std::string message, std::string label, std::string help) {
      diagnostics_.add({.severity = Severity::warning,
                        .code = code,
                        .message = std::move(message),
                        .at = Place("program.script"),
                        .label = std::move(label),
                        .help = std::move(help)});
    };
    if (look.lightning_fabric && !look.launches && program_.contract != Contract::fabric_cli && program_.contract != Contract::none)
      warn("FAB3043", name + " seems to make a Lightning Fabric object and never to call launch(): then each rank trains alone",
           "no launch() in here", "write `contract: fabric-cli` under `program`, or call fabric.launch() in the script");
    if (look.lightning_fabric && look.launches && program_.contract == Contract::fabric_cli)
      warn("FAB3044", name + " seems to call launch(), which Lightning refuses under the contract fabric-cli", "calls launch()",
           "leave `contract` out: torchrun's fits");
    if (!look.local_rank_option.empty() && !look.local_rank_variable && !program_.local_rank_option)
      warn("FAB3045", name + " seems to take its local rank from an option, which nobody gives it", "parses " + look.local_rank_option,
           "write `local_rank_option: " + look.local_rank_option + "` under `program`");
  }

  void variables(const std::string& path) {
    ask(QuestionKind::is_file, path, "program.env_file");
    const ReadFile file = outside_.read_file(path);
    if (!file.text) return;
    take(path, *file.text);
    const EnvFile read = read_env_file(*file.text);
    std::optional<std::uint32_t> source;
    const auto complain = [&](const char* code, std::size_t begin, std::size_t end, std::string message, std::string label,
                              std::string help) {
      if (!source) source = sources_.add({path, masked_env_file(*file.text), Source::Kind::file});
      diagnostics_.add({.code = code,
                        .message = std::move(message),
                        .at = Span{*source, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)},
                        .label = std::move(label),
                        .help = std::move(help)});
    };
    for (const EnvFile::Mistake& mistake : read.mistakes)
      complain("FAB3046", mistake.begin, mistake.end, mistake.what, "in a file of variables", mistake.help);
    for (const EnvFile::Variable& variable : read.variables)
      if (const bool threads = variable.name == "OMP_NUM_THREADS"; threads || is_set_by_fabric(variable.name))
        complain("FAB3030", variable.begin, variable.end, "`" + variable.name + "` is set by fabric for each rank", "cannot be chosen here",
                 threads ? "write `threads` in the job" : "remove it; the rank's own value is always right");
      else if (variable.name == "PYTHONUNBUFFERED") out_.sets_unbuffered = true;
  }

  const JobSpec& job_;
  const Program& program_;
  const std::string folder_;
  const Outside& outside_;
  const BackendRules rules_;
  Sources& sources_;
  const SourceMap& origins_;
  Diagnostics& diagnostics_;
  ProgramStart out_;
};

}  // namespace

ProgramStart resolve_program(const JobSpec& job, const std::string& folder, const Outside& outside, Sources& sources,
                             const SourceMap& origins, Diagnostics& diagnostics) {
  return ProgramResolver(job, folder, outside, sources, origins, diagnostics).run();
}

}  // namespace fabric
