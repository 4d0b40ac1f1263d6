// The files of a run that tell of it, wherever it is read: not its code, and nothing that a program keeps.
#pragma once

#include <string>
#include <vector>

namespace fabric {

// Those that may be there, below the folder of the run: the small ones of the controller first, and the end of the run in the last one.
std::vector<std::string> files_of_run(const std::string& run);

// The one in which the end stands.
constexpr const char* file_of_end = "status.json";

// Whether it only grows, even where it is another file afterwards; any other is replaced as a whole.
bool grows(const std::string& path);

// Whether it is the path of one.
bool is_file_of_run(const std::string& path);

}  // namespace fabric
