#include "launch_backends/local.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "launch_backends/controller.hpp"
#include "launch_backends/probes/host.hpp"

namespace fabric {
namespace {

std::string answer_one(const Question& question) {
  const std::string& subject = question.subject;
  struct stat status {};
  if (question.kind == QuestionKind::is_program && subject.find('/') == std::string::npos)
    return find_on_path(subject).empty() ? "no program `" + subject + "` is on PATH" : "";
  if (stat(subject.c_str(), &status) != 0) {
    const int error = errno;
    if (question.kind != QuestionKind::is_plain_or_gzip_file || stat((subject + ".gz").c_str(), &status) != 0)
      return subject + ": " + std::strerror(error);
  }
  switch (question.kind) {
    case QuestionKind::is_directory: return S_ISDIR(status.st_mode) ? "" : subject + " is not a folder";
    case QuestionKind::is_file:
    case QuestionKind::is_plain_or_gzip_file: return S_ISREG(status.st_mode) ? "" : subject + " is not a file";
    case QuestionKind::is_program: return is_executable_file(subject) ? "" : subject + " is not an executable file";
  }
  return "";
}

class LocalBackend : public LaunchBackend {
 public:
  explicit LocalBackend(std::string self) : self_(std::move(self)) {}

  Hardware probe(Diagnostics& diagnostics) override { return probe_this_host(ProbeRoot{}, diagnostics); }

  std::vector<std::string> answer(const std::vector<Question>& questions) override {
    std::vector<std::string> answers;
    for (const Question& question : questions) answers.push_back(answer_one(question));
    return answers;
  }

  Submission render(const Plan& plan, Diagnostics& diagnostics) const override {
    if (plan.job.num_nodes != 1) {
      Diagnostic d;
      d.code = "FAB5020";
      d.message = "this machine is one node, and the job asks for " + std::to_string(plan.job.num_nodes);
      d.at = Path::parse("num_nodes").value_or(Path());
      d.label = "one at most";
      d.help = "leave num_nodes out, and ask for more devices";
      diagnostics.add(std::move(d));
      return {};
    }
    return {{}, {{self_, "agent"}}};
  }

  Outcome submit(const Plan& plan, const Submission& submission, const RunOptions& options, RunObserver& observer) override {
    std::vector<AgentCommand> agents;
    for (const std::vector<std::string>& command : submission.commands) agents.push_back({command});
    return conduct(plan, options, agents, observer);
  }

 private:
  std::string self_;
};

}  // namespace

std::unique_ptr<LaunchBackend> make_local_backend(const std::string& self) { return std::make_unique<LocalBackend>(self); }

}  // namespace fabric
