// A job that is made of another text: its value, and for some of its fields where they come from.
#pragma once

#include <map>
#include <string>

#include "schema/path.hpp"
#include "schema/value.hpp"

namespace fabric {

struct ImportedJob {
  Value job = Value::object();
  std::map<Path, std::string> origins;  // shown behind the field: line 12

  // A value at a path of keys, whose maps are made.
  void set(const Path& path, Value value, std::string origin = "");
};

// As a YAML file, in the order in which fields were set; commands in block style, and origins as comments.
std::string imported_job_text(const ImportedJob& job, const std::string& head);

}  // namespace fabric
