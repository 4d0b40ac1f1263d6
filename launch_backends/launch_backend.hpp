// A place where ranks can run. A backend looks at its machines, says what it would do, and does it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/diagnostic.hpp"
#include "schema/event.hpp"
#include "schema/hardware.hpp"
#include "schema/plan.hpp"

namespace fabric {

// What submit will do, complete: the files that it writes first and the commands that it starts.
struct Submission {
  struct File {
    std::string path;  // below the run directory
    std::string content;
  };
  std::vector<File> files;
  std::vector<std::vector<std::string>> commands;
};

// Told what happens while a run goes on, in the thread that called submit. A line is a piece of a rank's output without its
// newline. Nothing here may block for long.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void on_event(const Event& event) = 0;
  virtual void on_line(std::int64_t node, std::int64_t rank, std::string_view line) = 0;
};

// How a run ended. exit_code is that of `fabric apply`: 0, the culprit's own (128 + n for a signal), 128 + n for a stop by the
// signal n (130 for Ctrl-C), 125 for what fabric itself refused or lost.
struct Outcome {
  int exit_code = 0;
  std::string verdict;                  // one word: finished, failed, stopped, lost, refused
  std::string message;                  // what died first, by which rule it is the culprit; empty when finished
  std::optional<std::int64_t> culprit;  // global rank
  std::vector<std::string> last_lines;  // of the culprit's output
  std::string log;                      // the culprit's log file
};

struct RunOptions {
  std::string run_directory;  // exists, holds plan.json
  std::int64_t attempt = 0;
  std::optional<std::string> resume_path;  // a checkpoint
  // The GPUs of each node, where the plan leaves them open; empty: the backend takes idle ones.
  std::vector<std::int64_t> device_ids;
};

class LaunchBackend {
 public:
  virtual ~LaunchBackend() = default;
  virtual Hardware probe(Diagnostics& diagnostics) = 0;
  // Why each question's answer is no: one message each, empty for yes.
  virtual std::vector<std::string> answer(const std::vector<Question>& questions) = 0;
  // Pure. Refuses, with reasons, what this backend cannot do.
  virtual Submission render(const Plan& plan, Diagnostics& diagnostics) const = 0;
  // Runs the plan to its end.
  virtual Outcome submit(const Plan& plan, const Submission& submission, const RunOptions& options, RunObserver& observer) = 0;
};

}  // namespace fabric
