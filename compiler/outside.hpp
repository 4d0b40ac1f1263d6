// What the compiler needs of the outside, given to it as functions: with them it is pure, and a test can stand in for a machine.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "schema/backend_rules.hpp"
#include "schema/job.hpp"

namespace fabric {

// A text that was read, or why it could not be.
struct ReadFile {
  std::optional<std::string> text;
  std::string error;  // "No such file or directory"
};

// A Jsonnet program with all that it imports, and what the evaluation gave.
struct JsonnetProgram {
  std::string main;  // the path of the program
  // Path -> text, for main and everything it imports, however deep. Paths are absolute.
  std::vector<std::pair<std::string, std::string>> files;
  // (path of the importing file, text of the import) -> index into files.
  std::vector<std::tuple<std::string, std::string, std::size_t>> imports;
};
struct JsonnetResult {
  std::optional<std::string> json;
  std::string error;    // libjsonnet's own text: STATIC ERROR: file:1:2: ...
  std::string refusal;  // the evaluation itself was not possible or was ended: no library, out of time, out of memory
  std::string help;     // the way out of a refusal
};

struct Outside {
  std::function<ReadFile(const std::string& path)> read_file;
  std::function<std::string(const std::string& path)> real_path;  // symbolic links resolved; "" where there is no such file
  std::function<JsonnetResult(const JsonnetProgram&)> evaluate_jsonnet;
  // Of these, one that is not given answers nothing.
  std::function<std::vector<std::string>(const std::string& path)> list_folder;       // names in a folder; none where it cannot be read
  std::function<std::string(const std::string& variable)> environment;                // "" where it is not set
  std::function<std::vector<std::string>()> variables;                                // all of the environment, NAME=value
  std::function<std::string(const std::string& name)> find_program;                   // its path on PATH; "" where there is none
  std::function<std::optional<std::string>(const std::string& path)> python_version;  // of an interpreter: Python 3.11.2
  std::function<std::optional<std::string>(const std::string& folder)> git_state;     // 40 hex digits, perhaps -dirty
  std::function<BackendRules(const JobSpec&)> rules;                                  // of its backend
  std::string working_directory;                                                      // absolute
  std::string worker;                                                                 // absolute path of fabric-worker
  std::string version;                                                                // of fabric, with its commit
};

inline BackendRules rules_of(const Outside& outside, const JobSpec& job) { return outside.rules ? outside.rules(job) : BackendRules(); }

}  // namespace fabric
