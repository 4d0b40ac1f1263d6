// A batch script as it is written, line by line, with the field of the job behind each line that has one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "launch_backends/launch_backend.hpp"

namespace fabric {

class BatchLines {
 public:
  explicit BatchLines(std::string path) { file_.path = std::move(path); }

  // text: one or several lines, without the last newline. field: of one line alone.
  void line(const std::string& text, const std::string& field = "");
  // #SBATCH --name=value, in such quotes that sbatch reads the value again; value has no newline.
  void directive(const std::string& name, const std::optional<std::string>& value, const std::string& field);

  Submission::File take() { return std::move(file_); }

 private:
  Submission::File file_;
  std::size_t lines_ = 0;
};

}  // namespace fabric
