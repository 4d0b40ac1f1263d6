// What a rank that failed says of the reason: torch's error file, or the traceback at the end of its output.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fabric {

struct RankError {
  std::string error_class;  // communication: a peer was lost; exception: any other
  std::string message;      // ValueError: no such layer
};

// The file that TORCHELASTIC_ERROR_FILE names, as torch.distributed.elastic's `record` writes it; nullopt if there is none that can be
// read. Source: torch/distributed/elastic/multiprocessing/errors/error_handler.py, 2.11.
std::optional<RankError> read_error_file(const std::string& path);

// The exception that the last traceback of Python in these lines ends with.
std::optional<RankError> find_traceback(const std::vector<std::string>& lines);

}  // namespace fabric
