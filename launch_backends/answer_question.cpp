#include "launch_backends/answer_question.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "launch_backends/process.hpp"

namespace fabric {

std::string answer_here(const Question& question) {
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

}  // namespace fabric
