// `extends`: the files that lie under a job or under one of its profiles. site:NAME is NAME.yaml or NAME.jsonnet of the user's folder of
// sites, else of the machine's; anything else is the path of a file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/job_file.hpp"

namespace fabric {

// A file that lies under the job, by the name that it is asked for: site:juwels, base.yaml.
struct Extended {
  std::string name;
  JobFile file;
};

// All that `extends` of value asks for, and what that extends in its turn, lowest first: sites and what they extend, then files. Each
// stands once, and its own `extends` is taken out. at: where value stands in the job; origins: of the value. within: the file in which
// `extends` is written. nullopt if one of them cannot be read, is no map, or extends itself.
std::optional<std::vector<Extended>> read_extended(const Value& value, const Path& at, const SourceMap& origins, const JobFile& within,
                                                   const Reading& reading);

// The folders in which a site is looked for, the first first.
std::vector<std::string> site_folders(const Outside& outside);

}  // namespace fabric
