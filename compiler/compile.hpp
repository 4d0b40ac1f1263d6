// The compiler: text and hardware in, plan and diagnostics out. Start reading here: compile.cpp is the pipeline on one screen.
// It is a pure function. What it needs of the outside it is given as functions, and what only the place of the run can answer it
// leaves as questions in the plan.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "schema/diagnostic.hpp"
#include "schema/hardware.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"

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
};

struct Outside {
  std::function<ReadFile(const std::string& path)> read_file;
  std::function<std::string(const std::string& path)> real_path;  // symbolic links resolved; "" where there is no such file
  std::function<JsonnetResult(const JsonnetProgram&)> evaluate_jsonnet;
  std::string working_directory;  // absolute
  std::string worker;             // absolute path of fabric-worker
  std::string version;            // of fabric, with its commit
};

// What a job file says, checked, with every layer applied and nothing resolved.
struct CheckedJob {
  JobSpec job;
  Value merged;               // the long form, defaults filled in
  std::vector<Input> inputs;  // every file that was read
};

struct Compilation {
  Sources sources;
  SourceMap origins;
  Diagnostics diagnostics;
  std::optional<CheckedJob> checked;
  std::optional<Plan> plan;  // only if there were no errors
};

// Reads and checks a job: text, layers, schema, and what must hold between fields whatever the machine. Leaves `plan` empty.
Compilation check(const Request& request, const Outside& outside);

// The whole way. hardware is asked for only if check found no errors.
Compilation compile(const Request& request, const Outside& outside, const std::function<Hardware(const JobSpec&, Diagnostics&)>& hardware);

}  // namespace fabric
