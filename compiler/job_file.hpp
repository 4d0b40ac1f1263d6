// A file that says something of a job: the job itself, or one that lies under it. It is read by the language that its name tells, and
// brought to the long form.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/outside.hpp"
#include "schema/diagnostic.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

// What every file that is read adds to.
struct Reading {
  const Outside& outside;
  Sources& sources;
  std::vector<Input>& inputs;
  Diagnostics& diagnostics;
};

struct JobFile {
  std::string path;  // absolute
  std::uint32_t source = 0;
  Value value;
  SourceMap origins;
  bool computed = false;  // by Jsonnet

  std::string folder() const;
};

// Reads the file at path, of which the text is known and which is shown under this name. at: where it was asked for, if that is written
// somewhere. False if it cannot be read or is no map; what is known of the places in it stands in file.origins all the same.
bool read_job_file(const std::string& path, const std::string& text, const std::string& shown, const Place& at, const Reading& reading,
                   JobFile& file);

// Lets each value that a program computed say so itself: where several files lie over each other, what stands nearest to a value may be
// of another file.
void mark_computed(JobFile& file);

// A path as messages show it: from the working directory on, unless that is far away.
std::string shown_from(const std::string& working_directory, const std::string& path);

}  // namespace fabric
