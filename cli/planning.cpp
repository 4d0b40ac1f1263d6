#include "cli/planning.hpp"

#include <charconv>
#include <filesystem>

#include "cli/outside.hpp"
#include "cli/render_diagnostics.hpp"
#include "cli/render_submission.hpp"
#include "cli/show_hardware.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

std::string_view code_of(QuestionKind kind) {
  switch (kind) {
    case QuestionKind::is_directory: return "FAB5001";
    case QuestionKind::is_file:
    case QuestionKind::is_plain_or_gzip_file: return "FAB5002";
    case QuestionKind::is_program: break;
  }
  return "FAB5003";
}

// on_command_line: the path came from the command line and not from a file. of_hosts: hosts of ssh were asked.
std::string way_out(const Question& question, bool on_command_line, bool of_hosts) {
  // A shell would have replaced these.
  if (const std::size_t at = question.subject.find("/~/"); at != std::string::npos || question.subject.find("/$") != std::string::npos)
    return "`~` and `$` mean nothing in a path of a job: write it out, or give it where a shell replaces them: --set " + question.field +
           "=\"$HOME/...\"";
  const std::string from = on_command_line ? "; on the command line a relative path counts from the working directory"
                                           : "; a relative path counts from the job file's folder";
  switch (question.kind) {
    case QuestionKind::is_directory: return "make the folder, or write the path of the right one" + from;
    case QuestionKind::is_plain_or_gzip_file:
      return "the folder of a data set has four files, plain or with .gz behind their names; see `fabric explain " + question.field + "`";
    case QuestionKind::is_file: return "write the path of a file that is there" + from;
    case QuestionKind::is_program:
      if (question.field == "train" && of_hosts)
        return "install it on each host at this path, with the LibTorch that it was built with: `--stage` copies fabric alone";
      return question.field == "train" ? "build it: a fabric that was built without the runtime plans but does not train"
                                       : "write the program's path, or put its folder on PATH";
  }
  return "";
}

void ask(Planning& p, const std::vector<Question>& questions) {
  const Compilation& c = p.compilation;
  const std::vector<std::string> answers = p.backend->answer(questions);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    if (answers[i].empty()) continue;
    // What is wrong with a field is said once: of four files of a data set the first that is missing.
    if (i > 0 && !answers[i - 1].empty() && questions[i - 1].field == questions[i].field) continue;
    Diagnostic d;
    d.code = code_of(questions[i].kind);
    d.message = answers[i];
    d.at = Path::parse(questions[i].field).value_or(Path());
    d.label = "not usable here";
    const Origin* origin = c.origins.find(*d.at.path);
    d.help = way_out(questions[i], origin && c.sources[origin->value.source].kind == Source::Kind::option, c.backend == BackendName::ssh);
    p.compilation.diagnostics.add(std::move(d));
  }
  p.answered = true;
}

}  // namespace

ExitCode Planning::failure() const {
  // FAB4 and FAB5 are about this machine, but for FAB48: about the file that stands for one.
  const auto of_the_machine = [](const std::string& code) {
    return code.starts_with("FAB5") || (code.starts_with("FAB4") && !code.starts_with("FAB48"));
  };
  for (const Diagnostic& d : compilation.diagnostics.all())
    if (d.severity == Severity::error && !of_the_machine(d.code)) return ExitCode::bad_file;
  return ExitCode::unresolved;
}

Request request_of(const Arguments& arguments) {
  Request request;
  const std::string& job = *arguments.operand;
  // What comes from a pipe cannot be read twice: the request keeps it.
  if (job == "-" || job.starts_with("/dev/fd/") || job == "/dev/stdin") {
    ReadFile text = read_file(job == "-" ? "/dev/stdin" : job);
    if (!text.text)
      throw UsageError("cannot read a job from " + (job == "-" ? std::string("standard input") : job) + ": " + text.error,
                       "for example: generate | fabric plan -");
    request.text = std::move(text.text);
    request.job = (std::filesystem::current_path() / "stdin.yaml").string();
  } else {
    request.job = std::filesystem::absolute(job).lexically_normal().string();
  }
  request.profiles = arguments.values("profile");
  request.sets = arguments.values("set");
  return request;
}

std::vector<std::string> command_line(std::string_view command, const std::string& job, const Request& request) {
  std::vector<std::string> line = {"fabric", std::string(command), job};
  for (const std::string& profile : request.profiles) line.insert(line.end(), {"--profile", profile});
  for (const std::string& set : request.sets) line.insert(line.end(), {"--set", set});
  return line;
}

std::int64_t read_node_rank(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0)
    throw UsageError("`--node-rank " + text + "` is no node", "nodes are numbered from 0 on");
  return number;
}

std::optional<std::int64_t> node_rank_of(const Arguments& arguments) {
  const std::optional<std::string> text = arguments.value("node-rank");
  return text ? std::optional(read_node_rank(*text)) : std::nullopt;
}

BackendOptions backend_options_of(const Arguments& arguments) {
  return {.stage = arguments.has("stage"), .in_allocation = arguments.has("in-allocation")};
}

Planning plan_job(const Request& request, const std::string& self, const std::optional<std::string>& hardware_file,
                  std::optional<std::int64_t> node_rank, const BackendOptions& options) {
  Planning p;
  std::optional<Hardware> recorded;
  if (hardware_file) {
    // Its problems point into that file and not into the job.
    Compilation& c = p.compilation;
    recorded = read_hardware(*hardware_file, c.sources, c.origins, c.diagnostics);
    if (!recorded) return p;
  }
  Compilation of_file = std::move(p.compilation);
  p.compilation = compile(request, make_outside(self), [&](const JobSpec& job, Diagnostics& diagnostics) {
    const std::string which = "and the backend of this job is " + std::string(name_of(job.backend));
    if (options.stage && job.backend != BackendName::ssh)
      throw UsageError("`--stage` copies fabric to hosts that ssh reaches, " + which, "leave it out");
    if (options.in_allocation && job.backend != BackendName::slurm)
      throw UsageError("`--in-allocation` starts on the nodes of a job of SLURM, " + which, "leave it out, or give --set backend=slurm");
    p.backend = make_launch_backend(job.backend, self, options);
    if (recorded && job.backend == BackendName::local) is_one_machine(*recorded, *hardware_file, of_file.diagnostics);
    return recorded ? p.backend->for_job(job, *recorded) : p.backend->probe(job, diagnostics);
  });
  if (of_file.diagnostics.has_errors()) {
    p.compilation = std::move(of_file);
    return p;
  }
  if (!recorded) {
    // Of a job with errors only this machine is asked: those of a cluster were not looked for.
    const bool elsewhere = p.compilation.backend.value_or(BackendName::local) != BackendName::local;
    if (!p.backend && !elsewhere) p.backend = make_launch_backend(BackendName::local, self);
    if (p.backend) ask(p, p.compilation.questions);
  }
  if (!p.compilation.plan) return p;
  Submission submission = p.backend->render(*p.compilation.plan, node_rank, p.compilation.diagnostics);
  if (!recorded && !submission.questions.empty()) ask(p, submission.questions);
  if (p.compilation.diagnostics.has_errors()) return p;
  tell_causes(submission, p.compilation);
  p.submission = std::move(submission);
  return p;
}

void report(const Invocation& invocation, const Compilation& compilation) {
  if (compilation.diagnostics.all().empty()) return;
  if (invocation.arguments.value("format") == "json" && compilation.diagnostics.has_errors()) {
    invocation.console.out.write(pretty_json(diagnostics_value(compilation.diagnostics, compilation.sources, compilation.origins)) + '\n');
    return;
  }
  invocation.console.err.write(
      render_diagnostics(compilation.diagnostics, compilation.sources, compilation.origins, invocation.console.err));
}

}  // namespace fabric
